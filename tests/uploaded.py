"""What tests of uploads share: a text in three pieces, an upload of it, and what is on the disk."""

import hashlib

import pytest

PIECES = [b"the ferry ", b"leaves ", b"at dawn"]
WHOLE = b"".join(PIECES)
HOUR_S = 3_600


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def upload(engine):
    return engine.create_upload("ferry.txt", bytes=len(WHOLE))


@pytest.fixture
def blobs(data_folder):
    """What is in the folder of contents: SHA-256, or a temporary name."""
    return lambda: {path.name for path in (data_folder / "blobs").rglob("*") if path.is_file()}


def send(engine, upload, pieces=PIECES):
    return [engine.add_part(upload.id, piece).id for piece in pieces]
