"""What a question has in quotation marks, and words of it that stand near each other."""

import pytest
from searched import WORDS_ONLY, add, names

from vecstore.index import NEAR_SHARE, terms


@pytest.mark.parametrize(
    "quote", ['"{}"', "“{}”", "„{}“", "«{}»", "`{}`", "'{}'", "‘{}’", "＂{}＂", "「{}」", "《{}》"]
)
def test_what_is_quoted_comes_first_where_it_stands_so(store, quote):
    add(store, "party change notice, notice party change", "a notice said: change of party", "a party")
    query = "what is a notice with " + quote.format("change of party")
    assert names(store.search("what is a notice with change of party", hybrid_search=WORDS_ONLY))[0] == "0.txt"
    first, second = store.search(query, hybrid_search=WORDS_ONLY, explain=True)[:2]
    assert first.filename == "1.txt"
    assert "chang parti" in first.explanation.matched_terms
    assert "chang parti" not in second.explanation.matched_terms


def test_a_quoted_phrase_that_stands_nowhere_changes_no_score(store):
    add(store, "rivers and lakes", "leave is sixteen weeks")
    plain, quoted = store.search("weeks of leave"), store.search('"weeks of leave"')
    assert [each.raw_score for each in plain][:1] == pytest.approx([each.raw_score for each in quoted][:1], abs=0.05)
    assert store.search('"" "weeks" «»')[0].filename == "1.txt"


def test_the_passage_is_the_one_that_says_the_phrase(store):
    lines = ["any party may change; what may change the party is party business", "so a change of party needs a letter"]
    text = "# Contract\n\n" + "".join(f"## Part {i}\n\n{line}, and is filed.\n\n" for i, line in enumerate(lines))
    store.add(("contract.md", text.replace("change the party", "change some other party").encode()))
    [found] = store.search('"change of party"', hybrid_search=WORDS_ONLY)
    assert found.passage.heading_path == ("Contract", "Part 1")


def test_a_longer_chunk_that_says_the_phrase_is_before_a_short_one_with_its_words(store):
    filler = "notices are sent by post and pallets are returned clean or charged at cost to the clerk "
    add(
        store, "party and change", f"{filler} a change of party is told to the clerk {filler}", filler, "no words of it"
    )
    assert names(store.search('"change of party"', hybrid_search=WORDS_ONLY))[0] == "1.txt"


def test_a_phrase_of_bigrams_is_one_too(store):
    add(store, "三年保修服务条款", "服务保修三年条款")
    assert names(store.search("“保修三年”", hybrid_search=WORDS_ONLY))[0] == "1.txt"


def test_of_two_chunks_with_the_same_words_the_one_that_has_neighbours_together_comes_first(store):
    apart = (
        "the pump was cleaned by a clerk who wrote of it, and on many later days nobody looked at any pressure again"
    )
    near = "a clerk who wrote of it on many later days, and nobody looked again, cleaned the pressure pump at any was by the"
    assert sorted(terms(apart)) == sorted(terms(near))
    add(store, apart, near)
    first, second = store.search("pump pressure", hybrid_search=WORDS_ONLY, explain=True)
    assert [first.filename, second.filename] == ["1.txt", "0.txt"]
    assert first.explanation.matched_terms == second.explanation.matched_terms == ("pump", "pressur")
    assert (first.explanation.closeness, second.explanation.closeness) == (1, 0)
    assert first.explanation.text.raw == pytest.approx((1 + NEAR_SHARE) * second.explanation.text.raw, rel=1e-5)


def test_words_that_are_no_neighbours_in_the_question_earn_nothing_together(store):
    add(store, "pump one two three", "one pump two three", "pump three two one")
    scores = {each.raw_score for each in store.search("pump valve three", hybrid_search=WORDS_ONLY)}
    assert len(scores) == 1


def test_a_chunk_that_says_all_endlessly_often_is_worth_no_more_than_all(store):
    add(store, "pump pressure " * 200, "lakes and rivers")
    [found] = store.search("pump pressure", hybrid_search=WORDS_ONLY, explain=True)
    assert found.raw_score <= 1
    assert found.explanation.text.score <= 1
