"""What most tests share: a real engine in a temporary folder, a clock that is moved by hand, and texts."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import embeddings_server
import pytest
from sqlalchemy import event

import vecstore
from vecstore import HashingEmbedder, Workers

START = 1_700_000_000  # when every test's clock begins, in Unix seconds


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write tests/golden anew from what is parsed now")
    parser.addoption("--examples", type=int, metavar="N", help="how many histories tests/property/test_meter.py tries")


@pytest.fixture(scope="session")
def examples(request):
    """`examples(500)`: how many examples Hypothesis tries, 500 unless --examples says otherwise."""
    return lambda usual: request.config.getoption("--examples") or usual


class Clock:
    """Unix seconds that stand still until they are moved."""

    def __init__(self, seconds=START):
        self.seconds = seconds

    def __call__(self):
        return self.seconds

    def move(self, seconds):
        self.seconds += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def embedder():
    return HashingEmbedder()


@pytest.fixture(scope="session")
def embeddings_url():
    """OpenAI's POST /embeddings by the hashing embedder, for processes that embed."""
    with embeddings_server.running() as url:
        yield url


@pytest.fixture
def data_folder(tmp_path):
    return tmp_path / "kb"


@pytest.fixture(scope="session")
def workers():
    """The processes that parse, for all tests: starting them takes half a second."""
    with Workers() as shared:
        yield shared


@pytest.fixture
def open_engine(data_folder, embedder, clock, workers):
    """Opens the test's data folder; every keyword of `vecstore.open` can be given, and `folder`."""
    opened = []

    def open_again(folder=data_folder, **changed):
        opened.append(vecstore.open(folder, **{"embedder": embedder, "workers": workers, "now": clock, **changed}))
        return opened[-1]

    yield open_again
    for engine in opened:
        engine.close()


@pytest.fixture
def engine(open_engine):
    return open_engine()


@pytest.fixture
def store(engine):
    return engine.create("test")


@pytest.fixture
def checkpoint_of(data_folder):
    """The one checkpoint folder of a vector store whose engine is closed."""

    def find(store_id):
        [found] = (data_folder / "stores" / store_id).glob("checkpoint-*")
        return found

    return find


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory):
    """Where the default model's graph is kept, so that it is converted once a session."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def full_disk():
    """`with full_disk(engine):` its catalogue cannot grow by a single page."""

    @contextmanager
    def fill(engine):
        pool = engine._parts.catalog.database._engine
        with pool.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        pool.dispose()

        def limit(connection, _):
            connection.execute(f"PRAGMA max_page_count = {pages}")

        event.listen(pool, "connect", limit)
        try:
            yield
        finally:
            event.remove(pool, "connect", limit)
            pool.dispose()

    return fill


@pytest.fixture(scope="session")
def numbered_text():
    """`numbered_text(900)`: that many words `w0 w1 w2 ...`, so that every stretch of it is unlike every other."""

    def build(words, mark="w"):
        return " ".join(f"{mark}{i}" for i in range(words))

    return build


@pytest.fixture(scope="session")
def flip_byte():
    """Flips a byte in the middle of a file."""

    def flip(path: Path):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data)

    return flip


@pytest.fixture
def small_disk(tmp_path, request, capsys):
    """A folder on a real file system of 24 MiB, if this user may mount one, and how it is filled and made free again."""
    image, folder = tmp_path / "disk.ext4", tmp_path / "disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(24 << 20)
    made = all(
        subprocess.run(command, capture_output=True, check=False).returncode == 0
        for command in (["mkfs.ext4", "-q", "-m", "0", image], ["mount", "-o", "loop", image, folder])
    )
    if not made:
        with capsys.disabled():
            sys.stdout.write(
                f"\n{request.node.name}: no file system can be mounted here; the catalogue alone is full\n"
            )
    yield folder, made
    if made:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture(scope="session")
def filled():
    """`with filled(folder):` no block of its file system is free."""

    @contextmanager
    def fill(folder):
        ballast = folder / "ballast"
        with ballast.open("wb") as file:
            piece = 1 << 20
            while piece:
                try:
                    os.write(file.fileno(), bytes(piece))
                except OSError:
                    piece //= 2
        try:
            yield
        finally:
            ballast.unlink()

    return fill
