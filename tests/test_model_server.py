"""How long a server of models is waited for and how much of its answer is read, over sockets that behave badly."""

import gzip
import json
import socket
import threading
import time
import zlib
from contextlib import contextmanager

import httpx
import pytest

from vecstore.model_server import ModelServer, NoAnswerError

HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
LIMIT = 1 << 20
ZEROS = bytes(100 * LIMIT)


@contextmanager
def sending(*pieces, pause_s=0.0):
    """The URL of a server that sends these to each request, with pauses; `connections` counts."""
    listening, ended, connections = socket.create_server(("127.0.0.1", 0)), threading.Event(), []

    def answer(connection):
        with connection:
            connection.recv(65536)
            for piece in pieces:
                try:
                    connection.sendall(piece)
                except OSError:  # it had enough
                    return
                if ended.wait(pause_s):
                    return
            ended.wait(0 if pieces else 30)

    def accept():
        while True:
            try:
                connections.append(listening.accept()[0])
            except OSError:
                return
            threading.Thread(target=answer, args=(connections[-1],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", connections
    finally:
        ended.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def asking(url, **changed):
    return ModelServer("chat", url, "c", **{"max_bytes": LIMIT, "timeout_s": 30, "sleep": lambda _: None, **changed})


def body(content, *headers):
    return (
        HEAD + b"".join(b"%s\r\n" % line for line in headers) + b"Content-Length: %d\r\n\r\n" % len(content) + content
    )


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [HEAD, *[b"X"] * 1000],
        [HEAD + b"Content-Length: 1000\r\n\r\n", *[b"1"] * 1000],
        [b"HTTP/1.1 503 Busy\r\nContent-Length: 1000\r\n\r\n", *[b"1"] * 1000],
    ],
    ids=["silent", "headers drip", "answer drips", "error drips"],
)
def test_nothing_is_waited_for_longer_than_was_said_with_all_tries(pieces):
    with sending(*pieces, pause_s=0.05) as (url, connections):
        began = time.monotonic()
        with pytest.raises(NoAnswerError, match=r"did not answer within 0\.5 s|timed out"):
            asking(url, timeout_s=0.5, total_s=0.5, sleep=time.sleep).post({})
        assert 0.4 < time.monotonic() - began < 2
        assert len(connections) == 1


def test_what_drips_is_let_go_once_its_time_is_over():
    drips = [HEAD + b"Content-Length: 1000\r\n\r\n", *[b"1"] * 1000]
    with sending(*drips, pause_s=0.05) as (url, _):
        with pytest.raises(NoAnswerError):
            asking(url, timeout_s=0.2, retries=0).post({})
        for _ in range(100):
            if not any(each.name == "vecstore-model-server" for each in threading.enumerate()):
                break
            time.sleep(0.05)
        else:
            raise AssertionError("it is still read")


def test_a_try_has_its_own_time_where_there_is_no_total():
    with sending() as (url, connections):
        with pytest.raises(NoAnswerError):
            asking(url, timeout_s=0.1, retries=2).post({})
        assert len(connections) == 3


def test_no_try_begins_after_the_total(clock):
    tries = []

    def busy(request):
        tries.append(request)
        clock.move(2)
        return httpx.Response(503)

    client = httpx.Client(transport=httpx.MockTransport(busy))
    with pytest.raises(NoAnswerError, match="answered 503"):
        asking("http://c.test", client=client, total_s=5, sleep=clock.move, now=clock).post({})
    assert len(tries) == 2  # at 0 and 2.5 s; another would begin at 5.5 s


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: %d\r\n\r\n" % len(ZEROS), b"\r\n"],
    ids=["told", "not told"],
)
def test_of_an_answer_over_the_limit_no_more_is_read(head):
    with sending(HEAD + head, ZEROS) as (url, connections):
        with pytest.raises(NoAnswerError, match=f"sent more than {LIMIT:,} bytes"):
            asking(url).post({})
        assert len(connections) == 1


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [(b"gzip", gzip.compress(ZEROS)), (b"deflate", zlib.compress(ZEROS))],
    ids=["gzip", "deflate"],
)
def test_the_limit_is_that_of_the_unpacked_answer(encoding, packed):
    with (
        sending(body(packed, b"Content-Encoding: " + encoding)) as (url, _),
        pytest.raises(NoAnswerError, match=f"sent more than {LIMIT:,} bytes"),
    ):
        asking(url).post({})


def test_a_packed_answer_is_unpacked():
    said = json.dumps(list(range(50_000))).encode()
    with sending(body(gzip.compress(said), b"Content-Encoding: gzip")) as (url, _):
        assert asking(url).post({}) == said


@pytest.mark.parametrize(
    ("encoding", "problem"), [(b"br", "in the encoding 'br', which was not"), (b"gzip", "what cannot be unpacked")]
)
def test_an_answer_that_cannot_be_unpacked_is_told(encoding, problem):
    with (
        sending(body(b"{}", b"Content-Encoding: " + encoding)) as (url, _),
        pytest.raises(NoAnswerError, match=problem),
    ):
        asking(url).post({})


def test_an_error_without_end_is_an_error_with_its_beginning():
    with (
        sending(b"HTTP/1.1 400 No\r\n\r\n", b"no " * 10_000_000) as (url, _),
        pytest.raises(NoAnswerError, match="answered 400") as told,
    ):
        asking(url).post({})
    assert told.value.said == ("no " * 100)[:200]
