import numpy as np
import pytest

from vecstore import IndexFailedError
from vecstore.index.dense import DenseIndex

DIMENSIONS = 16


def unit(rng, n):
    vectors = rng.standard_normal((n, DIMENSIONS)).astype(np.float32)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def rows(*each):
    return np.array(each, np.int64)


def overlapping(members, windows):
    """Members of `windows` windows, where each window but the ends belongs to two chunks of two windows."""
    made, chunk = [], 1
    for member in range(1, members + 1):
        made += [
            (member, window, chunk + max(window - 1, 0), chunk + min(window, windows - 2)) for window in range(windows)
        ]
        chunk += windows - 1
    return rows(*made)


def chunk_scores(all_rows, vectors, query, allowed=None):
    """Each chunk's best cosine, worked out the slow way."""
    best = {}
    for (member, _, first, last), vector in zip(all_rows.tolist(), vectors.astype(np.float32), strict=True):
        if allowed is None or member in allowed:
            for chunk in range(first, last + 1):
                best[chunk] = max(best.get(chunk, -2.0), float(vector @ query))
    return best


@pytest.fixture
def filled():
    rng = np.random.default_rng(7)
    index, all_rows = DenseIndex(DIMENSIONS), overlapping(20, 6)
    vectors = unit(rng, len(all_rows))
    index.add(all_rows, vectors)
    return index, all_rows, vectors, unit(rng, 1)[0].astype(np.float32)


def test_the_scan_is_exact(filled):
    index, all_rows, vectors, query = filled
    expected = chunk_scores(all_rows, vectors, query)
    numbers, scores, exhausted = index.search(query, 1000)
    assert exhausted
    assert numbers.tolist() == sorted(expected, key=lambda chunk: (-expected[chunk], chunk))
    assert scores.tolist() == pytest.approx([expected[chunk] for chunk in numbers.tolist()], abs=1e-5)


def test_a_shallow_search_is_the_beginning_of_a_deep_one(filled):
    index, _, _, query = filled
    every, _, _ = index.search(query, 1000)
    few, _, exhausted = index.search(query, 5)
    assert not exhausted
    assert len(few) >= 5
    assert few[:5].tolist() == every[:5].tolist()


def test_only_allowed_members_answer(filled):
    index, all_rows, vectors, query = filled
    allowed = [3, 11, 12]
    expected = chunk_scores(all_rows, vectors, query, allowed)
    numbers, _, exhausted = index.search(query, 1000, np.array(allowed))
    assert exhausted
    assert set(numbers.tolist()) == set(expected)


def test_no_allowed_member_is_no_answer(filled):
    index, _, _, query = filled
    numbers, scores, exhausted = index.search(query, 10, np.array([999]))
    assert (len(numbers), len(scores), exhausted) == (0, 0, True)


def test_an_empty_index_answers_nothing():
    query = np.ones(DIMENSIONS, np.float32) / 4
    numbers, _, exhausted = DenseIndex(DIMENSIONS).search(query, 10)
    assert (len(numbers), exhausted) == (0, True)


def test_equal_scores_come_by_chunk_number():
    index = DenseIndex(DIMENSIONS)
    same = np.tile(unit(np.random.default_rng(1), 1), (9, 1))
    index.add(rows(*[(1, i, i + 1, i + 1) for i in range(9)]), same)
    numbers, scores, _ = index.search(same[0].astype(np.float32), 9)
    assert len(set(scores.tolist())) == 1
    assert numbers.tolist() == list(range(1, 10))


def test_score_agrees_with_search(filled):
    index, _, _, query = filled
    numbers, scores, _ = index.search(query, 1000)
    order = np.argsort(numbers)
    assert index.score(query, numbers[order]).tolist() == pytest.approx(scores[order].tolist(), abs=1e-6)


def test_a_chunk_without_rows_scores_zero_and_has_no_windows(filled):
    index, _, _, query = filled
    alone = index.score(query, np.array([1]))
    assert index.score(query, np.array([1, 10_000])).tolist() == [alone[0], 0]
    assert len(index.windows(query, 10_000)) == 0


def test_windows_are_those_of_one_chunk_in_reading_order(filled):
    index, all_rows, vectors, query = filled
    for number in (1, 2, 50, 100):
        held = (all_rows[:, 2] <= number) & (number <= all_rows[:, 3])
        expected = (vectors[held].astype(np.float32) @ query).tolist()
        assert len(expected) >= 2
        assert index.windows(query, number).tolist() == pytest.approx(expected, abs=1e-6)


def test_removed_members_are_gone_and_the_others_unmoved(filled):
    index, all_rows, vectors, query = filled
    index.remove([1, 7, 20, 555])
    left = ~np.isin(all_rows[:, 0], [1, 7, 20])
    assert index.rows.tolist() == all_rows[left].tolist()
    assert (index.vectors() == vectors[left].astype(np.float32)).all()
    expected = chunk_scores(all_rows[left], vectors[left], query)
    assert set(index.search(query, 1000)[0].tolist()) == set(expected)


def test_codes_are_the_float16_values_bit_for_bit(filled):
    index, _, vectors, _ = filled
    assert index.vectors().astype(np.float16).tobytes() == vectors.tobytes()


def test_what_was_saved_is_loaded(filled, tmp_path):
    index, all_rows, vectors, query = filled
    index.save(tmp_path)
    loaded = DenseIndex.load(tmp_path, DIMENSIONS)
    assert loaded.rows.tolist() == all_rows.tolist()
    assert (loaded.vectors() == vectors.astype(np.float32)).all()
    assert loaded.search(query, 9)[0].tolist() == index.search(query, 9)[0].tolist()


def test_an_empty_index_is_saved_and_loaded(tmp_path):
    DenseIndex(DIMENSIONS).save(tmp_path)
    assert len(DenseIndex.load(tmp_path, DIMENSIONS).rows) == 0


@pytest.mark.parametrize("name", ["dense.faiss", "dense.rows.npy"])
def test_a_torn_or_missing_file_is_an_error_of_the_index(filled, tmp_path, name):
    filled[0].save(tmp_path)
    whole = (tmp_path / name).read_bytes()
    for kept in (len(whole) // 2, 10, 0):
        (tmp_path / name).write_bytes(whole[:kept])
        with pytest.raises(IndexFailedError):
            DenseIndex.load(tmp_path, DIMENSIONS)
    (tmp_path / name).unlink()
    with pytest.raises(IndexFailedError):
        DenseIndex.load(tmp_path, DIMENSIONS)


def test_an_index_of_other_dimensions_is_refused(filled, tmp_path):
    filled[0].save(tmp_path)
    with pytest.raises(IndexFailedError, match="120 x 16"):
        DenseIndex.load(tmp_path, DIMENSIONS * 2)


def test_rows_that_do_not_belong_to_the_codes_are_refused(filled, tmp_path):
    index, all_rows, _, _ = filled
    index.save(tmp_path)
    np.save(tmp_path / "dense.rows.npy", all_rows[:-1])
    with pytest.raises(IndexFailedError):
        DenseIndex.load(tmp_path, DIMENSIONS)
