import hashlib

import pytest

from vecstore import NotFoundError
from vecstore.blobs import Blobs
from vecstore.files import TEMPORARY_MARK


@pytest.fixture
def blobs(tmp_path):
    return Blobs(tmp_path / "blobs")


def files_in(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_what_was_put_is_read(blobs):
    sha256, length = blobs.put([b"one ", b"", b"two"])
    assert (sha256, length) == (hashlib.sha256(b"one two").hexdigest(), 7)
    assert blobs.read(sha256) == b"one two"
    assert blobs.intact(sha256)


def test_no_bytes_are_a_content_too(blobs):
    sha256, length = blobs.put([])
    assert length == 0
    assert blobs.read(sha256) == b""


def test_the_same_content_is_kept_once(blobs, tmp_path):
    assert blobs.put([b"same"]) == blobs.put([b"sa", b"me"])
    assert len(files_in(tmp_path)) == 1


def test_an_interrupted_upload_leaves_nothing(blobs, tmp_path):
    def broken():
        yield b"half of it"
        raise OSError("the connection is gone")

    with pytest.raises(OSError, match="connection"):  # the caller's, not the disk's
        blobs.put(broken())
    assert files_in(tmp_path) == []
    assert list(blobs) == []


def test_missing_content_is_not_found(blobs):
    with pytest.raises(NotFoundError, match="missing"):
        blobs.read("0" * 64)


def test_deleting_forgets_and_is_no_error_twice(blobs):
    sha256, _ = blobs.put([b"gone soon"])
    blobs.delete(sha256)
    blobs.delete(sha256)
    assert list(blobs) == []
    assert not blobs.intact(sha256)


def test_all_contents_are_listed_sorted(blobs):
    put = [blobs.put([bytes([i])])[0] for i in range(20)]
    assert list(blobs) == sorted(put)


def test_changed_content_is_noticed(blobs, tmp_path, flip_byte):
    sha256, _ = blobs.put([b"as it was"])
    flip_byte(tmp_path / "blobs" / sha256[:2] / sha256)
    assert not blobs.intact(sha256)


def test_a_crashed_uploads_leftover_is_no_content_and_is_removed_on_open(blobs, tmp_path):
    leftover = tmp_path / "blobs" / f"incoming{TEMPORARY_MARK}0123456789abcdef"
    leftover.write_bytes(b"half of")
    assert list(blobs) == []
    Blobs(tmp_path / "blobs")
    assert not leftover.exists()
