"""How an upload ends: completed, cancelled, expired, interrupted or damaged, and what is left of its parts then."""

import io
import shutil
from dataclasses import replace

import pytest
import uploaded
from uploaded import HOUR_S, PIECES, WHOLE, send, sha256

from vecstore import InvalidRequestError, StorageError

blobs, upload = uploaded.blobs, uploaded.upload


def ended(engine, upload, status, clock):
    if status == "completed":
        engine.complete_upload(upload.id, send(engine, upload))
    elif status == "cancelled":
        send(engine, upload)
        engine.cancel_upload(upload.id)
    else:
        send(engine, upload)
        clock.move(HOUR_S)


@pytest.mark.parametrize("status", ["completed", "cancelled", "expired"])
def test_what_has_ended_stays_as_it_is(engine, upload, clock, blobs, status):
    ended(engine, upload, status, clock)
    before = engine.get_upload(upload.id)
    assert before.status == status
    for use in (
        lambda: engine.add_part(upload.id, b"data"),
        lambda: engine.complete_upload(upload.id, []),
        lambda: engine.cancel_upload(upload.id),
    ):
        with pytest.raises(InvalidRequestError) as error:
            use()
        assert str(error.value) == f"upload_id '{upload.id}' has the status '{status}', and must be 'pending'"
    assert engine.get_upload(upload.id) == before
    assert blobs() == ({sha256(WHOLE)} if status == "completed" else set())
    assert engine.check() == []


def test_cancelling_forgets_the_parts(engine, upload, blobs):
    send(engine, upload)
    assert engine.cancel_upload(upload.id) == replace(upload, status="cancelled")
    assert (engine.get_upload(upload.id).status, engine.files(), blobs()) == ("cancelled", [], set())
    assert engine.check() == []


def test_it_expires_to_the_second_and_its_parts_are_gone(engine, upload, clock, blobs):
    part_ids = send(engine, upload)
    clock.move(HOUR_S - 1)
    assert engine.get_upload(upload.id).status == "pending"
    assert len(blobs()) == 3
    clock.move(1)
    assert [(each.kind, each.id, each.name, each.bytes) for each in engine.expire(dry_run=True)] == [
        ("upload", upload.id, "ferry.txt", len(WHOLE))
    ]
    assert engine.get_upload(upload.id) == replace(upload, status="expired")
    assert blobs() == set()
    with pytest.raises(InvalidRequestError, match="has the status 'expired'"):
        engine.complete_upload(upload.id, part_ids)
    assert engine.check() == []


def test_it_can_be_completed_in_its_last_second(engine, upload, clock):
    part_ids = send(engine, upload)
    clock.move(HOUR_S - 1)
    assert engine.complete_upload(upload.id, part_ids).file.created_at == clock.seconds
    clock.move(1)
    assert engine.get_upload(upload.id).status == "completed"
    assert engine.check() == []


def test_a_part_that_is_still_coming_when_it_expires_is_refused(engine, upload, clock, blobs):
    class Slow(io.BytesIO):
        def read(self, size):
            clock.seconds = upload.expires_at
            return super().read(size)

    with pytest.raises(InvalidRequestError, match="has the status 'expired'"):
        engine.add_part(upload.id, Slow(PIECES[0]))
    assert engine.get_upload(upload.id).status == "expired"
    assert blobs() == set()
    assert engine.check() == []


def test_a_files_policy_counts_from_its_completion(engine, clock, blobs):
    policy = {"anchor": "created_at", "seconds": 7_200}
    upload = engine.create_upload("ferry.txt", bytes=len(WHOLE), expires_after=policy)
    part_ids = send(engine, upload)
    clock.move(1_000)
    file = engine.complete_upload(upload.id, part_ids).file
    assert file.expires_at == clock.seconds + 7_200
    clock.move(7_199)
    assert engine.files() == [file]
    clock.move(1)
    assert (engine.files(), blobs()) == ([], set())
    assert engine.get_upload(upload.id) == replace(upload, status="completed", file=None)
    assert engine.check() == []


def test_a_file_expires_in_time_though_the_clock_stepped_back(engine, clock):
    upload = engine.create_upload("a.txt", bytes=1, expires_after={"anchor": "created_at", "seconds": HOUR_S})
    clock.move(-1_000)
    file = engine.complete_upload(upload.id, send(engine, upload, [b"x"])).file
    clock.move(HOUR_S - 1)
    assert engine.files() == [file]
    clock.move(1)
    assert engine.files() == []
    assert engine.check() == []


def test_two_uploads_of_the_same_content_do_not_touch_each_other(engine, clock, blobs):
    one, two, three = (engine.create_upload(f"{i}.txt", bytes=len(WHOLE)) for i in range(3))
    part_ids = {upload.id: send(engine, upload) for upload in (one, two, three)}
    engine.cancel_upload(one.id)
    assert len(blobs()) == 3
    assert engine.check() == []
    file = engine.complete_upload(two.id, part_ids[two.id]).file
    assert blobs() == {sha256(piece) for piece in (*PIECES, WHOLE)}
    again = engine.complete_upload(three.id, part_ids[three.id]).file
    assert file.id != again.id
    assert blobs() == {sha256(WHOLE)}
    engine.delete_file(file.id)
    assert engine.file_content(again.id) == WHOLE
    assert engine.get_upload(two.id).file is None
    assert engine.check() == []


@pytest.mark.parametrize("status", ["completed", "cancelled", "expired"])
def test_a_file_with_the_content_of_a_part_stays(engine, upload, clock, blobs, status):
    file = engine.upload(("part.txt", PIECES[1]))
    ended(engine, upload, status, clock)
    assert engine.get_upload(upload.id).status == status
    assert engine.file_content(file.id) == PIECES[1]
    assert blobs() == {each.sha256 for each in engine.files()}
    assert engine.check() == []


def test_a_part_with_the_content_of_a_file_outlives_it(engine, upload):
    file = engine.upload(("part.txt", PIECES[1]))
    part_ids = send(engine, upload)
    engine.delete_file(file.id)
    assert engine.check() == []
    assert engine.file_content(engine.complete_upload(upload.id, part_ids).file.id) == WHOLE
    assert engine.check() == []


def test_it_goes_on_after_a_reopen(engine, upload, open_engine, clock, blobs):
    first = engine.add_part(upload.id, PIECES[0]).id
    engine.close()
    engine = open_engine()
    assert engine.get_upload(upload.id) == upload
    rest = send(engine, upload, PIECES[1:])
    engine.close()
    engine = open_engine()
    completed = engine.complete_upload(upload.id, [first, *rest])
    left = engine.create_upload("left.txt", bytes=1)
    engine.add_part(left.id, b"x")
    engine.close()
    clock.move(HOUR_S)
    engine = open_engine()
    assert engine.get_upload(upload.id) == completed
    assert engine.get_upload(left.id).status == "expired"
    assert engine.file_content(completed.file.id) == WHOLE
    assert blobs() == {sha256(WHOLE)}
    assert engine.check() == []


def test_a_part_that_was_damaged_never_becomes_a_file(engine, upload, data_folder, flip_byte):
    part_ids = send(engine, upload)
    flip_byte(data_folder / "blobs" / sha256(PIECES[1])[:2] / sha256(PIECES[1]))
    with pytest.raises(StorageError, match=f"the content of {part_ids[1]} was changed on disk; send the part again"):
        engine.complete_upload(upload.id, part_ids)
    assert (engine.get_upload(upload.id), engine.files()) == (upload, [])
    again = engine.add_part(upload.id, PIECES[1]).id
    assert engine.complete_upload(upload.id, [part_ids[0], again, part_ids[2]]).status == "completed"
    assert engine.check() == []


@pytest.mark.parametrize("interrupted", ["before the commit", "after the commit"])
def test_a_kill_leaves_it_pending_with_every_part_or_completed(
    open_engine, data_folder, tmp_path, monkeypatch, interrupted
):
    engine = open_engine()
    upload = engine.create_upload("ferry.txt", bytes=len(WHOLE))
    part_ids, rows = send(engine, upload), engine._parts.catalog.uploads
    complete, killed = rows.complete, tmp_path / "killed"

    def die(*args, **kwargs):
        if interrupted == "after the commit":
            complete(*args, **kwargs)
        shutil.copytree(data_folder, killed)  # as a kill would leave the disk
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(rows, "complete", die)
        with pytest.raises(KeyboardInterrupt):
            engine.complete_upload(upload.id, part_ids)
    for left in (engine, open_engine(killed)):
        assert left.check() == []
        if interrupted == "before the commit":
            assert left.get_upload(upload.id) == upload
            left.complete_upload(upload.id, part_ids)
        [file] = left.files()
        assert left.get_upload(upload.id) == replace(upload, status="completed", file=file)
        assert left.file_content(file.id) == WHOLE
        assert left.check() == []
