"""What an embedder reads, which languages it knows, and where its cosines begin, as searches weigh it."""

import math
import random

import numpy as np
import pytest
from searched import MEANING_ONLY, WORDS_ONLY, add

from vecstore import (
    EmbeddingError,
    HashingEmbedder,
    HybridSearch,
)
from vecstore.index import Candidates
from vecstore.query import checked_query, weighted_for
from vecstore.rank import calibrated
from vecstore.search import DEPTH, _nothing_deeper, _ranked


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
        candidates = Candidates(ranks, ranks, cosines, ranks, nothing, nothing, zeros, nothing[:0], exhausted=False)
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
    assert calibrated(np.array([0.45, 0.55]), 0.6).round(2).tolist() == [0.14, 0.4]  # of which the floor makes 0.25
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
