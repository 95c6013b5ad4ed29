"""What is too much, too slow or too many is refused with a sentence, and the rest goes on."""

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest

from vecstore.server import protocol
from vecstore.server.limits import MINUTE_S, Pace

GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"


def refused(response, status, code):
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code), error
    assert response.headers["x-request-id"]
    return error["message"]


# Too often


def test_a_key_has_so_many_requests_a_minute_and_another_key_its_own(serve, secret):
    base = serve(requests_per_minute=3)
    one, other = ({"authorization": f"Bearer {secret(name)}"} for name in ("one", "other"))
    with httpx.Client(base_url=base) as http:
        left = [http.get("/v1/files", headers=one).headers["x-ratelimit-remaining-requests"] for _ in range(3)]
        assert left == ["2", "1", "0"]
        answer = http.get("/v1/files", headers=one)
        assert "3 requests per minute" in refused(answer, 429, "rate_limit_exceeded")
        assert answer.json()["error"]["type"] == "rate_limit_error"
        assert 1 <= int(answer.headers["retry-after"]) <= 20
        assert answer.headers["x-ratelimit-limit-requests"] == "3"
        assert http.get("/v1/files", headers=other).status_code == 200


def test_the_pace_is_regained_evenly_and_never_above_a_minutes_worth():
    now = [0.0]
    pace = Pace(60, clock=lambda: now[0])
    for _ in range(60):
        pace.take("a")
    with pytest.raises(Exception, match="try again in 1s"):
        pace.take("a")
    now[0] += 1
    assert pace.take("a")["x-ratelimit-remaining-requests"] == "0"
    now[0] += 10 * MINUTE_S
    assert pace.take("a")["x-ratelimit-remaining-requests"] == "59"


def test_the_official_client_waits_and_tries_again(serve):
    base = serve(requests_per_minute=60)
    with openai.OpenAI(base_url=f"{base}/v1", api_key="none", max_retries=3) as client:
        for _ in range(62):
            client.files.list()


# Too many


def test_more_requests_than_are_taken_are_told_to_come_again(serve, engine, monkeypatch):
    entered, go_on = threading.Semaphore(0), threading.Event()
    embed_query = engine._parts.embedder.embed_query

    def slow(text):
        entered.release()
        assert go_on.wait(20)
        return embed_query(text)

    base = serve(max_requests=2)
    store = httpx.post(f"{base}/v1/vector_stores").json()["id"]
    monkeypatch.setattr(engine._parts.embedder, "embed_query", slow)
    with ThreadPoolExecutor(2) as pool:
        asked = [
            pool.submit(httpx.post, f"{base}/v1/vector_stores/{store}/search", json={"query": "a"}, timeout=30)
            for _ in range(2)
        ]
        for _ in asked:
            assert entered.acquire(timeout=20)
        answer = httpx.get(f"{base}/v1/files")
        assert "2 requests at work" in refused(answer, 503, "server_overloaded")
        assert answer.headers["retry-after"] == "1"
        assert httpx.get(f"{base}/healthz").status_code == 200
        go_on.set()
        assert [each.result().status_code for each in asked] == [200, 200]
    assert httpx.get(f"{base}/v1/files").status_code == 200


def test_uploads_have_a_limit_of_their_own(serve):
    base = serve(max_uploads=1)
    port = int(base.rsplit(":", 1)[1])
    head = b"POST /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n"
    kind = b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    form = {"files": {"file": b"abc"}, "data": {"purpose": "assistants"}}
    with socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(head + kind + b"--b\r\n")
        for _ in range(100):
            answer = httpx.post(f"{base}/v1/files", **form)
            if answer.status_code == 503:
                break
            time.sleep(0.02)
        assert "1 uploads at work" in refused(answer, 503, "server_overloaded")
        assert httpx.get(f"{base}/v1/files").status_code == 200
    for _ in range(100):
        answer = httpx.post(f"{base}/v1/files", **form)
        if answer.status_code == 200:
            break
        time.sleep(0.02)
    assert answer.status_code == 200


def test_more_connections_than_are_taken_are_told_so(serve):
    port = int(serve(max_connections=2).rsplit(":", 1)[1])
    kept = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
    for each in kept:
        each.sendall(GET + b"\r\n")
        assert each.recv(4096).startswith(b"HTTP/1.1 200 ")
    with socket.create_connection(("127.0.0.1", port), timeout=5) as third:
        said = b"".join(iter(lambda: third.recv(4096), b""))
    assert said.startswith(b"HTTP/1.1 503 ")
    assert b"as many connections as it takes" in said
    kept.pop().close()
    for _ in range(100):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as again:
            again.sendall(GET + b"\r\n")
            said = again.recv(4096)
        if said.startswith(b"HTTP/1.1 200 "):
            break
        time.sleep(0.02)
    assert said.startswith(b"HTTP/1.1 200 ")
    kept.pop().close()


# Too slow


@pytest.fixture
def hasty(serve, monkeypatch):
    """The port of a server that gives headers little time."""
    monkeypatch.setattr(protocol, "HEADERS_S", 0.4)
    return int(serve().rsplit(":", 1)[1])


def closed_within(connection, seconds):
    connection.settimeout(seconds)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


def test_headers_that_do_not_come_close_the_connection(hasty):
    for begun in (b"", b"GET / HT", GET):
        with socket.create_connection(("127.0.0.1", hasty)) as slow:
            slow.sendall(begun)
            assert closed_within(slow, 5), begun


def test_headers_that_drip_close_the_connection(hasty):
    with socket.create_connection(("127.0.0.1", hasty)) as slow:
        slow.sendall(GET)
        for i in range(40):
            try:
                slow.sendall(b"x-%d: 1\r\n" % i)
            except (BrokenPipeError, ConnectionResetError):
                return
            time.sleep(0.05)
        assert closed_within(slow, 5)


def test_a_connection_that_is_kept_may_rest_between_requests(hasty):
    with socket.create_connection(("127.0.0.1", hasty)) as kept:
        for _ in range(2):
            kept.sendall(GET + b"\r\n")
            answer = b""
            while not answer.endswith(b"}"):
                answer += kept.recv(4096)
            assert answer.startswith(b"HTTP/1.1 200 ")
            time.sleep(1)
        kept.sendall(GET)
        assert closed_within(kept, 5)


@pytest.mark.parametrize("path", ["/v1/files", "/v1/vector_stores"])
def test_a_body_that_does_not_come_is_408(serve, path):
    port = int(serve(body_idle_s=0.3).rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as slow:
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n"
        slow.sendall(f"{head}Content-Type: multipart/form-data; boundary=b\r\n\r\n".encode())
        answer = b"".join(iter(lambda: slow.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"nothing came for 0.3 s" in answer


def test_a_body_that_drips_is_408(serve, monkeypatch):
    monkeypatch.setattr("vecstore.server.body.FIRST_S", 0.3)
    port = int(serve(body_least_bytes_per_s=1000).rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as slow:
        slow.sendall(b"POST /v1/vector_stores HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(10):
            time.sleep(0.1)
            try:
                slow.sendall(b" ")
            except (BrokenPipeError, ConnectionResetError):
                break
        answer = slow.recv(4096)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"less than 1000 bytes/s" in answer


# Too large


def test_json_has_a_limit_with_a_length_and_without(serve):
    base = serve(max_json_bytes=1000)
    body = b'{"name": "' + b"x" * 2000 + b'"}'
    for content in (body, iter([body[:500], body[500:1500], body[1500:]])):
        answer = httpx.post(f"{base}/v1/vector_stores", content=content)
        assert "1,000 bytes" in refused(answer, 413, "request_too_large")


def test_headers_that_are_too_long_are_refused(raw):
    assert b" 400 " in raw(b"GET /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\nx: " + b"a" * 200_000 + b"\r\n\r\n")[:20]


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",  # TLS
        b"\x00" * 100 + b"\r\n\r\n",
        b"GET /v1/files HTTP/1.1\r\n\r\n",  # no Host
        b"POST /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /v1/vector_stores HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /v1/files?limit=%ff%fe HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
        b"GET /v1/files/%00%ff HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
        b"GET /v1/files HTTP/1.1\r\nHost: \xff\xfe\r\nConnection: close\r\n\r\n",
        b"GET /v1/files HTTP/1.1\r\nHost: [::1\r\nConnection: close\r\n\r\n",
        b"GET /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Client-Request-Id: \xff\r\nConnection: close\r\n\r\n",
        b"POST /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\nIdempotency-Key: \xff\x00\r\nConnection: close\r\n\r\n",
    ],
)
def test_bytes_that_are_no_request_get_a_4xx_and_the_server_goes_on(raw, http, said):
    head, _, body = raw(said).partition(b"\r\n\r\n")
    assert head[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 403", b"HTTP/1.1 404"), head
    assert b"x-request-id: req_" in head
    assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}
    assert http.get("/healthz").status_code == 200
    assert 'status="5' not in http.get("/metrics").text


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"query": "a", "filters": {"type": "and", "filters": [1] * 10_001}}, "10,001 items; 10,000 are the most"),
        ({"query": "a", "filters": {"type": "in", "key": "a", "value": [{}] * 10_000}}, "'filters.value[0]'"),
        ({"query": "a", **{f"k{i}": i for i in range(100)}}, "101 keys; 100 are the most"),
        ({"query": [["a"] * 9_999 for _ in range(21)]}, "more than 200,000 values"),
    ],
)
def test_json_of_more_values_than_a_request_needs_is_refused_unread(http, body, sentence):
    store = http.post("/v1/vector_stores").json()["id"]
    answer = http.post(f"/v1/vector_stores/{store}/search", json=body)
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]["message"]
    assert len(answer.content) < 1000


def test_a_body_that_is_not_wanted_does_not_keep_its_connection(serve, secret, monkeypatch):
    monkeypatch.setattr(protocol, "UNREAD_S", 0.4)
    secret()
    port = int(serve().rsplit(":", 1)[1])
    for framing, piece in (("Content-Length: 10", b"x"), ("Transfer-Encoding: chunked", b"1\r\nx\r\n")):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as left:
            left.sendall(f"POST /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\n{framing}\r\n\r\n".encode())
            answer = b""
            while not answer.endswith(b"}"):
                answer += left.recv(4096)
            assert answer.startswith(b"HTTP/1.1 401 ")
            left.sendall(piece)
            assert closed_within(left, 5)


def test_one_key_has_half_of_what_is_at_work(serve, secret):
    one, other = ({"authorization": f"Bearer {secret(name)}"} for name in ("one", "other"))
    port = int((base := serve(max_requests=4)).rsplit(":", 1)[1])
    head = f"POST /v1/vector_stores HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {one['authorization']}\r\n"
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(6)]
    try:
        for each in slow:
            each.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        for _ in range(100):
            answer = httpx.get(f"{base}/v1/files", headers=one)
            if answer.status_code == 429:
                break
            time.sleep(0.02)
        assert "2 requests at work" in refused(answer, 429, "rate_limit_exceeded")
        assert answer.headers["retry-after"] == "1"
        assert httpx.get(f"{base}/v1/files", headers=other).status_code == 200
    finally:
        for each in slow:
            each.close()
