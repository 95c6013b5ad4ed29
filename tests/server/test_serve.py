"""`vecstore serve` as a process: its settings, its log, its end."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import chat_server
import httpx
import pytest
from embeddings_server import Embeddings

READY_S = 60
OUT_OF_TIME = "graceful shutdown exceeded"  # uvicorn's words, where requests under way did not end


class Serving:
    def __init__(self, process, log):
        self.process, self._log = process, log
        self.url = self._await(r"Listening on (http://\S+)/v1;")

    def log(self):
        return self._log.read_text()

    def lines(self):
        """What was logged: nothing but JSON, a line each."""
        return [json.loads(line) for line in self.log().splitlines()]

    def ready(self):
        for _ in range(READY_S * 20):
            if httpx.get(f"{self.url}/readyz").status_code == 200:
                return
            time.sleep(0.05)
        raise AssertionError(self.log())

    def stop(self, number=signal.SIGTERM):
        """The exit status."""
        self.process.send_signal(number)
        return self.process.wait(60)

    def _await(self, pattern):
        for _ in range(READY_S * 20):
            if found := re.search(pattern, self.log()):
                return found[1]
            assert self.process.poll() is None, self.log()
            time.sleep(0.05)
        raise AssertionError(self.log())


@pytest.fixture
def environment(tmp_path, embeddings_url):
    return {
        "PATH": "/usr/bin:/bin",
        "VECSTORE_ROOT": str(tmp_path / "kb"),
        "VECSTORE_EMBEDDER": "hashing",
        "VECSTORE_EMBEDDER_URL": embeddings_url,
    }


@pytest.fixture
def run(environment):
    """`run("serve", "--port", "x", status=2)`: the verb to its end; what it printed on stderr."""

    def to_its_end(*arguments, status=0, env=None):
        command = [sys.executable, "-m", "vecstore", *arguments]
        done = subprocess.run(
            command, env=environment | (env or {}), capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr

    return to_its_end


@pytest.fixture
def start(environment, tmp_path):
    """`start("--require-key", env={...})`: a server on a free port."""
    started = []

    def begin(*arguments, env=None):
        log = tmp_path / f"log{len(started)}"
        command = [sys.executable, "-m", "vecstore", "serve", "--port", "0", *arguments]
        with log.open("wb") as output:
            started.append(subprocess.Popen(command, env=environment | (env or {}), stderr=output, stdout=output))
        return Serving(started[-1], log)

    yield begin
    for process in started:
        process.kill()
        process.wait()


# Settings


def test_flags_go_before_the_environment_and_that_before_the_file(start, tmp_path):
    file = tmp_path / "vecstore.toml"
    file.write_text('requests_per_minute = 77\nmax_uploads = 3\nlog_format = "json"\n')

    def limit(*arguments, env=None):
        answer = httpx.get(f"{start('--config', file, *arguments, env=env).url}/v1/files")
        return answer.headers["x-ratelimit-limit-requests"]

    assert limit("--requests-per-minute", "99", env={"VECSTORE_REQUESTS_PER_MINUTE": "88"}) == "99"


@pytest.mark.parametrize(
    ("env", "limit"), [({"VECSTORE_REQUESTS_PER_MINUTE": "88"}, "88"), ({}, "77")], ids=["environment", "file"]
)
def test_the_file_counts_where_nothing_else_was_said(start, tmp_path, env, limit):
    (tmp_path / "vecstore.toml").write_text("requests_per_minute = 77\n")
    server = start("--config", tmp_path / "vecstore.toml", env=env)
    assert httpx.get(f"{server.url}/v1/files").headers["x-ratelimit-limit-requests"] == limit


def test_the_file_may_be_named_by_the_environment_and_say_where_the_data_is(start, tmp_path, environment):
    file, root = tmp_path / "vecstore.toml", tmp_path / "elsewhere"
    file.write_text(f'root = "{root}"\nbatch_object = "vector_store.files_batch"\n')
    del environment["VECSTORE_ROOT"]
    server = start(env={"VECSTORE_CONFIG": str(file)})
    store = httpx.post(f"{server.url}/v1/vector_stores").json()["id"]
    batch = httpx.post(f"{server.url}/v1/vector_stores/{store}/file_batches", json={"file_ids": ["file-a"]}).json()
    assert batch["object"] == "vector_store.files_batch"
    assert (root / "catalog.db").exists()


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("prot = 8000", "has 'prot', which is no setting; did you mean 'root' or 'port'?"),
        ("require-key = true", "did you mean 'require_key'?"),
        ("zzz = 1", "has 'zzz', which is no setting; there are batch_object, cache,"),
        ('port = "many"', "'many' is not a valid integer"),
        ("port = 80000", "80000 is not in the range"),
        ("port = [1]", "port must be a text, a number, true or false, not [1]"),
        ("port = true", "'True' is not a valid integer"),
        ('require_key = "perhaps"', "'perhaps' is not a valid boolean"),
        ('batch_object = "vs"', "'vs' is not one of"),
        ("root = {}", "root must be a text"),
        ('sandbox = "some"', "'some' is not one of"),
        ("[server]\nport = 1", "has 'server', which is no setting"),
        ("port", "is not TOML"),
    ],
)
def test_a_file_that_says_something_else_is_refused(run, tmp_path, said, sentence):
    (tmp_path / "vecstore.toml").write_text(said)
    assert sentence in run("serve", "--config", str(tmp_path / "vecstore.toml"), status=2)


def test_a_misspelt_variable_is_told(start):
    server = start(env={"VECSTORE_PROT": "1", "VECSTORE_TORCH": "torch"})
    told = [line["message"] for line in server.lines() if line["level"] == "warning"]
    assert told == ["the environment variable VECSTORE_PROT is no setting, and is ignored"]


def test_a_chat_model_rewrites_queries_and_where_it_fails_the_rules_do(start, run, tmp_path):
    assert "--rewrite-url and --rewrite-model" in run("--rewrite-url", "http://127.0.0.1:9/v1", "serve", status=2)
    answers = [(400, "Hi, what is the rent?"), "monthly rent\nboathouse"]
    with chat_server.running(lambda _: answers.pop()) as chat:
        file = tmp_path / "vecstore.toml"
        file.write_text(f'rewrite_url = "{chat.url}"\nrewrite_model = "small"\n')
        server = start("--config", file, "--log-format", "json", env={"VECSTORE_REWRITE_KEY": "secret"})
        server.ready()
        with httpx.Client(base_url=f"{server.url}/v1") as client:
            store = client.post("/vector_stores").json()["id"]
            for used in (["monthly rent", "boathouse"], ["rent"]):
                asked = {"query": "Hi, what is the rent?", "rewrite_query": True}
                assert client.post(f"/vector_stores/{store}/search", json=asked).json()["search_query"] == used
    assert chat.keys == ["Bearer secret"] * 2
    assert {body["model"] for body in chat.asked} == {"small"}
    assert server.stop() == 0
    [warning] = [line["message"] for line in server.lines() if line["level"] == "warning"]
    assert "answered 400; queries are rewritten by rules" in warning
    assert "rent" not in warning


def test_without_a_key_it_stays_on_this_machine(run, start):
    said = run("serve", "--host", "0.0.0.0", "--port", "0", status=2)
    assert "'0.0.0.0' reaches beyond this machine, and there is no API key yet" in said
    run("keys", "create", "app")
    server = start("--host", "0.0.0.0")
    assert httpx.get(f"http://127.0.0.1:{server.url.rsplit(':', 1)[1]}/v1/files").status_code == 401


def test_a_key_can_be_required_before_there_is_one(start, run):
    server = start("--require-key")
    answer = httpx.get(f"{server.url}/v1/files", headers={"authorization": "Bearer any"})
    assert answer.status_code == 401
    assert "vecstore keys create" in httpx.get(f"{server.url}/v1/files").json()["error"]["message"]


def test_a_port_that_is_taken_is_said(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = run("serve", "--port", str(taken.getsockname()[1]), status=1)
    assert "address already in use" in said
    assert f"cannot listen on 127.0.0.1:{taken.getsockname()[1] if taken.fileno() >= 0 else ''}" in said


def test_a_folder_has_one_server(run, start):
    start()
    assert "in use" in run("serve", "--port", "0", status=1) or "another process" in run("list", status=1)


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
