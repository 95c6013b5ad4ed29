import numpy as np
import pytest

from vecstore import HybridSearch, InvalidRequestError, RerankerError, Source, StaticStrategy, VecstoreError
from vecstore.rank import RERANK_DEPTH, RERANK_WEIGHT, best_around, blend, rerank


class PrefersWord:
    """A reranker of the user's: 1 for passages with its word, 0 for others. Keeps what it was asked."""

    def __init__(self, word):
        self.word, self.asked = word, []

    def scores(self, query, texts):
        self.asked.append((query, list(texts)))
        return np.array([float(self.word in text) for text in texts], np.float32)


class Gives:
    def __init__(self, value, *, count=None):
        self.value, self.count = value, count

    def scores(self, _query, texts):
        return np.full(len(texts) if self.count is None else self.count, self.value, np.float32)


@pytest.fixture
def three_files(open_engine):
    def build(reranker):
        store = open_engine(reranker=reranker).create("ranked")
        for name, text in [("a", "boat boat boat"), ("b", "boat boat river"), ("c", "boat river river")]:
            store.add((f"{name}.txt", text.encode()))
        return store

    return build


def names(results):
    return [result.filename[0] for result in results]


def test_blend_weighs_fused_and_reranked():
    assert blend(np.array([0.2, 0.8]), np.array([1.0, 0.0], np.float32), 0.5).tolist() == [0.6, 0.4]
    assert blend(np.array([0.2, 0.8]), np.array([1.0, 0.0], np.float32), 0.25).tolist() == [0.4, 0.6]


class Says:
    """Whatever it is told to, however many passages there are."""

    def __init__(self, said):
        self.said = said

    def scores(self, _query, _texts):
        return self.said


@pytest.mark.parametrize("bad", [float("nan"), 1.1, -0.1, float("inf")])
def test_scores_out_of_bounds_are_refused(bad):
    with pytest.raises(VecstoreError, match="scores from 0 to 1"):
        rerank(Gives(bad), "boat", ["a", "b"])
    with pytest.raises(VecstoreError, match="scores from 0 to 1"):
        rerank(Says([1e300, 0.5]), "boat", ["a", "b"])  # beyond what 32 bits hold


def test_a_wrong_number_of_scores_is_refused():
    with pytest.raises(VecstoreError, match="for 2 passages"):
        rerank(Gives(0.5, count=1), "boat", ["a", "b"])


@pytest.mark.parametrize(
    "said",
    [
        ["high", "low"],
        ["0.5", "0.1"],
        (0.5 for _ in range(2)),
        None,
        [None, 0.5],
        [0.5, [0.1]],
        [10**400, 0],
        [0.5j, 0.1],
        {"a": 0.5, "b": 0.1},
        [b"a", b"b"],
    ],
    ids=lambda said: type(said).__name__,
)
def test_what_is_no_numbers_is_refused(said):
    with pytest.raises(RerankerError, match="the reranker must give numbers, one for each passage"):
        rerank(Says(said), "boat", ["a", "b"])


@pytest.mark.parametrize("said", [[0, 1], (0.0, 1.0), np.array([0, 1], np.uint8), [False, True], np.float64([0, 1])])
def test_numbers_of_any_kind_are_scores(said):
    scores = rerank(Says(said), "boat", ["a", "b"])
    assert (scores.dtype, scores.tolist()) == (np.float32, [0, 1])


@pytest.mark.parametrize("odd", [5, "ms-marco", [], PrefersWord])
def test_what_cannot_rerank_is_no_reranker(open_engine, odd):
    with pytest.raises(InvalidRequestError, match=r"reranker must be an object with scores\(query, texts\), not "):
        open_engine(reranker=odd)


def test_the_best_around_is_that_of_a_chunk_and_its_neighbours_in_its_file():
    numbers, members = np.array([3, 4, 5, 8, 9, 10]), np.array([1, 1, 2, 2, -1, -1])
    best = best_around(np.array([0.9, 0.1, 0.2, 0.3, 0.4, 0.5]), numbers, members)
    assert best.tolist() == pytest.approx([0.9, 0.9, 0.2, 0.3, 0.4, 0.5])


def test_neighbours_are_those_of_one_step():
    best = best_around(np.array([0.9, 0.1, 0.2]), np.array([1, 2, 3]), np.array([7, 7, 7]))
    assert best.tolist() == pytest.approx([0.9, 0.9, 0.2])
    assert len(best_around(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))) == 0


def test_a_chunk_beside_the_answer_counts_for_more(open_engine):
    """All say the word once in as many other words; beside one of them stands a chunk that says nothing else."""
    store = open_engine().create("beside")
    once = "boat " + "other words here " * 66
    strategy = StaticStrategy(max_chunk_size_tokens=200, chunk_overlap_tokens=0)
    sources = [Source("alone.txt", once.encode()), Source("beside.txt", (once + "boat " * 200).encode())]
    assert [added.chunks for added in store.add_many(sources, chunking_strategy=strategy)] == [1, 3]
    words = HybridSearch(0, 1)
    plain = {each.chunk_id: each for each in store.search("boat", hybrid_search=words, ranker="none")}
    scores = [
        (each.filename, each.raw_score - plain[each.chunk_id].raw_score)
        for each in store.search("boat", hybrid_search=words)
    ]
    assert [gained for name, gained in scores if name == "alone.txt"] == [0]
    assert sorted(gained > 0 for name, gained in scores if name == "beside.txt") == [False, True, True]


def test_a_reranker_changes_the_order(three_files):
    reranker = PrefersWord("river river")
    store = three_files(reranker)
    assert names(store.search("boat", ranker="none")) == ["a", "b", "c"]
    assert names(store.search("boat")) == ["c", "a", "b"]
    assert store.check() == []


def test_ranker_none_never_asks_the_reranker(three_files):
    reranker = PrefersWord("river")
    three_files(reranker).search("boat", ranker="none")
    assert reranker.asked == []


def test_the_explanation_tells_the_rerankers_score(three_files):
    results = three_files(PrefersWord("river river")).search("boat", explain=True)
    for result in results:
        explanation = result.explanation
        legs = [explanation.embedding, explanation.text]
        fused = sum(leg.weight * leg.score for leg in legs)
        assert result.raw_score == pytest.approx((fused + explanation.reranker_score) / 2, abs=1e-5)
        assert explanation.reranker_weight == RERANK_WEIGHT == 0.5
    assert [result.explanation.reranker_score for result in results] == [1, 0, 0]


@pytest.mark.parametrize("broken", [Gives(float("nan")), Gives(2.0), Gives(0.5, count=1)])
def test_a_broken_reranker_is_an_error_not_a_ranking(three_files, broken):
    store = three_files(broken)
    with pytest.raises(VecstoreError, match="reranker"):
        store.search("boat")
    assert store.search("boat", ranker="none")


def test_only_the_best_are_shown_and_the_rest_stays_below_in_its_order(open_engine):
    reranker = PrefersWord("boat")
    store = open_engine(reranker=reranker).create("many")
    for i in range(RERANK_DEPTH + 10):
        store.add((f"{i:02}.txt", ("boat " * 4 + f"x{i} " * (i + 1)).encode()))
    plain = store.search("boat", ranker="none", max_num_results=RERANK_DEPTH + 10)
    ranked = store.search("boat", max_num_results=RERANK_DEPTH + 10, explain=True)
    assert [result.filename for result in ranked] == [result.filename for result in plain]
    [(query, texts)] = reranker.asked
    assert query == "boat"
    assert texts == [result.text for result in plain[:RERANK_DEPTH]]
    assert [result.explanation.reranker_score for result in ranked] == [1.0] * RERANK_DEPTH + [None] * 10
    assert store.check() == []
