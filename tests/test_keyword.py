import itertools
import math
import random
import re
from collections import Counter

import numpy as np
import pytest

from vecstore import IndexFailedError
from vecstore.changes import IndexedChunk
from vecstore.index import keyword
from vecstore.index.analyze import NEAR, terms
from vecstore.index.keyword import BM25_K1, CONTEXT_WEIGHT, NEAR_WORDS, KeywordIndex

B = 0.75  # Tantivy's other constant


def chunk(number, text, *, member=None, header=""):
    return IndexedChunk(number, number if member is None else member, header, text)


@pytest.fixture
def index(tmp_path):
    return KeywordIndex(tmp_path / "keyword")


@pytest.fixture
def filled(index):
    def fill(*chunks, removed=()):
        index.write(removed, chunks)
        index.refresh()
        return index

    return fill


def found(index, query, k=10, members=None):
    numbers, _ = index.search(list(terms(query)), k, None if members is None else np.array(members))
    return numbers.tolist()


def test_any_of_the_words_is_enough_and_more_is_better(filled):
    index = filled(chunk(1, "red apple"), chunk(2, "green apple pear"), chunk(3, "blue plum"))
    assert found(index, "green pear apple") == [2, 1]


def test_scores_are_bm25(filled):
    texts = {1: "apple apple pear", 2: "apple plum plum plum plum", 3: "fig"}
    index = filled(*(chunk(number, text) for number, text in texts.items()))
    average = sum(len(text.split()) for text in texts.values()) / 3
    idf = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    numbers, scores = index.search(["appl"], 10, None)
    for number, score in zip(numbers.tolist(), scores.tolist(), strict=True):
        words = texts[number].split()
        count = Counter(words)["apple"]
        norm = BM25_K1 * (1 - B + B * len(words) / average)
        assert score == pytest.approx(idf * count * (BM25_K1 + 1) / (count + norm), rel=1e-5)


def test_what_names_a_chunk_is_searched_too(filled):
    index = filled(chunk(1, "nothing of note", header="handbook.pdf\nParental leave"), chunk(2, "nothing"))
    assert found(index, "parental") == [1]
    assert found(index, "handbook.pdf") == [1]


def test_a_word_in_the_name_counts_for_less_than_one_in_the_text_and_both_add_up(filled):
    same = [chunk(n, "of note", header=f"{n}.txt") for n in (4, 5, 6)]
    said, named = chunk(1, "leave of note", header="1.txt"), chunk(2, "of note", header="leave.txt")
    index = filled(said, named, chunk(3, "leave of note", header="leave.txt"), *same)
    numbers, scores = index.search(["leav"], 10, None)
    assert numbers.tolist() == [3, 1, 2]
    assert scores[0] == pytest.approx(scores[1] + scores[2], rel=1e-5)
    assert scores[2] < CONTEXT_WEIGHT * scores[1] * 1.5
    assert index.highest(["leav"])[0] > scores[0]


def test_deleted_chunks_move_no_score_of_names_either(filled):
    kept = [chunk(n, f"word{n}", header="leave.txt") for n in (1, 2)]
    gone = [chunk(n, "more", header="leave.txt") for n in range(10, 20)]
    rest = [chunk(n, "rest", header="other.txt") for n in range(30, 60)]
    index = filled(*kept, *gone, *rest)
    index.write([each.number for each in gone], [])
    index.refresh()
    numbers, scores = index.search(["leav"], 10, None)
    assert numbers.tolist() == [1, 2]
    assert 0 < scores[0] < index.highest(["leav"])[0]


def test_only_allowed_members_answer_and_filtering_moves_no_score(filled):
    index = filled(*(chunk(i, "apple " * i, member=i % 3) for i in range(1, 10)))
    every = dict(zip(*(each.tolist() for each in index.search(["appl"], 10, None)), strict=True))
    numbers, scores = index.search(["appl"], 10, np.array([1]))
    assert set(numbers.tolist()) == {1, 4, 7}
    assert scores.tolist() == pytest.approx([every[number] for number in numbers.tolist()])


def test_the_best_k_among_the_allowed(filled):
    index = filled(*(chunk(i, "apple " * (20 - i) + "filler " * i) for i in range(1, 11)))
    assert found(index, "apple", k=2) == [1, 2]
    assert found(index, "apple", k=2, members=[8, 9, 10]) == [8, 9]


@pytest.mark.parametrize("share", [0.05, 0.3, 0.9, 1.0])
def test_many_allowed_members_are_found_like_few(filled, monkeypatch, share):
    chance = random.Random(7)
    texts = [" ".join(chance.choices(["apple", "pear", "plum", "fig"], k=chance.randint(1, 4))) for _ in range(400)]
    index = filled(*(chunk(i, text, member=i % 90) for i, text in enumerate(texts)))
    for k in (1, 5, 30):
        members = chance.sample(range(90), math.ceil(share * 90))
        few = found(index, "apple fig", k=k, members=members)
        with monkeypatch.context() as patch:
            patch.setattr(keyword, "_FEW", 0)
            assert found(index, "apple fig", k=k, members=members) == few


def test_equal_scores_come_by_chunk_number(filled):
    index = filled(*(chunk(i, "the same words") for i in range(1, 8)))
    assert found(index, "same words") == [1, 2, 3, 4, 5, 6, 7]


def test_score_agrees_with_search_in_the_order_asked(filled):
    index = filled(*(chunk(i, "apple " * i + "pear") for i in range(1, 6)), chunk(9, "plum"))
    numbers, scores = index.search(["appl"], 10, None)
    asked = np.array([9, *sorted(numbers.tolist(), reverse=True)])
    expected = dict(zip(numbers.tolist(), scores.tolist(), strict=True))
    assert index.score(["appl"], asked).tolist() == pytest.approx([expected.get(n, 0.0) for n in asked.tolist()])


def test_no_chunk_exceeds_the_highest(filled):
    index = filled(chunk(1, "apple " * 5000), chunk(2, "apple"), chunk(3, "pear"))
    _, scores = index.search(["appl", "pear"], 10, None)
    assert 0 < scores.max() < index.highest(["appl", "pear"]).sum()


def test_nothing_to_search_for_or_in_is_nothing(index, filled):
    assert found(index, "apple") == []
    filled(chunk(1, "apple"))
    assert found(index, "") == []
    assert found(index, "the and of") == []
    assert found(index, "apple", members=[]) == []
    assert index.score([], np.array([1])).tolist() == [0]


def test_a_written_chunk_is_seen_after_refresh_only(index):
    index.write((), [chunk(1, "apple")])
    assert found(index, "apple") == []
    index.refresh()
    assert found(index, "apple") == [1]


def test_members_are_removed_before_chunks_are_added(filled):
    filled(chunk(1, "apple", member=1), chunk(2, "apple", member=1), chunk(3, "apple", member=2))
    index = filled(chunk(4, "apple", member=3), removed=[1])
    assert found(index, "apple") == [3, 4]
    assert index.chunk_numbers().tolist() == [3, 4]


def test_chunk_numbers_are_all_there_are_as_often_as_they_are_there(filled):
    assert filled(chunk(5, "apple"), chunk(2, ""), chunk(2, "again")).chunk_numbers().tolist() == [2, 2, 5]


def test_numbers_beyond_32_bits_come_back(filled):
    number = (1 << 53) + 7
    index = filled(chunk(number, "apple", member=1 << 40))
    assert found(index, "apple", members=[1 << 40]) == [number]


@pytest.mark.parametrize(
    "query",
    [
        '"',
        "(((",
        "body:apple",
        "apple AND",
        "member:[0 TO 9]",
        "*",
        "a~99",
        "\\",
        "^",
        "+-",
        "{",
        "/apple/",
        "🍎",
        "\0",
    ],
)
def test_query_syntax_is_only_text(filled, query):
    index = filled(chunk(1, "apple"), chunk(2, "pear"))
    assert found(index, query) == ([1] if re.search("apple", query) else [])


def test_what_was_written_is_there_after_opening_again(filled, tmp_path):
    filled(chunk(1, "apple"))
    assert found(KeywordIndex(tmp_path / "keyword"), "apple") == [1]


def test_the_deleted_share_tells_what_the_statistics_still_count(filled):
    index = filled(*(chunk(i, "apple") for i in range(1, 11)))
    assert index.deleted_share == 0
    filled(removed=[1, 2])
    assert index.deleted_share == pytest.approx(0.2)


def test_an_index_of_other_terms_is_not_opened(filled, tmp_path, monkeypatch):
    filled(chunk(1, "red"))
    monkeypatch.setattr(keyword, "_BODY", "body1")
    with pytest.raises(IndexFailedError, match="schema"):
        KeywordIndex(tmp_path / "keyword")


def test_damage_is_an_error_of_the_index(filled, tmp_path):
    filled(chunk(1, "apple"))
    (tmp_path / "keyword" / "meta.json").write_bytes(b"{")
    with pytest.raises(IndexFailedError):
        KeywordIndex(tmp_path / "keyword")


def test_a_second_writer_is_an_error_of_the_index(filled, tmp_path):
    first = filled(chunk(1, "apple"))  # and not settled yet
    with pytest.raises(IndexFailedError):
        KeywordIndex(tmp_path / "keyword").write((), [chunk(2, "pear")])
    first.write((), [chunk(2, "pear")])


def test_a_phrase_is_found_where_its_words_follow_each_other(filled):
    index = filled(chunk(1, "new york times"), chunk(2, "york long new"), chunk(3, "new york"), chunk(4, "times"))
    numbers, scores = index.search(["new york"], 10, None)
    assert numbers.tolist() == [3, 1]
    assert 0 < scores.max() < index.highest(["new york"])[0]
    assert index.highest(["york new"])[0] == 0  # nothing says so
    assert index.score(["new york"], np.array([1, 2, 3])).tolist() == pytest.approx([scores[1], 0, scores[0]])


def test_two_words_are_near_where_few_stand_between_them(filled):
    between = " ".join(chr(ord("k") + i) * 3 for i in range(NEAR_WORDS + 1))
    index = filled(
        chunk(1, "new york"),
        chunk(2, f"new {between} york"),  # one too many
        chunk(3, f"new {between.partition(' ')[2]} york"),
        chunk(4, "york new"),
        chunk(5, "york"),
    )
    asked = ["new", "york", f"new{NEAR}york"]
    assert index.closeness(asked, np.array([1, 2, 3, 4, 9])).tolist() == [1, 0, 1, 1, 0]
    assert 0 < index.closeness([*asked, f"york{NEAR}nowhere"], np.array([1]))[0] < 0.5  # what is rare weighs more
    assert index.highest([f"new{NEAR}york"]).tolist() == [0]  # it comes on top
    assert len(index.search([f"new{NEAR}york"], 10, None)[0]) == 0


def test_two_common_words_that_are_near_count_for_nothing(filled, monkeypatch):
    index = filled(chunk(1, "new york"), chunk(2, "new york hotel"), chunk(3, "york"))
    asked = [f"new{NEAR}york", f"york{NEAR}hotel"]
    before = index.closeness(asked, np.array([1, 2]))
    monkeypatch.setattr(keyword, "_RARE", 1)
    assert index.closeness(asked, np.array([1, 2]))[0] == 0 < before[0]
    assert 0 < index.closeness(asked, np.array([1, 2]))[1] < before[1]


def test_closeness_is_what_the_positions_say_however_the_chunks_came_and_whatever_was_deleted(filled):
    rng, words = random.Random(0), [each * 3 for each in "abcdefghijklmno"]
    texts = [" ".join(rng.choices(words, k=rng.randint(3, 40))) for _ in range(60)]
    chunks = [chunk(i + 1, text) for i, text in enumerate(texts)]
    one, many = filled(*chunks, *(chunk(n, " ".join(words)) for n in range(100, 120))), KeywordIndex(None)
    one.write(list(range(100, 120)), [])
    one.refresh()
    for i in range(0, len(chunks), 7):
        many.write([], chunks[i : i + 7])
    many.refresh()
    numbers = np.arange(1, len(chunks) + 1)
    for first, second in itertools.permutations(words[:4], 2):
        near = [
            any(-NEAR_WORDS < q - p < NEAR_WORDS + 2 for p in _at(text, first) for q in _at(text, second))
            for text in texts
        ]
        assert one.closeness([f"{first}{NEAR}{second}"], numbers).tolist() == near
    asked = [f"{first}{NEAR}{second}" for first, second in itertools.pairwise(words[:6])]
    assert one.closeness(asked, numbers).tolist() == many.closeness(asked, numbers).tolist()


def _at(text, word):
    return [i for i, each in enumerate(text.split()) if each == word]


def test_deleted_chunks_move_no_score_of_a_phrase(filled):
    kept = [chunk(1, "new york hotel"), chunk(2, "york new"), chunk(3, "other hotel text")]
    alone = KeywordIndex(None)
    alone.write([], kept)
    alone.refresh()
    index = filled(*kept, *(chunk(n, "new york pear") for n in range(10, 20)))
    index.write(list(range(10, 20)), [])
    index.refresh()
    assert index.highest(["new york"]).tolist() == alone.highest(["new york"]).tolist()
    assert index.search(["new york"], 5, None)[1].tolist() == pytest.approx(
        alone.search(["new york"], 5, None)[1].tolist(), rel=0.05
    )
