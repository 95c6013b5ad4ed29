import os
import shutil
from itertools import pairwise

import numpy as np
import pytest

from vecstore import IndexFailedError
from vecstore.files import sha256_of
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
    assert [len(each) for each in index.windows(query, np.array([10_000]))] == [0]


def test_windows_are_those_of_each_chunk_in_reading_order(filled):
    index, all_rows, vectors, query = filled
    numbers = [50, 1, 2, 100]
    for number, scores in zip(numbers, index.windows(query, np.array(numbers)), strict=True):
        held = (all_rows[:, 2] <= number) & (number <= all_rows[:, 3])
        expected = (vectors[held].astype(np.float32) @ query).tolist()
        assert len(expected) >= 2
        assert scores.tolist() == pytest.approx(expected, abs=1e-6)


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


def saved(index, folder, known=None):
    """What was written into a new folder, loaded again by the hashes that a checkpoint has."""
    folder.mkdir()
    carried = index.save(folder)
    assert set(carried.values()) <= set((known or {}).values())
    return hashes(folder)


def hashes(folder):
    return {path.name: sha256_of(path) for path in folder.iterdir()}


def test_what_was_saved_is_loaded(filled, tmp_path):
    index, all_rows, vectors, query = filled
    loaded = DenseIndex.load(tmp_path / "a", DIMENSIONS, saved(index, tmp_path / "a"))
    assert loaded.rows.tolist() == all_rows.tolist()
    assert (loaded.vectors() == vectors.astype(np.float32)).all()
    assert loaded.search(query, 9)[0].tolist() == index.search(query, 9)[0].tolist()


def test_an_empty_index_is_saved_and_loaded(tmp_path):
    files = saved(DenseIndex(DIMENSIONS), tmp_path / "a")
    assert len(DenseIndex.load(tmp_path / "a", DIMENSIONS, files).rows) == 0


@pytest.mark.parametrize("name", ["dense.0.faiss", "dense.rows.npy"])
def test_a_torn_or_missing_file_is_an_error_of_the_index(filled, tmp_path, name):
    files = saved(filled[0], tmp_path / "a")
    path = tmp_path / "a" / name
    whole = path.read_bytes()
    for kept in (len(whole) // 2, 10, 0):
        path.write_bytes(whole[:kept])
        with pytest.raises(IndexFailedError):
            DenseIndex.load(tmp_path / "a", DIMENSIONS, files)
    path.unlink()
    with pytest.raises(IndexFailedError):
        DenseIndex.load(tmp_path / "a", DIMENSIONS, files)


def test_an_index_of_other_dimensions_is_refused(filled, tmp_path):
    files = saved(filled[0], tmp_path / "a")
    with pytest.raises(IndexFailedError, match="120 x 16"):
        DenseIndex.load(tmp_path / "a", DIMENSIONS * 2, files)


def test_rows_that_do_not_belong_to_the_vectors_are_refused(filled, tmp_path):
    index, all_rows, _, _ = filled
    files = saved(index, tmp_path / "a")
    np.save(tmp_path / "a" / "dense.rows.npy", all_rows[:-1].T)
    with pytest.raises(IndexFailedError, match="120 vectors for rows of"):
        DenseIndex.load(tmp_path / "a", DIMENSIONS, files)


def test_chunks_are_read_in_the_order_they_are_asked_for(filled):
    index, _, _, query = filled
    numbers = np.array([50, 3, 77, 3])
    assert index.score(query, numbers).tolist() == [index.score(query, np.array([each]))[0] for each in numbers]
    assert (index.centres(numbers)[0] == index.centres(np.array([50]))[0]).all()


@pytest.fixture
def grown(filled, tmp_path):
    """Members 1 to 20 in one segment, 21 to 24 in a second one, 25 in memory; and the same never saved."""
    index, all_rows, vectors, query = filled
    rng, whole = np.random.default_rng(8), DenseIndex(DIMENSIONS)
    whole.add(all_rows, vectors)
    late = overlapping(25, 6)[120:]
    late_vectors = unit(rng, len(late))
    whole.add(late, late_vectors)
    for name, (begin, end) in {"a": (0, 0), "b": (0, 24)}.items():
        index.add(late[begin:end], late_vectors[begin:end])
        index = DenseIndex.load(tmp_path / name, DIMENSIONS, saved(index, tmp_path / name, hashes_before(tmp_path)))
    index.add(late[24:], late_vectors[24:])
    return index, whole, query


def hashes_before(folder):
    return {path.as_posix(): sha256_of(path) for path in folder.rglob("*") if path.is_file()}


def segments_of(folder):
    return sorted(path.name for path in folder.glob("dense.*.faiss"))


def same(one, other, query):
    assert one.rows.tolist() == other.rows.tolist()
    assert one.vectors().tobytes() == other.vectors().tobytes()
    for members in (None, np.array([3, 19, 20, 21, 25])):
        found, expected = one.search(query, 40, members), other.search(query, 40, members)
        assert found[0].tolist() == expected[0].tolist()
        assert found[1].tolist() == pytest.approx(expected[1].tolist(), abs=1e-6)
        assert found[2] == expected[2]
    numbers = np.arange(1, 130)
    assert one.members(numbers).tolist() == other.members(numbers).tolist()
    assert one.score(query, numbers).tolist() == pytest.approx(other.score(query, numbers).tolist(), abs=1e-6)
    assert np.allclose(one.centres(numbers), other.centres(numbers), atol=1e-6)
    some = np.array([1, 100, 101, 120, 121, 125, 200])
    for expected, scores in zip(one.windows(query, some), other.windows(query, some), strict=True):
        assert scores.tolist() == pytest.approx(expected.tolist(), abs=1e-6)


def test_segments_and_what_came_since_answer_as_one_index(grown, tmp_path):
    index, whole, query = grown
    assert segments_of(tmp_path / "b") == ["dense.0.faiss", "dense.1.faiss"]
    same(index, whole, query)


def test_what_is_removed_from_segments_is_gone_before_and_after_they_are_saved(grown, tmp_path):
    index, whole, query = grown
    for each in (index, whole):
        each.remove([2, 22, 25])
    same(index, whole, query)
    files = saved(index, tmp_path / "c", hashes_before(tmp_path))
    same(DenseIndex.load(tmp_path / "c", DIMENSIONS, files), whole, query)


def test_a_segment_is_carried_over_as_the_same_file_and_not_read_again(grown, tmp_path, flip_byte):
    index, _, _ = grown
    known = hashes_before(tmp_path / "b")
    before = tmp_path / "b" / "dense.0.faiss"
    times = before.stat()
    flip_byte(before)
    os.utime(before, ns=(times.st_atime_ns, times.st_mtime_ns))  # as where the disk itself changes it
    (tmp_path / "c").mkdir()
    carried = index.save(tmp_path / "c")
    assert carried["dense.0.faiss"] == known[before.as_posix()] != sha256_of(tmp_path / "c" / "dense.0.faiss")
    assert (tmp_path / "c" / "dense.0.faiss").samefile(before)


def test_a_segment_whose_file_is_gone_is_written_from_what_is_mapped(grown, tmp_path):
    index, whole, query = grown
    known = hashes_before(tmp_path)
    for path in (tmp_path / "a", tmp_path / "b"):
        shutil.rmtree(path)
    same(DenseIndex.load(tmp_path / "c", DIMENSIONS, saved(index, tmp_path / "c", known)), whole, query)


@pytest.mark.parametrize("gone", [False, True])
def test_what_the_disk_changed_is_not_merged_into_a_new_segment(grown, tmp_path, flip_byte, gone):
    index, _, _ = grown
    path = tmp_path / "b" / "dense.0.faiss"
    times = path.stat()
    flip_byte(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    if gone:
        path.unlink()
        (tmp_path / "a" / "dense.0.faiss").unlink()
    index.remove(range(1, 10))
    (tmp_path / "c").mkdir()
    with pytest.raises(IndexFailedError, match="was changed since it was written"):
        index.save(tmp_path / "c")


def test_a_file_that_somebody_writes_to_is_refused_before_it_is_read_or_carried_over(grown, tmp_path):
    index, _, _ = grown
    path = tmp_path / "b" / "dense.0.faiss"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(IndexFailedError, match="was changed while it was open"):
        index.check_untouched()
    (tmp_path / "c").mkdir()
    with pytest.raises(IndexFailedError, match="was changed while it was open"):
        index.save(tmp_path / "c")


def test_there_are_few_segments_however_often_a_little_is_added(tmp_path):
    rng, index, whole = np.random.default_rng(3), DenseIndex(DIMENSIONS), DenseIndex(DIMENSIONS)
    written = 0
    for i in range(60):
        rows_of = rows(*[(i + 1, window, 4 * i + window + 1, 4 * i + window + 1) for window in range(4)])
        vectors = unit(rng, 4)
        for each in (index, whole):
            each.add(rows_of, vectors)
        known = hashes_before(tmp_path)
        files = saved(index, tmp_path / str(i), known)
        written += sum(path.stat().st_nlink == 1 for path in (tmp_path / str(i)).glob("dense.*.faiss"))
        index = DenseIndex.load(tmp_path / str(i), DIMENSIONS, files)
        lengths = [np.load(tmp_path / str(i) / "dense.rows.npy").shape[1], *map(len, index._segments)]
        assert lengths[0] == sum(lengths[1:]) == 4 * (i + 1)
        assert all(one > 2 * other for one, other in pairwise(lengths[1:]))
    assert written <= 60
    same(index, whole, unit(rng, 1)[0].astype(np.float32))


def test_a_segment_of_which_a_tenth_is_gone_is_written_anew_without_it(filled, tmp_path):
    index, _, _, _ = filled
    index = DenseIndex.load(tmp_path / "a", DIMENSIONS, saved(index, tmp_path / "a"))
    for name, removed, held in (("b", [4, 9], 120), ("c", [11], 102)):
        index.remove(removed)
        files = saved(index, tmp_path / name, hashes_before(tmp_path))
        index = DenseIndex.load(tmp_path / name, DIMENSIONS, files)
        assert np.load(tmp_path / name / "dense.rows.npy").shape == (4, held)
    assert len(index.rows) == 102
    index.remove(range(1, 21))
    assert saved(index, tmp_path / "d").keys() == {"dense.rows.npy"}
