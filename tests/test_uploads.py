"""Files that come in parts: what is refused, and that the bytes are the ones that were sent."""

import hashlib
import io
import os
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import uploaded
from uploaded import HOUR_S, PIECES, WHOLE, send, sha256

import vecstore
from vecstore import InvalidRequestError, NotFoundError, UploadInfo, UploadPart
from vecstore.jobs import MAX_FILE_BYTES
from vecstore.uploads import MAX_PART_BYTES

blobs, upload = uploaded.blobs, uploaded.upload


def test_parts_become_one_file(engine, upload, clock, blobs):
    assert upload.id.startswith("upload_")
    assert upload == UploadInfo(
        id=upload.id,
        filename="ferry.txt",
        purpose="assistants",
        bytes=len(WHOLE),
        mime_type="application/octet-stream",
        created_at=clock.seconds,
        expires_at=clock.seconds + HOUR_S,
        status="pending",
        file=None,
    )
    clock.move(5)
    part = engine.add_part(upload.id, PIECES[0])
    assert part.id.startswith("part_")
    assert part == UploadPart(part.id, upload.id, clock.seconds, len(PIECES[0]))
    assert engine.get_upload(upload.id) == upload
    assert engine.files() == []
    assert engine.check() == []
    clock.move(5)
    completed = engine.complete_upload(upload.id, [part.id, *send(engine, upload, PIECES[1:])])
    assert completed == replace(upload, status="completed", file=completed.file)
    assert engine.files() == [completed.file]
    file = completed.file
    assert (file.filename, file.bytes, file.sha256) == ("ferry.txt", len(WHOLE), sha256(WHOLE))
    assert (file.purpose, file.created_at, file.expires_at) == ("assistants", clock.seconds, None)
    assert engine.file_content(file.id) == WHOLE
    assert blobs() == {sha256(WHOLE)}
    assert engine.check() == []


def test_the_file_can_be_attached_and_found(engine, store, upload):
    file = engine.complete_upload(upload.id, send(engine, upload)).file
    store.attach(file.id)
    assert [result.text for result in store.search("ferry")] == [WHOLE.decode()]
    assert engine.check() == []


def test_purpose_and_type_are_kept(engine):
    upload = engine.create_upload("a.md", bytes=1, purpose="user_data", mime_type="text/markdown")
    assert (upload.purpose, upload.mime_type) == ("user_data", "text/markdown")
    assert engine.get_upload(upload.id) == upload
    assert engine.complete_upload(upload.id, send(engine, upload, [b"x"])).file.purpose == "user_data"
    assert engine.check() == []


def test_the_order_of_the_ids_decides_not_that_of_arrival(engine, upload):
    last, first, middle = send(engine, upload, [PIECES[2], PIECES[0], PIECES[1]])
    file = engine.complete_upload(upload.id, [first, middle, last]).file
    assert engine.file_content(file.id) == WHOLE
    assert engine.check() == []


def test_parts_may_come_from_many_threads_at_once(engine, blobs):
    pieces = [os.urandom(10_000 + i) for i in range(24)]
    upload = engine.create_upload("random.bin", bytes=sum(map(len, pieces)))
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda piece: engine.add_part(upload.id, io.BytesIO(piece)), pieces))
    assert [part.bytes for part in parts] == [len(piece) for piece in pieces]
    file = engine.complete_upload(upload.id, [part.id for part in parts]).file
    assert engine.file_content(file.id) == b"".join(pieces)
    assert blobs() == {file.sha256}
    assert engine.check() == []


def test_a_stream_that_stalls_holds_up_nobody(engine, upload):
    out, into = os.pipe()
    with os.fdopen(out, "rb", buffering=0) as stalled, ThreadPoolExecutor(1) as pool:
        part = pool.submit(engine.add_part, upload.id, stalled)
        assert engine.upload(("other.txt", b"in the meantime")).bytes == 15
        os.write(into, WHOLE)
        os.close(into)
        assert part.result().bytes == len(WHOLE)
    assert engine.check() == []


def test_of_many_that_complete_it_at_once_one_does(engine, upload):
    part_ids = send(engine, upload)

    def complete(_):
        try:
            return engine.complete_upload(upload.id, part_ids).status
        except InvalidRequestError as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(complete, range(4)))
    refused = f"upload_id '{upload.id}' has the status 'completed', and must be 'pending'"
    assert outcomes == ["completed", *[refused] * 3]
    assert len(engine.files()) == 1
    assert engine.check() == []


def test_parts_that_are_not_named_are_forgotten(engine, upload, blobs):
    engine.add_part(upload.id, b"a first try ")
    file = engine.complete_upload(upload.id, send(engine, upload)).file
    assert engine.file_content(file.id) == WHOLE
    assert blobs() == {sha256(WHOLE)}
    assert engine.check() == []


def test_two_parts_may_be_alike(engine, blobs):
    upload = engine.create_upload("twice.txt", bytes=8)
    part_ids = send(engine, upload, [b"same", b"same"])
    assert len(set(part_ids)) == 2
    file = engine.complete_upload(upload.id, part_ids).file
    assert engine.file_content(file.id) == b"samesame"
    assert blobs() == {file.sha256}
    assert engine.check() == []


def test_one_part_may_be_all(engine, upload, blobs):
    file = engine.complete_upload(upload.id, send(engine, upload, [WHOLE])).file
    assert engine.file_content(file.id) == WHOLE
    assert blobs() == {sha256(WHOLE)}
    assert engine.check() == []


@pytest.mark.parametrize("value", [0, -1, MAX_FILE_BYTES + 1, 8 << 30, True, 10.0, "10", None])
def test_a_size_out_of_bounds_is_told(engine, value):
    with pytest.raises(InvalidRequestError) as error:
        engine.create_upload("a.txt", bytes=value)
    limit = "1 to 536,870,912 (512 MiB, the most that one file may have)"
    assert str(error.value) == f"bytes must be {limit}, not {value!r}"
    assert engine.create_upload("a.txt", bytes=MAX_FILE_BYTES).bytes == MAX_FILE_BYTES


@pytest.mark.parametrize("param", ["filename", "purpose", "mime_type"])
@pytest.mark.parametrize("value", ["", None, 7])
def test_a_text_that_is_none_is_told(engine, param, value):
    with pytest.raises(InvalidRequestError, match=f"{param} must be a string that is not empty, not {value!r}"):
        engine.create_upload(**{"filename": "a.txt", "bytes": 1, param: value})


@pytest.mark.parametrize("value", [3_599, 2_592_001, None])
def test_a_files_policy_out_of_bounds_is_told(engine, value):
    with pytest.raises(InvalidRequestError, match="must be a whole number 3600 to 2592000"):
        engine.create_upload("a.txt", bytes=1, expires_after={"anchor": "created_at", "seconds": value})


def test_an_upload_that_never_was_is_told(engine):
    for use in (
        lambda: engine.get_upload("upload_x"),
        lambda: engine.add_part("upload_x", b"data"),
        lambda: engine.complete_upload("upload_x", []),
        lambda: engine.cancel_upload("upload_x"),
    ):
        with pytest.raises(NotFoundError, match=r"^No such Upload object: upload_x$"):
            use()
    assert engine.check() == []


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "data must be 1 to 67,108,864 bytes (64 MiB), not 0"),
        ("text", "data must be bytes or a binary file, not str"),
        (io.StringIO("text"), "data must hold bytes, not str"),
    ],
)
def test_a_part_that_is_refused_leaves_nothing(engine, upload, blobs, data, sentence):
    with pytest.raises(InvalidRequestError) as error:
        engine.add_part(upload.id, data)
    assert str(error.value) == sentence
    assert blobs() == set()
    assert engine.check() == []
    assert engine.complete_upload(upload.id, send(engine, upload)).status == "completed"


class Zeros:
    """A binary file of so many zeros. `most` is the most that was read of it at a time."""

    def __init__(self, size):
        self.left, self.most = size, 0

    def read(self, size):
        self.most = max(self.most, size)
        size = min(size, self.left)
        self.left -= size
        return bytes(size)


def test_a_part_has_up_to_64_mib_and_is_never_in_memory_whole(engine, blobs):
    upload = engine.create_upload("zeros.bin", bytes=MAX_FILE_BYTES)
    zeros = Zeros(MAX_PART_BYTES)
    assert engine.add_part(upload.id, zeros).bytes == 67_108_864
    assert zeros.most == 1 << 20
    with pytest.raises(InvalidRequestError, match=r"data must be 1 to 67,108,864 bytes \(64 MiB\), not 67,108,865"):
        engine.add_part(upload.id, Zeros(MAX_PART_BYTES + 1))
    assert len(blobs()) == 1
    engine.cancel_upload(upload.id)
    assert blobs() == set()
    assert engine.check() == []


def test_the_whole_is_never_in_memory(engine):
    upload = engine.create_upload("zeros.bin", bytes=40 << 20)
    part_ids, md5 = send(engine, upload, [bytes(8 << 20)] * 5), hashlib.md5(bytes(40 << 20)).hexdigest()
    tracemalloc.start()
    try:
        engine.complete_upload(upload.id, part_ids, md5=md5)
        assert tracemalloc.get_traced_memory()[1] < 6 << 20
    finally:
        tracemalloc.stop()
    assert engine.check() == []


def test_parts_that_do_not_add_up_are_told_and_kept(engine, upload, blobs):
    first, second, third = send(engine, upload)
    elsewhere = engine.create_upload("other.txt", bytes=1)
    [foreign] = send(engine, elsewhere, [b"x"])
    before = blobs()
    for part_ids, sentence in (
        ([], "part_ids add up to 0 bytes, and must to the upload's 24"),
        ([first, third], "part_ids add up to 17 bytes, and must to the upload's 24"),
        ([first, second, third, foreign], f"part_ids has '{foreign}', which is no part of {upload.id}"),
        ([first, "part_x"], f"part_ids has 'part_x', which is no part of {upload.id}"),
        ([first, second, first], f"part_ids has '{first}' more than once"),
    ):
        with pytest.raises(InvalidRequestError) as error:
            engine.complete_upload(upload.id, part_ids)
        assert str(error.value) == sentence
    assert engine.get_upload(upload.id) == upload
    assert (engine.files(), blobs()) == ([], before)
    assert engine.check() == []
    assert engine.complete_upload(upload.id, [first, second, third]).status == "completed"
    assert engine.complete_upload(elsewhere.id, [foreign]).status == "completed"
    assert engine.check() == []


def test_an_md5_must_be_that_of_the_parts_in_this_order(engine, upload, blobs):
    first, second, third = send(engine, upload)
    before, md5 = blobs(), hashlib.md5(WHOLE).hexdigest()
    with pytest.raises(InvalidRequestError, match=f"md5 is {md5}, and the parts in this order have "):
        engine.complete_upload(upload.id, [second, first, third], md5=md5)
    with pytest.raises(InvalidRequestError, match="md5 must be 32 hexadecimal digits, not 'md5'"):
        engine.complete_upload(upload.id, [first, second, third], md5="md5")
    assert (engine.get_upload(upload.id), blobs()) == (upload, before)
    assert engine.check() == []
    assert engine.complete_upload(upload.id, [first, second, third], md5=md5.upper()).status == "completed"
    assert engine.check() == []


def test_the_values_are_public():
    assert {"UploadInfo", "UploadPart"} <= set(vecstore.__all__)


def test_of_one_upload_little_more_than_twice_its_bytes_lies_on_the_disk(engine, upload, blobs, monkeypatch):
    monkeypatch.setattr("vecstore.uploads.MAX_PART_BYTES", 30)
    for part in (WHOLE, WHOLE[::-1], b"x" * 30):
        engine.add_part(upload.id, part)
    sentence = f"data may bring the parts of {upload.id} to 78 bytes, 2 times its own and a part more, not 79"
    with pytest.raises(InvalidRequestError, match=sentence):
        engine.add_part(upload.id, b"y")
    with pytest.raises(InvalidRequestError, match="not 79"):
        engine.add_part(upload.id, io.BytesIO(b"y"))
    assert len(blobs()) == 3
    assert engine.check() == []
