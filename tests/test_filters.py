import pytest

from vecstore import InvalidRequestError
from vecstore.columns import Columns
from vecstore.filters import MAX_DEPTH, MAX_NODES, parse_filter

FILE = {"year": 2024, "share": 0.5, "team": "law", "final": True}


def compare(kind, key, value):
    return {"type": kind, "key": key, "value": value}


def passes(tree, attributes=FILE):
    return Columns([attributes]).passing(parse_filter(tree)).tolist() == [True]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("eq", 2024, True),
        ("eq", 2023, False),
        ("ne", 2023, True),
        ("ne", 2024, False),
        ("gt", 2023, True),
        ("gt", 2024, False),
        ("gte", 2024, True),
        ("gte", 2025, False),
        ("lt", 2025, True),
        ("lt", 2024, False),
        ("lte", 2024, True),
        ("lte", 2023, False),
        ("in", [1999, 2024], True),
        ("in", [1999], False),
        ("in", [], False),
        ("nin", [1999], True),
        ("nin", [2024], False),
        ("nin", [], True),
    ],
)
def test_each_operator_means_what_it_says(kind, value, expected):
    assert passes(compare(kind, "year", value)) is expected


@pytest.mark.parametrize("kind", ["eq", "gt", "gte", "lt", "lte"])
def test_a_missing_key_is_false_for_a_comparison(kind):
    assert not passes(compare(kind, "nothing", 1))


def test_a_missing_key_is_in_no_list():
    assert not passes(compare("in", "nothing", ["a"]))


def test_a_missing_key_is_true_for_ne_and_nin():
    assert passes(compare("ne", "nothing", 1))
    assert passes(compare("nin", "nothing", ["a"]))


@pytest.mark.parametrize("kind", ["eq", "gt", "gte", "lt", "lte"])
@pytest.mark.parametrize(("key", "value"), [("year", "2024"), ("team", 5), ("final", 1), ("year", True)])
def test_a_comparison_across_types_is_false(kind, key, value):
    assert not passes(compare(kind, key, value))


def test_across_types_everything_is_unequal():
    assert passes(compare("ne", "final", 1))
    assert passes(compare("nin", "final", [1]))
    assert not passes(compare("in", "final", [1]))
    assert passes(compare("ne", "year", "2024"))


def test_integers_and_floats_are_one_type():
    assert passes(compare("eq", "year", 2024.0))
    assert passes(compare("lt", "share", 1))
    assert passes(compare("in", "year", [2024.0]))


def test_strings_are_ordered_by_code_point():
    assert passes(compare("lt", "team", "law2"))
    assert passes(compare("gt", "team", "Zebra"))
    assert passes(compare("lt", "team", "ä"))


def test_booleans_are_compared():
    assert passes(compare("eq", "final", True))
    assert passes(compare("ne", "final", False))


def test_and_wants_all_and_or_wants_one():
    yes, no = compare("eq", "year", 2024), compare("eq", "year", 1)
    assert passes({"type": "and", "filters": [yes, yes]})
    assert not passes({"type": "and", "filters": [yes, no]})
    assert passes({"type": "or", "filters": [no, yes]})
    assert not passes({"type": "or", "filters": [no, no]})


def test_compounds_are_nested_to_the_limit_and_no_deeper():
    tree = compare("eq", "year", 2024)
    for _ in range(MAX_DEPTH - 1):
        tree = {"type": "and", "filters": [tree]}
    assert passes(tree)
    with pytest.raises(InvalidRequestError, match=f"nested {MAX_DEPTH} deep"):
        parse_filter({"type": "or", "filters": [tree]})


def test_a_filter_of_too_many_parts_is_refused():
    leaves = [compare("eq", "year", 1)] * MAX_NODES
    with pytest.raises(InvalidRequestError, match=f"{MAX_NODES} parts"):
        parse_filter({"type": "or", "filters": leaves})


@pytest.mark.parametrize(
    ("tree", "place"),
    [
        ("year", "filters"),
        ([], "filters"),
        (None, "filters"),
        ({}, "filters.type"),
        (compare("like", "year", 1), "filters.type"),
        (compare(["eq"], "year", 1), "filters.type"),
        ({"type": "eq", "key": "year"}, "filters"),
        ({"type": "eq", "property": "year", "value": 1}, "filters"),
        ({**compare("eq", "year", 1), "extra": 1}, "filters"),
        (compare("eq", 5, 1), "filters.key"),
        (compare("eq", "year", None), "filters.value"),
        (compare("eq", "year", [1]), "filters.value"),
        (compare("eq", "year", {"a": 1}), "filters.value"),
        (compare("in", "year", 1), "filters.value"),
        (compare("in", "year", "2024"), "filters.value"),
        (compare("in", "year", [True]), "filters.value"),
        (compare("nin", "year", [None]), "filters.value"),
        ({"type": "and", "filters": []}, "filters.filters"),
        ({"type": "and", "filters": {}}, "filters.filters"),
        ({"type": "and"}, "filters"),
        ({"type": "or", "filters": [compare("eq", "a", 1), {"type": "eq"}]}, "filters.filters[1]"),
    ],
)
def test_a_malformed_filter_names_the_place(tree, place):
    with pytest.raises(InvalidRequestError) as caught:
        parse_filter(tree)
    assert caught.value.param == place


def test_an_unknown_operator_names_those_that_exist():
    with pytest.raises(InvalidRequestError, match="must be one of eq, ne, gt, gte, lt, lte, in, nin, and, or"):
        parse_filter(compare("like", "year", 1))
