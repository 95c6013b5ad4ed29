"""A large dense index finds by its codes what an exact search finds, under every filter."""

import threading
from pathlib import Path

import numpy as np
import pytest

from vecstore import IndexFailedError
from vecstore.changes import Change
from vecstore.files import sha256_of
from vecstore.index import codes, nearest, segments
from vecstore.index.codes import Codes
from vecstore.index.dense import DenseIndex
from vecstore.index.measure import measured, share_found
from vecstore.index.shard import LocalShard
from vecstore.index.vectors import Vectors

DIMENSIONS = 128
CLUSTERS = 900  # each is a member
FOUND = 10
QUERIES = 30
LEAST_RECALL = 0.97


def clustered(rng, centres, of):
    """Unit vectors around the centres of these numbers."""
    vectors = centres[of] + rng.standard_normal((len(of), DIMENSIONS)) * 0.8 / np.sqrt(DIMENSIONS)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def hashes(folder):
    return {path.name: sha256_of(path) for path in folder.iterdir()}


def loaded(folder):
    return DenseIndex.load(folder, DIMENSIONS, hashes(folder))


@pytest.fixture(scope="module", autouse=True)
def few():
    """So that filters leave more rows than are scored one by one."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (segments, nearest):
            patch.setattr(module, "EXACT_ROWS", 2_000)
        patch.setattr(codes, "LISTED_ROWS", 50_000)
        patch.setattr(nearest, "MIN_CANDIDATES", 200)
        yield


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """An index of 80,000 rows, 22,000 and 4,000: two segments with codes and one in memory; and queries."""
    rng = np.random.default_rng(11)
    centres = rng.standard_normal((CLUSTERS, DIMENSIONS))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    index, begin = DenseIndex(DIMENSIONS), 0
    for name, count in {"a": 80_000, "b": 22_000, "": 4_000}.items():
        of = np.sort(rng.integers(0, CLUSTERS, count))
        numbers = np.arange(begin, begin + count)
        rows = np.stack([of, numbers, numbers, numbers], axis=1)
        index.add(rows, clustered(rng, centres, of))
        begin += count
        if name:
            folder = tmp_path_factory.mktemp(name)
            index.save(folder)
            index = loaded(folder)
    asked = clustered(rng, centres, rng.integers(0, CLUSTERS, QUERIES)).astype(np.float32)
    return index, centres, asked


def recall(index, asked, members_for):
    return np.mean([share_found(index, query, members_for(query)) for query in asked])


def test_the_large_segments_have_codes_and_a_search_looks_at_them_first(large, monkeypatch):
    index, _, asked = large
    assert [segment.codes is not None for segment in index._segments] == [True, True]
    looked_at = []
    search = Codes.search
    monkeypatch.setattr(Codes, "search", lambda self, *given: looked_at.append(self) or search(self, *given))
    index.search(asked[0], FOUND, exact=True)
    assert not looked_at
    index.search(asked[0], FOUND)
    assert set(map(id, looked_at)) == {id(segment.codes) for segment in index._segments}


@pytest.fixture
def lists_seen(monkeypatch):
    """How many lists were looked at, each time."""
    seen = []
    search = Codes._search_lists

    def counted(self, query, k, lists, *given):
        seen.append(len(lists))
        return search(self, query, k, lists, *given)

    monkeypatch.setattr(Codes, "_search_lists", counted)
    return seen


def test_many_rows_are_listed_and_few_of_the_lists_are_looked_at(large, lists_seen):
    index, _, asked = large
    assert [segment.codes.listed for segment in index._segments] == [True, False]
    for query in asked:
        index.search(query, FOUND)
    there = index._segments[0].codes._index.nlist
    assert there == 282  # the square root of 80,000
    assert sum(lists_seen) < len(asked) * there / 4
    assert len(lists_seen) >= 2 * len(asked)  # once more at least, to see that nothing is added


def test_more_lists_are_looked_at_until_they_add_nothing_better(large, lists_seen):
    index, centres, asked = large
    far = np.argsort(centres @ asked[0])[: CLUSTERS // 2]  # all but what is near
    index.search(asked[0], FOUND, far)
    assert sum(lists_seen) > 282 / 2


def test_without_a_filter_nearly_all_of_the_ten_best_are_found(large):
    index, _, asked = large
    assert recall(index, asked, lambda _: None) >= LEAST_RECALL


@pytest.mark.parametrize("exact_rows", [30_000, 2_000])
@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.5])
def test_under_a_filter_nearly_all_of_the_ten_best_are_found(large, monkeypatch, share, exact_rows):
    """Of few rows each is scored, however few they are."""
    monkeypatch.setattr(nearest, "EXACT_ROWS", exact_rows)
    index, _, asked = large
    rng = np.random.default_rng(5)
    allowed = max(1, int(share * CLUSTERS))
    assert recall(index, asked, lambda _: rng.choice(CLUSTERS, allowed, replace=False)) >= LEAST_RECALL


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("sign", [1, -1])
def test_under_a_filter_for_what_is_near_or_far_nearly_all_are_found(large, share, sign):
    index, centres, asked = large
    allowed = int(share * CLUSTERS)
    assert recall(index, asked, lambda query: np.argsort(-sign * (centres @ query))[:allowed]) >= LEAST_RECALL


def test_what_is_found_has_its_exact_score_and_is_best_first(large):
    index, _, asked = large
    for query in asked[:5]:
        found, scores, exhausted = index.search(query, 50)
        assert not exhausted
        assert scores.tolist() == pytest.approx(index.score(query, found).tolist(), abs=1e-6)
        assert (np.diff(scores) <= 0).all()


def test_candidates_have_the_score_of_their_best_window_whatever_the_codes_found(monkeypatch):
    """A chunk of two windows, of which the search is said to have found the worse one."""
    vectors = np.eye(2, DIMENSIONS, dtype=np.float16)
    whole = LocalShard(Path(), DIMENSIONS, None, in_memory=True)
    rows = np.array([[1, 0, 5, 5], [1, 1, 5, 5]])
    whole.apply(Change(1, (), rows=rows, vectors=vectors))
    monkeypatch.setattr(DenseIndex, "search", lambda *_, **__: (np.array([5]), np.zeros(1, np.float32), True))
    found = whole.candidates(vectors[0].astype(np.float32), [], depth=10)
    assert (found.numbers.tolist(), found.cosines.tolist()) == ([5], [1.0])


def test_a_search_for_everything_finds_everything(large):
    index, _, asked = large
    members = np.arange(100)
    held = np.flatnonzero(np.isin(index.rows[:, 0], members))
    found, _, exhausted = index.search(asked[0], 1_000_000, members)
    assert exhausted
    assert sorted(found.tolist()) == index.rows[held, 2].tolist()


def test_what_was_removed_is_not_found_however_near_it_is(large, tmp_path):
    index, _, asked = large
    index.save(tmp_path)
    again = loaded(tmp_path)
    near = [int(again.members(again.search(query, 1)[0][:1])[0]) for query in asked]
    again.remove(near)
    left = set(again.rows[:, 2].tolist())
    assert all(left.issuperset(again.search(query, FOUND)[0].tolist()) for query in asked)
    assert recall(again, asked, lambda _: None) >= LEAST_RECALL


def test_codes_that_were_saved_find_what_they_found_before(large, tmp_path):
    index, _, asked = large
    index.save(tmp_path)
    for i, segment in enumerate(index._segments):
        assert (tmp_path / f"dense.{i}.codes.faiss").samefile(segment.files[1].path)
    again = loaded(tmp_path)
    for query in asked:
        assert again.search(query, 20)[0].tolist()[:20] == index.search(query, 20)[0].tolist()[:20]


def test_codes_are_a_pure_function_of_the_vectors(large, tmp_path):
    index, _, _ = large
    segment = index._segments[1]
    Codes(segment.vectors).write(tmp_path / "codes")
    assert sha256_of(tmp_path / "codes") == segment.files[1].sha256


def test_codes_of_other_vectors_or_torn_ones_are_refused(large, tmp_path):
    index, _, _ = large
    first, second = index._segments
    with pytest.raises(IndexFailedError, match="22000 x 128"):
        Codes.open(second.files[1].path, first.vectors)
    torn = tmp_path / "codes"
    torn.write_bytes(second.files[1].path.read_bytes()[:-1000])
    with pytest.raises(IndexFailedError, match="cannot be read"):
        Codes.open(torn, second.vectors)
    with pytest.raises(IndexFailedError):
        Vectors.open(second.files[1].path, DIMENSIONS)


def test_what_an_index_is_made_of_is_told(large):
    index, _, _ = large
    info = measured(index, threading.Lock())
    assert (info.kind, info.windows, info.removed, info.segments) == ("ivf-rabitq", 106_000, 0, 2)
    vector, code = 2 * DIMENSIONS, index._segments[0].codes._index.code_size
    assert info.disk_bytes == 102_000 * (vector + code) + 80_000 * 8
    assert info.memory_bytes == 106_000 * 32 + 4_000 * vector
    assert info.recall_queries == 100
    assert LEAST_RECALL <= info.recall_at_10 <= 1


def test_recall_is_lower_where_candidates_are_too_few(large, monkeypatch):
    index, _, asked = large
    monkeypatch.setattr(nearest, "MIN_CANDIDATES", 10)
    monkeypatch.setattr(nearest, "OVERSAMPLING", 1)
    monkeypatch.setattr(nearest, "_ERRORS", -100)
    assert recall(index, asked, lambda _: None) < LEAST_RECALL


def test_of_an_empty_index_there_is_nothing_to_measure():
    info = measured(DenseIndex(DIMENSIONS), threading.Lock())
    assert (info.kind, info.windows, info.recall_at_10, info.recall_queries) == ("exact", 0, None, 0)
