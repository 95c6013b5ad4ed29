"""What search and indexing may expect of every Shard."""

import shutil

import numpy as np
import pytest

from vecstore import HashingEmbedder
from vecstore.changes import Change, Checkpoint, IndexedChunk
from vecstore.index import LocalShard, terms

DIMENSIONS = 32
EMBEDDER = HashingEmbedder(DIMENSIONS)
TEXTS = {
    1: "red apple and green pear",
    2: "green pear and yellow banana",
    3: "blue plum",
    4: "red cherry and red currant",
    5: "a boat on the green river",
}


def change(sequence, texts, *, removed=(), filename="file.txt"):
    """One member a text, numbered as the text is; each is one chunk of one window."""
    chunks = tuple(IndexedChunk(number, number, filename, text) for number, text in texts.items())
    rows = np.array([(number, 0, number, number) for number in texts], np.int64).reshape(-1, 4)
    vectors = [EMBEDDER.embed_query(text) for text in texts.values()]
    return Change(sequence, tuple(removed), chunks, rows, np.array(vectors, np.float16).reshape(-1, DIMENSIONS))


@pytest.fixture(params=[LocalShard])
def open_shard(request, tmp_path):
    """A shard over the same place each time: `open_shard(checkpoint)`."""
    return lambda checkpoint=None: request.param(tmp_path / "shard", DIMENSIONS, checkpoint)


@pytest.fixture
def shard(open_shard):
    opened = open_shard()
    opened.apply(change(1, TEXTS))
    return opened


def ask(shard, query, *, depth=10, members=None, vector=True, words=True):
    return shard.candidates(
        EMBEDDER.embed_query(query) if vector else None,
        list(dict.fromkeys(terms(query))) if words else [],
        depth=depth,
        members=None if members is None else np.array(members, np.int64),
    )


def same(one, other):
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in one.__slots__)


def test_a_new_shard_has_applied_nothing_and_finds_nothing(open_shard):
    shard = open_shard()
    found = ask(shard, "red apple")
    assert shard.sequence == 0
    assert len(found.numbers) == 0
    assert found.exhausted


def test_a_change_is_found_in_both_legs_at_once(shard):
    assert shard.sequence == 1
    assert ask(shard, "blue plum", words=False).numbers.tolist() == [1, 2, 3, 4, 5]
    assert ask(shard, "blue plum", vector=False).numbers.tolist() == [3]


def test_candidates_are_ascending_with_ranks_from_one(shard):
    found = ask(shard, "green pear")
    assert found.numbers.tolist() == sorted(found.numbers.tolist())
    by_cosine = found.numbers[np.lexsort((found.numbers, -found.cosines))]
    assert [found.numbers[found.embedding_ranks == rank].item() for rank in range(1, 6)] == by_cosine.tolist()
    said = {
        number: rank for number, rank in zip(found.numbers.tolist(), found.text_ranks.tolist(), strict=True) if rank
    }
    assert set(said) == {1, 2, 5}
    assert sorted(said.values()) == [1, 2, 3]


def test_every_candidate_has_its_true_score_from_both_legs(shard):
    deep, shallow = ask(shard, "red plum"), ask(shard, "red plum", depth=1)
    assert len(shallow.numbers) < len(deep.numbers)
    where = np.searchsorted(deep.numbers, shallow.numbers)
    assert (deep.cosines[where] == shallow.cosines).all()
    assert (deep.bm25[where] == shallow.bm25).all()
    assert shallow.highest_bm25 == deep.highest_bm25
    exact = [EMBEDDER.embed_query(TEXTS[number]) @ EMBEDDER.embed_query("red plum") for number in deep.numbers.tolist()]
    assert deep.cosines.tolist() == pytest.approx(exact, abs=2e-3)  # float16 codes


def test_exhausted_says_whether_a_deeper_search_finds_more(shard):
    assert not ask(shard, "green", depth=1).exhausted
    assert ask(shard, "green", depth=5).exhausted
    assert not ask(shard, "green", depth=1, vector=False).exhausted
    assert ask(shard, "green", depth=4, vector=False).exhausted


def test_only_members_answer(shard):
    found = ask(shard, "red green", members=[2, 4])
    assert found.numbers.tolist() == [2, 4]
    assert ask(shard, "red green", members=[]).numbers.tolist() == []
    assert ask(shard, "red green", members=[99]).exhausted


def test_a_leg_without_a_query_stays_out(shard):
    assert ask(shard, "red", words=False).bm25.tolist() == [0] * 5
    found = ask(shard, "red", vector=False)
    assert (found.cosines.tolist(), found.embedding_ranks.tolist()) == ([0, 0], [0, 0])
    assert len(ask(shard, "red", vector=False, words=False).numbers) == 0


def test_windows_are_the_chunks_cosines(shard):
    vector = EMBEDDER.embed_query("blue plum")
    one, none = shard.windows(vector, np.array([3, 99]))
    assert one.tolist() == pytest.approx([1.0], abs=2e-3)
    assert len(none) == 0
    assert shard.windows(vector, np.array([], np.int64)) == []


def test_removed_members_are_gone_from_both_legs(shard):
    shard.apply(change(2, {}, removed=[3, 4]))
    assert shard.sequence == 2
    assert ask(shard, "blue plum red cherry").numbers.tolist() == [1, 2, 5]
    assert ask(shard, "plum cherry", vector=False).numbers.tolist() == []


def test_one_change_removes_before_it_adds(shard):
    shard.apply(change(2, {6: "a red plum"}, removed=[1, 2, 3, 4, 5]))
    assert ask(shard, "red plum").numbers.tolist() == [6]


def test_a_change_of_nothing_moves_the_sequence_only(shard):
    before = ask(shard, "red plum")
    shard.apply(Change(7))
    assert shard.sequence == 7
    assert same(ask(shard, "red plum"), before)


def test_contents_are_what_was_applied(shard):
    shard.apply(change(2, {9: "late plum"}, removed=[2]))
    rows, vectors, numbers = shard.contents()
    assert rows[:, 0].tolist() == numbers.tolist() == [1, 3, 4, 5, 9]
    assert (vectors[-1] == EMBEDDER.embed_query("late plum").astype(np.float16)).all()


def test_the_same_changes_give_the_same_answers(shard, tmp_path):
    other = type(shard)(tmp_path / "other", DIMENSIONS, None)
    other.apply(change(1, TEXTS))
    assert same(ask(shard, "red pear on a boat"), ask(other, "red pear on a boat"))


def test_a_checkpoint_is_opened_as_it_was(shard, open_shard):
    before = ask(shard, "red pear")
    checkpoint = shard.checkpoint()
    again = open_shard(checkpoint)
    assert (again.sequence, checkpoint.sequence) == (1, 1)
    assert same(ask(again, "red pear"), before)


def test_what_came_after_the_checkpoint_is_applied_again(shard, open_shard):
    checkpoint = shard.checkpoint()
    shard.apply(change(2, {6: "late plum"}, removed=[3]))
    after = ask(shard, "plum")
    again = open_shard(checkpoint)
    assert ask(again, "plum", vector=False).numbers.tolist() == [3]
    again.apply(change(2, {6: "late plum"}, removed=[3]))
    assert same(ask(again, "plum"), after)


def test_a_checkpoint_is_not_changed_by_what_comes_after(shard, open_shard):
    checkpoint = shard.checkpoint()
    shard.apply(change(2, {6: "late plum"}))
    second = shard.checkpoint()
    shard.apply(change(3, {7: "later plum"}, removed=[6]))
    assert open_shard(second).sequence == 2
    assert checkpoint.files != second.files
    assert ask(open_shard(second), "plum", vector=False).numbers.tolist() == [3, 6]


def test_without_a_checkpoint_nothing_is_believed(shard, open_shard):
    shard.checkpoint()
    again = open_shard(None)
    assert again.sequence == 0
    assert len(ask(again, "red").numbers) == 0


def test_a_checkpoint_with_a_wrong_hash_is_dropped(shard, open_shard, tmp_path):
    checkpoint = shard.checkpoint()
    for i, name in enumerate(checkpoint.files):
        copy = tmp_path / f"copy-{i}"
        shutil.copytree(tmp_path / "shard", copy)
        files = {**checkpoint.files, name: "0" * 64}
        wrong = Checkpoint(checkpoint.folder, checkpoint.sequence, files)
        assert type(shard)(copy, DIMENSIONS, wrong).sequence == 0
    assert open_shard(checkpoint).sequence == 1
