"""For who runs the server: alive, ready, measured."""

import threading
import time

import httpx
import pytest

from vecstore import HashingEmbedder
from vecstore.errors import EmbeddingError
from vecstore.server import background


def test_alive_and_ready_are_told_without_a_key(serve, secret):
    secret()
    base = serve()
    assert httpx.get(f"{base}/healthz").json() == {"status": "ok"}
    for _ in range(100):
        answer = httpx.get(f"{base}/readyz")
        if answer.status_code == 200:
            break
    told = answer.json()
    assert told["status"] == "ready"
    assert set(told["checks"]) == {"serving", "catalogue", "model", "disk", "writing", "sandbox"}
    assert "process" in told["checks"]["sandbox"]


class Loading(HashingEmbedder):
    """An embedder that takes its time, or fails."""

    def __init__(self, error=None):
        super().__init__()
        self.loaded, self.error = threading.Event(), error

    def embed_query(self, text):
        if self.error:
            raise self.error
        assert self.loaded.wait(20)
        return super().embed_query(text)

    def embed(self, texts):
        self.embed_query("")
        return super().embed(texts)


def test_it_is_not_ready_before_the_model_is_loaded(serve, open_engine):
    embedder = Loading()
    base = serve(open_engine(embedder=embedder))
    answer = httpx.get(f"{base}/readyz")
    assert answer.status_code == 503
    assert "being loaded" in answer.json()["checks"]["model"]
    assert httpx.get(f"{base}/healthz").status_code == 200
    embedder.loaded.set()
    while httpx.get(f"{base}/readyz").status_code != 200:
        pass


def test_a_model_that_cannot_be_loaded_is_said(serve, open_engine):
    base = serve(open_engine(embedder=Loading(EmbeddingError("the weights are gone"))))
    while "being loaded" in (told := httpx.get(f"{base}/readyz").json()["checks"]["model"]):
        pass
    assert told == "the weights are gone"


def test_it_is_not_ready_without_room_on_the_disk(serve):
    answer = httpx.get(f"{serve(min_free_bytes=1 << 60)}/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["disk"].endswith(f"and {1 << 40} MiB must be")


def test_what_expires_is_swept_out_though_nobody_asks(serve, clock, data_folder, monkeypatch):
    monkeypatch.setattr(background, "SWEEP_EVERY_S", 0.05)
    base = serve()
    policy = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    form = {"files": {"file": b"abc"}, "data": {"purpose": "assistants", **policy}}
    assert httpx.post(f"{base}/v1/files", **form).status_code == 200
    contents = data_folder / "blobs"
    assert [path for path in contents.rglob("*") if path.is_file()]
    clock.move(3600)
    for _ in range(200):
        if not [path for path in contents.rglob("*") if path.is_file()]:
            return
        time.sleep(0.05)
    raise AssertionError("it is still there")


def test_metrics_are_for_this_machine_alone(http):
    store = http.post("/v1/vector_stores").json()["id"]
    http.get(f"/v1/vector_stores/{store}")
    http.get("/v1/vector_stores/vs_nobody")
    answer = http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    lines = answer.text.splitlines()
    route = 'method="GET",route="/v1/vector_stores/{vector_store_id}"'
    assert f'vecstore_requests_total{{{route},status="200"}} 1.0' in lines
    assert f'vecstore_requests_total{{{route},status="404"}} 1.0' in lines
    assert "vecstore_vector_stores 1.0" in lines
    assert store not in answer.text
    assert http.get("/metrics", headers={"x-forwarded-for": "10.0.0.1"}).status_code == 403
    assert http.get("/metrics", headers={"forwarded": "for=10.0.0.1"}).status_code == 403


@pytest.mark.parametrize("given", [None, "Bearer wrong", b"Bearer \xff", "Basic t0ken"])
def test_metrics_with_a_token_need_it(serve, given):
    base = serve(metrics_token="t0ken")
    assert httpx.get(f"{base}/metrics", headers={"authorization": "Bearer t0ken"}).status_code == 200
    assert httpx.get(f"{base}/metrics", headers={} if given is None else {"authorization": given}).status_code == 401


def test_made_up_methods_and_paths_make_no_labels(http):
    for i in range(20):
        http.request(f"METHOD{i}".translate(str.maketrans("0123456789", "ABCDEFGHIJ")), f"/made/up/{i}")
    labels = {
        line.split("{")[1] for line in http.get("/metrics").text.splitlines() if "vecstore_requests_total{" in line
    }
    assert {label.split(",")[0] for label in labels} == {'method="OTHER"'}
    assert len(labels) == 1
