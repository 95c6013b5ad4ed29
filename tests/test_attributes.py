import pytest

from vecstore import InvalidRequestError
from vecstore.attributes import MAX_KEY_CHARS, MAX_PAIRS, MAX_STRING_CHARS, checked_attributes, checked_metadata


def test_strings_numbers_and_booleans_pass_unchanged():
    given = {"team": "law", "year": 2026, "share": 0.5, "final": True, "empty": ""}
    assert checked_attributes(given) == given


def test_none_is_no_attributes():
    assert checked_attributes(None) == {}


def test_the_limits_themselves_are_allowed():
    checked_attributes({f"{i:02}" + "k" * (MAX_KEY_CHARS - 2): "v" * MAX_STRING_CHARS for i in range(MAX_PAIRS)})


def test_what_is_given_is_copied():
    given = {"year": 2026}
    checked = checked_attributes(given)
    given["year"] = 1999
    assert checked == {"year": 2026}


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({str(i): i for i in range(MAX_PAIRS + 1)}, "attributes may have at most 16 keys, not 17"),
        ({"k" * (MAX_KEY_CHARS + 1): 1}, "must be a string of 1 to 64 characters"),
        ({"": 1}, "must be a string of 1 to 64 characters"),
        ({1: 1}, "must be a string of 1 to 64 characters"),
        ({"k": "v" * (MAX_STRING_CHARS + 1)}, r"attributes \['k'\] may have at most 512 characters, not 513"),
        ({"k": None}, "must be a string, a number or a boolean, not NoneType"),
        ({"k": ["a"]}, "must be a string, a number or a boolean, not list"),
        ({"k": float("nan")}, "must be a finite number"),
        ({"k": float("inf")}, "must be a finite number"),
        ({"k": 10**400}, "must be a finite number"),
        ({"k": "\ud800"}, "must be Unicode text"),
        ({"\ud800": 1}, "must be Unicode text"),
        ([("k", 1)], "must be a mapping of keys to values, not list"),
    ],
)
def test_what_openai_does_not_allow_is_refused_with_the_limit(attributes, message):
    with pytest.raises(InvalidRequestError, match=message) as caught:
        checked_attributes(attributes)
    assert caught.value.param == "attributes"


def test_metadata_is_strings_only():
    assert checked_metadata({"owner": "me"}) == {"owner": "me"}
    with pytest.raises(InvalidRequestError, match=r"metadata \['n'\] must be a string, not int"):
        checked_metadata({"n": 1})


def test_refused_metadata_is_called_metadata():
    with pytest.raises(InvalidRequestError, match="metadata may have at most 16 keys"):
        checked_metadata({str(i): "" for i in range(17)})


@pytest.mark.parametrize("attributes", [{"k": "nul \0 inside"}, {"k": 10**300}, {"é 🍎": True}])
def test_odd_but_allowed_attributes_come_back_as_given(store, attributes):
    file = store.add(("a.txt", b"something to index"), attributes=attributes)
    assert store.file(file.id).attributes == attributes
    [result] = store.search("something")
    assert result.attributes == attributes
    assert store.check() == []
