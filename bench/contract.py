"""Answers of a real server against OpenAI's published schemas: `python -m bench contract OPENAPI.json`."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import uvicorn

import vecstore
from vecstore import HashingEmbedder
from vecstore.server import Settings, create_app

TEXT = b"The harbour master Ilke Torvund keeps the tide tables. Code HB-77 opens the lamp room.\n"


def run(openapi: Path) -> dict[str, Any]:
    """Calls every operation of files, uploads, vector stores and usage; what of the answers is not as specified."""
    published = Published(json.loads(openapi.read_text("utf-8")))
    with tempfile.TemporaryDirectory() as folder, vecstore.open(folder, embedder=HashingEmbedder()) as engine:
        settings = Settings(batch_object="vector_store.files_batch")  # the specification's spelling
        with answering(create_app(engine, settings)) as base, httpx.Client(base_url=base, timeout=60) as client:
            exercise(client, published)
    return {"answers": published.checked, "operations": len(published.seen), "differ": published.problems}


def table(report: dict[str, Any]) -> str:
    said = f"{report['answers']} answers of {report['operations']} operations, {len(report['differ'])} differ"
    return "\n".join([*report["differ"], said])


class Published:
    """The specification, and what was held against it."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._paths = document["paths"]
        self._components = _open(document["components"])
        self.problems: list[str] = []
        self.seen: set[str] = set()
        self.checked = 0

    def check(self, method: str, path: str, response: httpx.Response) -> Any:
        """The answer's JSON. `path` is the specification's, with its braces."""
        operation = self._paths[path][method]
        self.seen.add(f"{method.upper()} {path}")
        self.checked += 1
        answer = response.json()
        if response.status_code != 200:
            self.problems.append(f"{method.upper()} {path}: {response.status_code} {response.text[:300]}")
            return answer
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        validator = jsonschema_rs.validator_for({**schema, "components": self._components})
        for error in validator.iter_errors(answer):
            where = "/".join(map(str, error.instance_path))
            self.problems.append(f"{method.upper()} {path}: {where or 'the whole'}: {error.message[:300]}")
        return answer


def _open(schema: Any) -> Any:
    """The same with further keys allowed: ours."""
    if isinstance(schema, list):
        return [_open(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = schema.get("additionalProperties") is False
    return {key: _open(value) for key, value in schema.items() if not (closed and key == "additionalProperties")}


def exercise(client: httpx.Client, published: Published) -> None:
    """The life of files, uploads, vector stores and batches, with and without what is optional."""

    def call(method: str, path: str, *, query: dict[str, Any] | None = None, body: Any = None, **ids: str) -> Any:
        url = "/v1" + path.format(**ids)
        sent = {"json": body} if body is not None else {}
        return published.check(method, path, client.request(method.upper(), url, params=query, **sent))

    def upload(name: str, content: bytes, **fields: str) -> str:
        form = {"purpose": "assistants", **fields}
        answer = client.post("/v1/files", files={"file": (name, content)}, data=form)
        return str(published.check("post", "/files", answer)["id"])

    text, broken = upload("a.md", TEXT), upload("b.pdf", b"%PDF-1.7 broken")
    upload("c.txt", TEXT, **{"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"})
    call("get", "/files", query={"limit": 2})
    call("get", "/files/{file_id}", file_id=text)
    _uploads(client, published, call)
    policy = {"anchor": "last_active_at", "days": 7}
    store = call("post", "/vector_stores", body={})["id"]
    call(
        "post",
        "/vector_stores",
        body={"name": "all", "file_ids": [text], "expires_after": policy, "metadata": {"a": "b"}},
    )
    call("get", "/vector_stores", query={"limit": 1, "order": "asc"})
    call("post", "/vector_stores/{vector_store_id}", vector_store_id=store, body={"name": "b", "expires_after": policy})
    inside = "/vector_stores/{vector_store_id}/files"
    static = {"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 50}}
    attached = {"file_id": text, "attributes": {"year": 2026, "draft": True, "by": "x"}, "chunking_strategy": static}
    call("post", inside, vector_store_id=store, body=attached)
    call("post", inside, vector_store_id=store, body={"file_id": broken})
    batches = "/vector_stores/{vector_store_id}/file_batches"
    batch = call("post", batches, vector_store_id=store, body={"file_ids": [text, broken]})["id"]
    while call("get", batches + "/{batch_id}", vector_store_id=store, batch_id=batch)["status"] == "in_progress":
        time.sleep(0.05)
    call("get", batches + "/{batch_id}/files", vector_store_id=store, batch_id=batch)
    call("post", batches + "/{batch_id}/cancel", vector_store_id=store, batch_id=batch)
    for file_id in (text, broken):
        call("get", inside + "/{file_id}", vector_store_id=store, file_id=file_id)
    call("post", inside + "/{file_id}", vector_store_id=store, file_id=text, body={"attributes": {"year": 2027}})
    call("get", inside + "/{file_id}/content", vector_store_id=store, file_id=text)
    call("get", inside, vector_store_id=store, query={"filter": "completed"})
    search = {"query": "harbour", "ranking_options": {"ranker": "auto", "score_threshold": 0.0}, "rewrite_query": True}
    call("post", "/vector_stores/{vector_store_id}/search", vector_store_id=store, body=search)
    call("get", "/vector_stores/{vector_store_id}", vector_store_id=store)
    usage = {"start_time": int(time.time()) - 86_400, "group_by": "project_id"}
    call("get", "/organization/usage/vector_stores", query=usage)
    call("get", "/organization/usage/file_search_calls", query=usage)
    call("delete", inside + "/{file_id}", vector_store_id=store, file_id=text)
    call("delete", "/vector_stores/{vector_store_id}", vector_store_id=store)
    call("delete", "/files/{file_id}", file_id=text)


def _uploads(client: httpx.Client, published: Published, call: Any) -> None:
    wanted = {"filename": "d.txt", "purpose": "assistants", "bytes": len(TEXT), "mime_type": "text/plain"}
    upload = call("post", "/uploads", body=wanted)["id"]
    answer = client.post(f"/v1/uploads/{upload}/parts", files={"data": ("upload", TEXT)})
    part = published.check("post", "/uploads/{upload_id}/parts", answer)["id"]
    call("post", "/uploads/{upload_id}/complete", upload_id=upload, body={"part_ids": [part]})
    call("post", "/uploads/{upload_id}/cancel", upload_id=call("post", "/uploads", body=wanted)["id"])


@contextmanager
def answering(app: Any) -> Iterator[str]:
    """The base URL of a server on a free port, while it answers."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
