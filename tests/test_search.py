import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from searched import MEANING_ONLY, WORDS_ONLY, add, names

from vecstore import (
    HybridSearch,
    InvalidRequestError,
    NotFoundError,
    Source,
    StaticStrategy,
    VecstoreError,
)
from vecstore.query import MAX_QUERY_BYTES, MAX_RESULTS
from vecstore.rank import NEIGHBOUR_WEIGHT, calibrated
from vecstore.search import DEPTH


def fused(why):
    """The sum of what the legs made of a result."""
    return sum(leg.weight * leg.score for leg in (why.embedding, why.text))


def test_the_best_passage_comes_first(store):
    add(store, "rivers and lakes", "parental leave is sixteen weeks", "the leave of absence")
    results = store.search("how long is parental leave")
    assert names(results)[0] == "1.txt"
    scores = [result.score for result in results]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert store.check() == []


def test_an_empty_store_answers_with_nothing(store):
    assert store.search("anything") == []
    assert store.check() == []


def test_a_file_of_the_querys_own_words_scores_highest_of_all(store):
    add(store, "alpha beta", "alpha beta gamma delta", "alpha")
    assert names(store.search("alpha beta"))[0] == "0.txt"


def test_every_result_is_its_place_in_the_text(store, numbered_text):
    text = numbered_text(3000)
    [file] = add(store, text, attributes={"year": 2026})
    results = store.search("w777 w2500", max_num_results=50)
    assert len(results) > 1
    for result in results:
        assert text[result.start : result.end] == result.text
        assert (result.file_id, result.attributes) == (file.id, {"year": 2026})
    assert store.check() == []


def test_highlights_are_the_querys_words_in_the_text(store):
    add(store, "The readTimeout of running servers: read it.")
    [result] = store.search("run read-timeout", hybrid_search=WORDS_ONLY)
    assert [result.text[start:end] for start, end in result.highlights] == ["readTimeout", "running", "read"]


def test_queries_that_come_out_the_same_are_searched_once(store):
    add(store, "rivers and lakes")
    assert store.search(["x\ud800", "x\udfff", "x?", "lakes"]).queries == ("x?", "lakes")


def test_max_num_results_cuts_and_is_bounded(store):
    add(store, *[f"boat number {i}" for i in range(60)])
    assert len(store.search("boat")) == 10
    assert len(store.search("boat", max_num_results=1)) == 1
    assert len(store.search("boat", max_num_results=MAX_RESULTS)) == MAX_RESULTS
    first = names(store.search("boat", max_num_results=50))
    assert names(store.search("boat", max_num_results=7)) == first[:7]
    assert store.check() == []


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"max_num_results": 0}, "max_num_results must be 1 to 50, not 0"),
        ({"max_num_results": 51}, "max_num_results must be 1 to 50, not 51"),
        ({"max_num_results": 2.0}, "max_num_results must be a whole number, not 2.0"),
        ({"max_num_results": True}, "max_num_results must be a whole number, not True"),
        ({"score_threshold": -0.1}, "score_threshold must be 0 to 1, not -0.1"),
        ({"score_threshold": 1.1}, "score_threshold must be 0 to 1, not 1.1"),
        ({"score_threshold": float("nan")}, "score_threshold must be 0 to 1, not nan"),
        ({"score_threshold": "high"}, "score_threshold must be 0 to 1, not 'high'"),
        ({"ranker": "best"}, "ranker must be one of auto, none, .* not 'best'"),
        ({"hybrid_search": HybridSearch(0, 0)}, "at least one weight above 0"),
        ({"hybrid_search": HybridSearch(-1, 1)}, "weights must be 0 to 1000000, not -1 and 1"),
        ({"hybrid_search": HybridSearch(float("inf"), 1)}, "weights must be 0 to 1000000"),
        ({"hybrid_search": {"embedding_weight": 1}}, "must have embedding_weight and text_weight"),
        ({"hybrid_search": {"embedding_weight": "1", "text_weight": 1}}, "weights must be 0 to 1000000"),
        ({"filters": {"type": "like"}}, "filters.type must be one of"),
    ],
)
def test_an_argument_out_of_bounds_is_refused_with_value_and_limit(store, keywords, message):
    with pytest.raises(InvalidRequestError, match=message):
        store.search("boat", **keywords)


@pytest.mark.parametrize("query", ["", "  \n\t", None, 5, b"bytes"])
def test_a_query_without_text_is_refused(store, query):
    with pytest.raises(InvalidRequestError, match="query must be a text that is not empty"):
        store.search(query)


def test_a_query_too_long_is_refused_with_its_length(store):
    store.search("a" * MAX_QUERY_BYTES)
    with pytest.raises(InvalidRequestError, match=f"may have {MAX_QUERY_BYTES} bytes, not {MAX_QUERY_BYTES + 2}"):
        store.search("ä" * (MAX_QUERY_BYTES // 2 + 1))


@pytest.mark.parametrize(
    "query", ["\ud800 boat", "\0boat", "🍎🍏", "the of and", "?!...", '"(((body:boat AND *', "ก" * 3000]
)
def test_no_query_crashes(store, query):
    add(store, "a boat")
    assert len(store.search(query)) <= 1


@pytest.mark.parametrize("ranker", ["auto", "none", "default-2024-11-15", "default_2024_08_21", "default-2024-08-21"])
def test_openais_ranker_names_are_accepted(store, ranker):
    add(store, "a boat")
    assert len(store.search("boat", ranker=ranker)) == 1


def test_filters_are_applied_before_ranking(store):
    """The one file that passes is far below the depth that either leg searches."""
    [wanted] = add(store, "boat " + "nothing of note here " * 30, attributes={"team": "law"})
    better = [Source(f"better{i}.txt", f"boat boat boat x{i}".encode()) for i in range(DEPTH + 60)]
    assert len(list(store.add_many(better, attributes={"team": "sea"}))) == DEPTH + 60
    unfiltered = store.search("boat", max_num_results=50)
    assert wanted.id not in [result.file_id for result in unfiltered]
    [result] = store.search("boat", filters={"type": "eq", "key": "team", "value": "law"})
    assert result.file_id == wanted.id
    full = store.search("boat", max_num_results=50, filters={"type": "ne", "key": "team", "value": "law"})
    assert len(full) == 50
    assert store.check() == []


def test_a_filter_that_nothing_passes_finds_nothing(store):
    add(store, "a boat")
    assert store.search("boat", filters={"type": "eq", "key": "team", "value": "law"}) == []


def test_a_filter_moves_no_raw_score(store):
    for i in range(12):
        store.add((f"{i}.txt", f"boat {'river ' * i}".encode()), attributes={"even": i % 2 == 0})
    every = {result.file_id: result.raw_score for result in store.search("boat river", max_num_results=50)}
    some = store.search("boat river", filters={"type": "eq", "key": "even", "value": True})
    assert len(some) == 6
    assert all(every[result.file_id] == result.raw_score for result in some)
    assert store.check() == []


def test_filters_see_new_attributes_at_once(store):
    [file] = add(store, "a boat", attributes={"year": 1})
    store.update(file.id, attributes={"year": 2})
    assert store.search("boat", filters={"type": "eq", "key": "year", "value": 1}) == []
    [result] = store.search("boat", filters={"type": "eq", "key": "year", "value": 2})
    assert result.attributes == {"year": 2}
    assert store.check() == []


def test_text_weight_alone_finds_only_chunks_with_the_words(store):
    add(store, "alpha beta", "gamma delta", "alpha")
    results = store.search("alpha", hybrid_search=WORDS_ONLY, explain=True)
    assert set(names(results)) == {"0.txt", "2.txt"}
    for result in results:
        assert result.raw_score == pytest.approx(result.explanation.text.score, abs=1e-5)
        assert result.explanation.embedding.weight == 0
    assert store.search("unheard", hybrid_search=WORDS_ONLY) == []


def test_embedding_weight_alone_finds_the_near_whatever_the_words(store):
    add(store, "alpha beta", "gamma delta")
    results = store.search("alpha", hybrid_search=MEANING_ONLY, explain=True)
    assert names(results) == ["0.txt", "1.txt"]
    for result in results:
        assert result.raw_score == pytest.approx(max(result.explanation.embedding.raw, 0), abs=1e-5)
        assert result.explanation.text.rank is None


def test_weights_are_shares_and_a_mapping_will_do(store):
    add(store, "alpha beta", "gamma alpha")
    scores = [
        [result.score for result in store.search("alpha", hybrid_search=weights)]
        for weights in (None, HybridSearch(), HybridSearch(3, 3), {"embedding_weight": 0.2, "text_weight": 0.2})
    ]
    assert scores[0] == scores[1] == scores[2] == scores[3]


def test_equal_scores_come_in_the_order_they_were_added(store):
    add(store, *["the very same words"] * 25)
    for depth in (1, 5, 25):
        results = store.search("same words", max_num_results=depth)
        assert names(results) == [f"{i}.txt" for i in range(depth)]
        assert len({result.score for result in results}) == 1
    assert store.check() == []


def test_the_explanation_adds_up_to_the_score(store, numbered_text):
    add(store, "boat " + numbered_text(1500) + " river", "boat and other words")
    weights = HybridSearch(3, 1)
    for result in store.search("boat river missing", hybrid_search=weights, ranker="none", explain=True):
        assert result.raw_score == pytest.approx(fused(result.explanation), abs=1e-5)
        assert (result.explanation.reranker_score, result.explanation.reranker_weight) == (None, 0)
    results = store.search("boat river missing", hybrid_search=weights, explain=True)
    for result in results:
        why = result.explanation
        around = NEIGHBOUR_WEIGHT * why.reranker_score
        assert result.raw_score == pytest.approx((1 - NEIGHBOUR_WEIGHT) * fused(why) + around, abs=2e-5)
        assert (why.raw_score, why.best_raw_score) == (result.raw_score, results[0].raw_score)
        assert result.score == calibrated(np.array([why.raw_score]), why.best_raw_score)[0]
        assert why.reranker_weight == NEIGHBOUR_WEIGHT
        assert [why.embedding.weight, why.text.weight] == [0.75, 0.25]
        assert set(why.matched_terms) == {"boat", "river"} & set(result.text.split())
    ranks = [result.explanation.embedding.rank for result in results]
    assert min(ranks) == 1
    assert len(set(ranks)) == len(results) > 1


def test_the_passage_is_the_window_that_answers(store, embedder, numbered_text):
    text = f"{numbered_text(900)} the unmistakable answer {numbered_text(900, mark='v')}"
    add(store, text)
    said = store.search("unmistakable answer", hybrid_search=WORDS_ONLY)[0]
    assert "unmistakable answer" in text[said.passage.start : said.passage.end]
    query = embedder.embed_query("unmistakable answer")
    windows = {each.chunk_id: each.windows for each in store.content(said.file_id)}
    for near in store.search("unmistakable answer", hybrid_search=MEANING_ONLY):
        cosines = {embedder.embed_query(text[start:end]) @ query: (start, end) for start, end in windows[near.chunk_id]}
        assert (near.passage.start, near.passage.end) == cosines[max(cosines)]


def test_a_passage_has_its_own_heading(store):
    body = "nothing of note is said here. " * 40
    store.add(("book.md", f"# Leave\n\n{body}\n\n# Pay\n\n{body} overtime is paid double.".encode()))
    result = store.search("overtime paid double", hybrid_search=WORDS_ONLY)[0]
    assert result.heading_path == ("Leave",)
    assert result.passage.heading_path == ("Pay",)
    assert store.check() == []


def test_without_explain_there_is_no_explanation(store):
    add(store, "a boat")
    assert store.search("boat")[0].explanation is None


def test_a_word_of_the_filename_is_found(store):
    store.add(("handbook-2026.txt", b"nothing of note"))
    store.add(("other.txt", b"nothing of note"))
    [result] = store.search("handbook", hybrid_search=WORDS_ONLY, explain=True)
    assert result.filename == "handbook-2026.txt"
    assert result.highlights == ()
    assert result.explanation.matched_terms == ("handbook",)


def test_the_same_search_gives_the_same_answer_after_reopening(open_engine, numbered_text):
    engine = open_engine()
    store = engine.create("kept")
    add(store, *[numbered_text(200 + i, mark="w" if i % 2 else "v") for i in range(20)])
    before = store.search("w3 v100 w50", explain=True)
    engine.close()
    store = open_engine().get("kept")
    assert store.search("w3 v100 w50", explain=True) == before
    assert store.check() == []


def test_searches_during_writes_see_whole_files_or_none(store, numbered_text):
    """Each file is some chunks that all hold its mark; a search for the mark finds all of them or, before, none."""
    apart, marks = StaticStrategy(100, 0), ["anise", "basil", "cumin", "dill", "endive", "fennel"]
    [kept] = add(store, numbered_text(250, mark="kept x"), chunking_strategy=apart)
    stop, failures = threading.Event(), []
    counts = {word: set() for word in ["kept", *marks]}

    def look():
        while not stop.is_set():
            for word, seen in counts.items():
                try:
                    seen.add(len(store.search(word, max_num_results=50, hybrid_search=WORDS_ONLY)))
                except VecstoreError as error:
                    failures.append(error)

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    added = []
    for mark in marks:
        text = numbered_text(250, mark=f"{mark} x")
        added.append(store.add(("spice.txt", text.encode()), chunking_strategy=apart))
        store.attach(kept.id, chunking_strategy=apart)  # replaced by the same again: never absent
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert kept.chunks > 3
    assert counts.pop("kept") == {kept.chunks}
    for seen, file in zip(counts.values(), added, strict=True):
        assert seen <= {0, file.chunks}
    assert store.check() == []


def test_searches_end_however_many_write(store):
    """Each finds its own files while others come and go, with a filter and without."""

    def work(number):
        for i in range(4):
            word = f"q{number}x{i}z"
            file = store.add((f"{word}.txt", f"a note on {word}".encode()), attributes={"number": number})
            mine = {"type": "eq", "key": "number", "value": number}
            for filters in (None, mine):
                assert word in store.search(word, filters=filters)[0].text
            store.detach(file.id)
            assert all(word not in found.text for found in store.search(word, max_num_results=50))

    with ThreadPoolExecutor(12) as pool:
        for done in [pool.submit(work, number) for number in range(12)]:
            done.result()
    assert store.search("note") == store.check() == []


def test_a_deleted_store_is_not_found(engine, store):
    add(store, "a boat")
    store.delete()
    with pytest.raises(NotFoundError):
        store.search("boat")
    assert engine.check() == []
