"""What most tests share: a real engine in a temporary folder, a clock that is moved by hand, and texts."""

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
