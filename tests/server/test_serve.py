"""`vecstore serve` as a process: its log, its end, what it reaches and how much it holds."""

import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
import serving
from embeddings_server import Embeddings

environment, run, start = serving.environment, serving.run, serving.start

OUT_OF_TIME = "graceful shutdown exceeded"  # uvicorn's words, where requests under way did not end


# The log


def test_the_log_has_a_line_a_request_and_nothing_of_what_was_said(start, run, environment):
    done = subprocess.run(
        [sys.executable, "-m", "vecstore", "keys", "create", "app"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    secret = done.stdout.strip()
    server = start()
    headers = {"authorization": f"Bearer {secret}"}
    with httpx.Client(base_url=f"{server.url}/v1", headers=headers) as client:
        file = client.post("/files", files={"file": ("secretname.txt", b"hushhush")}, data={"purpose": "assistants"})
        store = client.post("/vector_stores", json={"name": "secretstore"}).json()["id"]
        client.post(f"/vector_stores/{store}/search", json={"query": "secretquery"})
        client.get("/files/file-secretpath")
        client.get("/secret/path?secret=1")
        httpx.get(f"{server.url}/v1/files", headers={"authorization": "Bearer sk-vs-secretwrong"})
    assert server.stop() == 0
    assert server.lines()[-1]["message"] == "stopped; everything is written down"
    requests = [line for line in server.lines() if "request_id" in line]
    assert [(line["method"], line["route"], line["status"]) for line in requests] == [
        ("POST", "/v1/files", 200),
        ("POST", "/v1/vector_stores", 200),
        ("POST", "/v1/vector_stores/{vector_store_id}/search", 200),
        ("GET", "/v1/files/{file_id}", 404),
        ("GET", "none", 404),
        ("GET", "/v1/files", 401),
    ]
    assert requests[0]["request_id"] == file.headers["x-request-id"]
    assert requests[0]["caller"].startswith("key_")
    assert all(line["ms"] >= 0 and line["time"].startswith("20") for line in requests)
    for word in (secret, secret[-8:], "secret", "hushhush"):
        assert word not in server.log()


# Its end


def test_sigterm_lets_requests_end_and_closes_everything(start, run, monkeypatch, tmp_path):
    server = start()
    store = httpx.post(f"{server.url}/v1/vector_stores", json={"name": "a"}).json()["id"]
    file = httpx.post(f"{server.url}/v1/files", files={"file": b"Some text."}, data={"purpose": "assistants"}).json()
    inside = f"{server.url}/v1/vector_stores/{store}"
    httpx.post(f"{inside}/files", json={"file_id": file["id"]})
    while httpx.get(f"{inside}/files/{file['id']}").json()["status"] == "in_progress":
        time.sleep(0.05)
    monkeypatch.setattr(Embeddings, "delay_s", 1.5)
    answers = []
    search = threading.Thread(
        target=lambda: answers.append(httpx.post(f"{inside}/search", json={"query": "some"}, timeout=30))
    )
    search.start()
    time.sleep(0.5)
    assert server.stop() == 0
    search.join()
    monkeypatch.setattr(Embeddings, "delay_s", 0.0)
    assert answers[0].status_code == 200
    assert answers[0].json()["data"][0]["file_id"] == file["id"]
    assert OUT_OF_TIME not in server.log()
    assert list((tmp_path / "kb" / "stores" / store).glob("checkpoint-*"))
    assert not (tmp_path / "kb" / "catalog.db-wal").exists()
    run("check")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_well_while_the_model_is_loaded(start, number, monkeypatch):
    monkeypatch.setattr(Embeddings, "delay_s", 1.0)
    server = start()
    assert "being loaded" in httpx.get(f"{server.url}/readyz").json()["checks"]["model"]
    assert server.stop(number) == 0
    assert "Traceback" not in server.log()


def test_a_second_interruption_does_not_wait(start, run, monkeypatch):
    server = start()
    store = httpx.post(f"{server.url}/v1/vector_stores").json()["id"]
    server.ready()
    monkeypatch.setattr(Embeddings, "delay_s", 8.0)
    path = f"{server.url}/v1/vector_stores/{store}/search"

    def search():
        with suppress(httpx.TransportError):
            httpx.post(path, json={"query": "x"}, timeout=30)

    searching = threading.Thread(target=search)
    searching.start()
    time.sleep(0.5)
    server.process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(20) == 0
    searching.join()
    assert "Traceback" not in server.log()
    run("check")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_streams_end_when_it_is_told_to_stop(start, number, monkeypatch):
    monkeypatch.setattr(Embeddings, "delay_s", 2.0)
    server = start()
    store = httpx.post(f"{server.url}/v1/vector_stores").json()["id"]
    inside = f"{server.url}/v1/vector_stores/{store}"
    upload = {"files": {"file": b"Some text."}, "data": {"purpose": "assistants"}}
    files = [httpx.post(f"{server.url}/v1/files", **upload).json()["id"]]
    batch = httpx.post(f"{inside}/file_batches", json={"file_ids": files}).json()["id"]
    with stream(f"{inside}/file_batches/{batch}/progress") as events:
        assert next(events) == "event: progress"
        server.process.send_signal(number)
        with suppress(httpx.RemoteProtocolError):
            assert "event: done" not in list(events)
    assert server.process.wait(60) == 0
    assert OUT_OF_TIME not in server.log()


@contextmanager
def stream(url):
    with httpx.stream("GET", url, timeout=30) as answer:
        yield answer.iter_lines()


def test_an_interrupted_batch_goes_on_with_the_next_server(start, monkeypatch):
    monkeypatch.setattr(Embeddings, "delay_s", 0.4)
    server = start()
    store = httpx.post(f"{server.url}/v1/vector_stores").json()["id"]
    files = [
        httpx.post(
            f"{server.url}/v1/files", files={"file": f"Text {i}.".encode()}, data={"purpose": "assistants"}
        ).json()["id"]
        for i in range(30)
    ]
    batch = httpx.post(f"{server.url}/v1/vector_stores/{store}/file_batches", json={"file_ids": files}).json()["id"]
    server.process.kill()
    server.process.wait()
    monkeypatch.setattr(Embeddings, "delay_s", 0.0)
    again = start()
    for _ in range(600):
        told = httpx.get(f"{again.url}/v1/vector_stores/{store}/file_batches/{batch}").json()
        if told["status"] != "in_progress":
            break
        time.sleep(0.05)
    assert (told["status"], told["file_counts"]["completed"]) == ("completed", 30)


# What it does not do

AUDIT = """
import sys

def told(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
        with open({log!r}, "a") as log:
            log.write(event + " " + repr(arguments[1] if event != "socket.getaddrinfo" else arguments[:2]) + "\\n")

sys.addaudithook(told)
"""


def test_it_makes_no_connection_but_to_the_embedder_it_was_given(start, tmp_path, embeddings_url):
    log = tmp_path / "connections"
    (tmp_path / "sitecustomize.py").write_text(AUDIT.format(log=str(log)))
    server = start(env={"PYTHONPATH": str(tmp_path)})
    page = b"<html><img src='http://192.0.2.1/a.png'><a href='http://192.0.2.1/'>x</a>Words.</html>"
    store = httpx.post(f"{server.url}/v1/vector_stores").json()["id"]
    inside = f"{server.url}/v1/vector_stores/{store}"
    upload = {"files": {"file": ("a.html", page)}, "data": {"purpose": "assistants"}}
    file = httpx.post(f"{server.url}/v1/files", **upload).json()["id"]
    httpx.post(f"{inside}/files", json={"file_id": file, "attributes": {"url": "http://192.0.2.1/"}})
    while httpx.get(f"{inside}/files/{file}").json()["status"] == "in_progress":
        time.sleep(0.05)
    assert len(httpx.post(f"{inside}/search", json={"query": "http://192.0.2.1/ words"}).json()["data"]) == 1
    assert httpx.get(f"{server.url}/docs").status_code == 200
    assert server.stop() == 0
    port = int(embeddings_url.split(":")[2].removesuffix("/v1"))
    reached = {line for line in log.read_text().splitlines() if line.startswith("socket.connect ")}
    assert reached == {f"socket.connect ('127.0.0.1', {port})"}
    resolved = {line for line in log.read_text().splitlines() if line.startswith("socket.getaddrinfo ")}
    assert all("127.0.0.1" in line for line in resolved), resolved


# What is large


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory in /proc")
def test_a_large_upload_takes_no_memory(start):
    server = start()
    server.ready()

    def peak_mb():
        told = Path(f"/proc/{server.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", told)[1]) / 1024

    size, before = 200 << 20, peak_mb()
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="big.bin"\r\n\r\n'
    tail = b'\r\n--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nassistants\r\n--b--\r\n'
    piece = b"\0\xff" * (1 << 19)
    pieces = [head, *[piece] * (size // len(piece)), tail]
    made = httpx.post(
        f"{server.url}/v1/files",
        content=iter(pieces),
        headers={"content-type": "multipart/form-data; boundary=b"},
        timeout=120,
    ).json()
    assert made["bytes"] == size
    with httpx.stream("GET", f"{server.url}/v1/files/{made['id']}/content", timeout=120) as answer:
        assert sum(map(len, answer.iter_bytes())) == size
    assert peak_mb() - before < 40
