import math
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from vecstore import (
    EmbeddingError,
    HashingEmbedder,
    HybridSearch,
    InvalidRequestError,
    NotFoundError,
    Source,
    StaticStrategy,
    VecstoreError,
)
from vecstore.index import Candidates
from vecstore.query import MAX_QUERY_BYTES, MAX_RESULTS, checked_query, weighted_for
from vecstore.rank import NEIGHBOUR_WEIGHT, calibrated
from vecstore.search import DEPTH, _nothing_deeper, _ranked

WORDS_ONLY = HybridSearch(embedding_weight=0, text_weight=1)
MEANING_ONLY = HybridSearch(embedding_weight=1, text_weight=0)


def add(store, *texts, **keywords):
    """Files `0.txt`, `1.txt`, ... with these texts, added together."""
    sources = [Source(f"{i}.txt", text.encode()) for i, text in enumerate(texts)]
    return [store.file(added.file_id) for added in store.add_many(sources, **keywords)]


def names(results):
    return [result.filename for result in results]


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


class OnlyLatin(HashingEmbedder):
    """As the default model: it knows no other script."""

    def reads(self, text):
        return sum(c.isascii() for c in text) / len(text)


def test_what_the_embedder_does_not_read_is_left_to_the_words_unless_weights_are_given(open_engine):
    with open_engine(embedder=OnlyLatin()) as engine:
        store = engine.create("words")
        add(store, "航空母艦は海にある", "the carrier is at sea")
        [found] = store.search("航空母艦", explain=True)
        assert (found.explanation.embedding.weight, found.explanation.text.weight) == (0, 1)
        assert store.search("carrier", explain=True)[0].explanation.embedding.weight == 0.5
        half = store.search("carrier航空母艦は", explain=True)[0].explanation.embedding.weight
        assert half == pytest.approx(0.5 * 7 / 12)
        weights = {"embedding_weight": 1, "text_weight": 1}
        assert store.search("航空母艦", hybrid_search=weights, explain=True)[0].explanation.embedding.weight == 0.5


class OnlyEnglish(HashingEmbedder):
    languages = ("english",)


GERMAN = "Wann fährt die erste Fähre von der Insel zum Hafen der Stadt zurück?"


def test_a_language_that_the_embedder_was_not_trained_on_is_left_to_the_words_for_more_than_half(open_engine):
    with open_engine(embedder=OnlyEnglish()) as engine:
        store = engine.create("ferries")
        add(
            store, "Die Fähre fährt jeden Morgen um sechs Uhr von der Insel zum Hafen zurück in die Stadt.", "the ferry"
        )

        def weight(query, **asked):
            return store.search(query, explain=True, **asked)[0].explanation.embedding.weight

        assert weight(GERMAN) == pytest.approx(0.3)
        assert weight("when does the first ferry leave") == 0.5
        assert weight("kündigen") == 0.5  # a word seldom tells its language
        assert weight(GERMAN, hybrid_search={"embedding_weight": 1, "text_weight": 1}) == 0.5
        english = engine.create("english")
        add(english, "the ferry leaves at six")
        assert english.search(GERMAN, explain=True)[0].explanation.embedding.weight == 0.5  # words find nothing


def test_one_question_has_one_weight_in_all_vector_stores_that_are_searched_at_once(open_engine):
    with open_engine(embedder=OnlyEnglish()) as engine:
        german, english = engine.create("ferries"), engine.create("english")
        add(german, "Die Fähre fährt jeden Morgen um sechs Uhr von der Insel zum Hafen zurück in die Stadt.")
        add(english, "the ferry leaves at six from the Insel")
        found = engine.scope().search(GERMAN, [english.id, german.id], explain=True)
        assert len({each.vector_store_id for each in found}) == 2
        assert {round(each.explanation.embedding.weight, 6) for each in found} == {0.3}


def test_an_embedder_that_says_nothing_of_languages_knows_all(open_engine):
    with open_engine() as engine:
        store = engine.create("ferries")
        add(store, "Die Fähre fährt jeden Morgen um sechs Uhr von der Insel zum Hafen zurück in die Stadt.")
        assert store.search(GERMAN, explain=True)[0].explanation.embedding.weight == 0.5


def test_meaning_that_was_asked_for_counts_for_less_of_letters_that_are_not_read(open_engine, tmp_path):
    """The order stays; what is told of it is the same over several vector stores and over the wire's `explain`."""
    read, unread = (open_engine(tmp_path / kind.__name__, embedder=kind()) for kind in (HashingEmbedder, OnlyLatin))
    for engine in (read, unread):
        add(engine.create("one"), "航空母艦は海にある", "the carrier is at sea")
        add(engine.create("two"), "海の船は港にある")

    def found(engine, **asked):
        asked = {"hybrid_search": {"embedding_weight": 3, "text_weight": 1}, "explain": True} | asked
        return engine.get("one").search("航空母艦", **asked)

    sure, unsure = found(read), found(unread)
    assert [each.raw_score for each in sure] == [each.raw_score for each in unsure]
    assert {each.explanation.unread for each in unsure} == {0.75**2}
    assert {each.explanation.unread for each in sure + found(unread, hybrid_search=None)} == {0}
    best = unsure[0].raw_score
    for before, after in zip(sure, unsure, strict=True):
        assert after.score == calibrated(np.array([after.raw_score]), best, 0.75**2)[0] < before.score
    both = unread.scope().search(
        "航空母艦",
        [unread.get("one").id, unread.get("two").id],
        hybrid_search={"embedding_weight": 3, "text_weight": 1},
    )
    assert both[0].score == unsure[0].score
    cut = (unsure[0].score + unsure[1].score) / 2
    assert len(found(unread, score_threshold=cut)) == 1


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), None, "all"])
def test_a_share_that_is_none_is_an_error_and_no_result(open_engine, share):
    embedder = OnlyLatin()
    embedder.reads = lambda _: share
    with open_engine(embedder=embedder) as engine:
        store = engine.create("words")
        add(store, "a boat")
        with pytest.raises(EmbeddingError, match="must say that it reads 0 to 1 of a text, not"):
            store.search("boat")


class Narrow(HashingEmbedder):
    """The hashing embedder's vectors beside a direction that all share: its cosine `c` is `F + (1 - F) * c` here."""

    floor = 0.75
    identity = "narrow"
    dimensions = 65

    def embed_query(self, text):
        own = super().embed_query(text)
        return np.append(own * np.sqrt(1 - self.floor), np.sqrt(self.floor)).astype(np.float32)


def test_above_their_floor_the_cosines_of_an_embedder_count_as_any_others(open_engine, tmp_path, numbered_text):
    """The same order, scores, thresholds and passages; only `raw` tells that the vectors are others."""
    texts = [f"boat {'river ' * (i % 7)}shore number{i}" for i in range(2 * DEPTH)] + [numbered_text(3000)]
    plain, narrow = open_engine(tmp_path / "plain"), open_engine(tmp_path / "narrow", embedder=Narrow())
    stores = [engine.create("same") for engine in (plain, narrow)]
    for store in stores:
        add(store, *texts)
    for query, weights, threshold, diversity in (
        ("boat on the river shore", None, 0.0, 0.0),
        ("boat on the river shore", None, 0.45, 0.0),
        ("boat on the river shore", None, 0.0, 0.6),
        ("w777 w2500 w778", MEANING_ONLY, 0.02, 0.0),
        ("w777 boat", MEANING_ONLY, 0.9, 0.0),
        ("river number7", WORDS_ONLY, 0.2, 0.0),
    ):
        asked = {"hybrid_search": weights, "score_threshold": threshold, "diversity": diversity}
        asked |= {"explain": True, "max_num_results": 20}
        expected, found = (store.search(query, **asked) for store in stores)
        assert [(each.filename, each.start, each.passage) for each in found] == [
            (each.filename, each.start, each.passage) for each in expected
        ]
        assert [each.score for each in found] == pytest.approx([each.score for each in expected], abs=0.01)
        for leg in (each.explanation.embedding for each in found):
            if weights is not WORDS_ONLY:
                assert leg.score == pytest.approx(max(0, (leg.raw - Narrow.floor) / (1 - Narrow.floor)), abs=1e-5)
    assert stores[1].check() == []


def test_a_passage_is_chosen_by_what_is_above_the_floor(open_engine, tmp_path):
    """Stretches of 100 words, each of a few that it repeats: by words one of them is the best, by meaning another."""
    chance, vocabulary = random.Random(4), [f"word{i}" for i in range(40)]
    texts = [
        " ".join(word for _ in range(7) for word in chance.choices(chance.sample(vocabulary, 12), k=100))
        for _ in range(20)
    ]
    plain, narrow = open_engine(tmp_path / "plain"), open_engine(tmp_path / "narrow", embedder=Narrow())
    stores = [engine.create("same") for engine in (plain, narrow)]
    for store in stores:
        add(store, *texts)
    for _ in range(10):
        query = " ".join(chance.sample(vocabulary, 3))
        expected, found = (
            {(each.filename, each.start): each.passage for each in store.search(query, max_num_results=50)}
            for store in stores
        )
        assert found == expected


def test_nothing_deeper_can_pass_a_threshold_that_is_above_what_the_last_one_has_over_the_floor(engine):
    def found(last):
        ranks, nothing = np.array([1, 2]), np.zeros(2, np.float32)
        cosines = np.array([0.9, last], np.float32)
        zeros = np.zeros(2, np.int64)
        candidates = Candidates(ranks, ranks, cosines, ranks, nothing, zeros, nothing[:0], exhausted=False)
        return _ranked(query, candidates, engine._parts.catalog, None)

    asked = checked_query(
        "boat",
        max_num_results=10,
        filters=None,
        score_threshold=0.3,
        hybrid_search=MEANING_ONLY,
        ranker="none",
        max_per_file=None,
        diversity=0.0,
        explain=False,
    )
    query = weighted_for(asked, Narrow())
    assert calibrated(np.array([0.45, 0.55]), 0.6).round(2).tolist() == [0.12, 0.34]  # of which the floor makes 0.25
    assert _nothing_deeper(query, found(0.75 + 0.25 * 0.45))
    assert not _nothing_deeper(query, found(0.75 + 0.25 * 0.55))


@pytest.mark.parametrize("floor", [-0.1, 1, float("nan"), None, "high"])
def test_a_floor_that_is_none_is_an_error_and_no_result(open_engine, floor):
    embedder = Narrow()
    with open_engine(embedder=embedder) as engine:
        store = engine.create("words")
        add(store, "a boat")
        embedder.floor = floor
        with pytest.raises(EmbeddingError, match="the floor of narrow must be 0 to below 1, not"):
            store.search("boat")


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


def test_queries_that_come_out_the_same_are_searched_once(store):
    add(store, "rivers and lakes")
    assert store.search(["x\ud800", "x\udfff", "x?", "lakes"]).queries == ("x?", "lakes")


def test_a_phrase_of_bigrams_is_one_too(store):
    add(store, "三年保修服务条款", "服务保修三年条款")
    assert names(store.search("“保修三年”", hybrid_search=WORDS_ONLY))[0] == "1.txt"


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


class OneWord(HashingEmbedder):
    """Vectors in two dimensions: how far each text is turned from the question is its number, in degrees."""

    identity, dimensions = "one word", 2

    def __init__(self):
        pass

    def embed_query(self, text):
        degrees = math.radians(int(text))
        return np.array([math.cos(degrees), math.sin(degrees)], np.float32)


def test_what_points_away_from_the_question_is_ranked_by_how_far(open_engine):
    store = open_engine(embedder=OneWord()).create("s")
    for degrees in (170, 100, 130, 95, 150):
        store.add((f"{degrees}.txt", str(degrees).encode()))
    for ranker in ("auto", "none"):
        found = store.search("0", hybrid_search=HybridSearch(1, 0), ranker=ranker)
        assert [result.filename for result in found] == ["95.txt", "100.txt", "130.txt", "150.txt", "170.txt"]
