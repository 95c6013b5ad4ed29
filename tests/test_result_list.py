"""Which results make the list: none twice, no file too often, none below the threshold, and how different."""

import random

import pytest
from searched import WORDS_ONLY, add, names

from vecstore import (
    InvalidRequestError,
    StaticStrategy,
)
from vecstore.search import DEPTH


@pytest.mark.parametrize("chunk_overlap_tokens", [50, 40, 25])
def test_results_of_one_file_never_overlap_by_more_than_thirty_percent(store, numbered_text, chunk_overlap_tokens):
    small = StaticStrategy(100, chunk_overlap_tokens)
    add(store, numbered_text(2500), numbered_text(500), numbered_text(500), chunking_strategy=small)
    results = store.search(numbered_text(60), max_num_results=50)
    assert len(results) > 20
    for i, one in enumerate(results):
        for other in results[:i]:
            if one.file_id == other.file_id:
                shared = min(one.end, other.end) - max(one.start, other.start)
                assert shared <= 0.3 * min(len(one.text), len(other.text))
    assert store.check() == []


def test_a_page_is_full_although_the_best_overlap_each_other(store):
    """The hundred best chunks are neighbours, and too few of them remain: the rest is fetched from deeper."""
    rng = random.Random(3)
    rich = [rng.choice(["boat", f"x{i}"]) for i in range(2900)]
    poor = [f"y{i}" if i % 20 else "boat" for i in range(2900)]
    add(store, " ".join([*rich, *poor]), chunking_strategy=StaticStrategy(100, 50))
    results = store.search("boat", max_num_results=50, hybrid_search=WORDS_ONLY)
    assert len(results) == 50
    assert any("y" in result.text for result in results)
    assert store.check() == []


def test_the_threshold_keeps_exactly_what_reaches_it(store):
    add(store, *[f"boat {'filler ' * i}" for i in range(40)])
    every = store.search("boat", max_num_results=50)
    middle = every[20].score
    kept = store.search("boat", max_num_results=50, score_threshold=middle)
    assert names(kept) == [result.filename for result in every if result.score >= middle]
    assert store.search("boat", score_threshold=1.0) == []
    assert store.check() == []


def test_a_file_has_no_more_than_its_share(store):
    add(store, *[("boat " * 200 + f"text {i} " * 900) for i in range(3)], "boat")
    found = names(store.search("boat", max_num_results=20))
    assert found.count("0.txt") > 1
    for share in (1, 2):
        some = names(store.search("boat", max_num_results=20, max_per_file=share))
        assert {name: some.count(name) for name in some} == {name: min(share, found.count(name)) for name in found}
    assert len(names(store.search("boat", max_num_results=2, max_per_file=1))) == 2


def test_a_share_looks_deeper_than_the_first_candidates(store):
    """One file has more chunks than are looked at first, all of them better than those of the others."""
    strategy = StaticStrategy(max_chunk_size_tokens=100, chunk_overlap_tokens=0)
    add(store, "boat " * 100 * (DEPTH + 20), "boat and 1", "boat and 2", chunking_strategy=strategy)
    found = store.search("boat", hybrid_search=WORDS_ONLY, max_num_results=3, max_per_file=1)
    assert names(found) == ["0.txt", "1.txt", "2.txt"]


def test_several_queries_share_what_a_file_may_have(store):
    add(store, "boat " * 900 + "river " * 900, "boat river")
    found = names(store.search(["boat", "river"], max_num_results=20, max_per_file=1))
    assert sorted(found) == ["0.txt", "1.txt"]


def test_diverse_results_begin_with_the_best_and_say_other_things(store):
    add(store, *["boat harbour sail mast"] * 4, "boat garden roses soil", "boat kitchen flour yeast")
    plain = names(store.search("boat harbour", max_num_results=3))
    diverse = names(store.search("boat harbour", max_num_results=3, diversity=0.6))
    assert plain == ["0.txt", "1.txt", "2.txt"]
    assert diverse[0] == "0.txt"
    assert set(diverse[1:]) == {"4.txt", "5.txt"}
    assert names(store.search("boat harbour", max_num_results=3, diversity=0)) == plain
    everything = store.search("boat harbour", max_num_results=10, diversity=1.0)
    assert sorted(names(everything)) == [f"{i}.txt" for i in range(6)]


def test_diversity_never_takes_the_worse_of_two_overlapping_chunks(store, numbered_text):
    words = numbered_text(800).split()
    words[300:340] = ["boat"] * 40
    add(store, " ".join(words), "boat harbour", chunking_strategy=StaticStrategy(100, 50))
    plain = {each.chunk_id for each in store.search("boat", max_num_results=50)}
    diverse = store.search("boat", max_num_results=10, diversity=0.3)
    assert {each.chunk_id for each in diverse} <= plain


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"max_per_file": 10**5000}, "max_per_file must be 1 to 50, not a number of thousands of digits"),
        ({"neighbours": -1}, "neighbours must be 0 to 50, not -1"),
        ({"neighbours": 51}, "neighbours must be 0 to 50, not 51"),
        ({"neighbours": True}, "neighbours must be a whole number, not True"),
        ({"diversity": 10**5000}, "diversity must be 0 to 1, not a number of thousands of digits"),
        ({"score_threshold": True}, "score_threshold must be 0 to 1, not True"),
        ({"explain": "no"}, "explain must be True or False, not 'no'"),
        ({"hybrid_search": {"embedding_weight": True, "text_weight": 1}}, "weights must be 0 to 1000000"),
        ({"max_per_file": 0}, "max_per_file must be 1 to 50, not 0"),
        ({"max_per_file": 51}, "max_per_file must be 1 to 50, not 51"),
        ({"max_per_file": 1.5}, "max_per_file must be a whole number, not 1.5"),
        ({"diversity": -0.1}, "diversity must be 0 to 1, not -0.1"),
        ({"diversity": float("nan")}, "diversity must be 0 to 1, not nan"),
        ({"diversity": True}, "diversity must be 0 to 1, not True"),
    ],
)
def test_a_wrong_list_of_results_is_told(store, wrong, said):
    with pytest.raises(InvalidRequestError, match=said):
        store.search("boat", **wrong)
