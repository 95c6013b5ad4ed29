"""A proxy through which generated tests, which ask for made-up things, can meet a real server.

Where a request names a placeholder, what the test takes for granted is made first, through the server's own API, and its
id is put in. Everything else passes as it came, both ways, so no answer is made up: where something cannot be
made, the server's refusal of that is the answer.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

FILES = {"file_id", "file-abc123", "string"}
VECTOR_STORES = {"vector_store_id", "vs_abc123"}
BATCHES = {"batch_id", "vsfb_abc123"}
UPLOADS = {"upload_abc123"}
CONTENT = b"The ferry to Skarnsund leaves at a quarter past six."
PART = b"Example data"  # as long as the part that the tests send
INDEXED_S = 60
OF_ONE_CONNECTION = {"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "keep-alive"}


class RefusedError(Exception):
    def __init__(self, answer: httpx.Response) -> None:
        super().__init__(answer.text)
        self.answer = answer


class Maker:
    """Makes what a test takes for granted. Raises RefusedError with the server's answer."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def file(self) -> str:
        form = {"data": {"purpose": "assistants"}, "files": {"file": ("ferry.txt", CONTENT)}}
        return self._ask("POST", "/v1/files", **form)["id"]

    def vector_store(self) -> str:
        return self._ask("POST", "/v1/vector_stores", json={})["id"]

    def attached_file(self, store_id: str) -> str:
        """Of a file that can be found."""
        file_id = self.file()
        files = f"/v1/vector_stores/{store_id}/files"
        self._ask("POST", files, json={"file_id": file_id})
        deadline = time.monotonic() + INDEXED_S
        while (status := self._ask("GET", f"{files}/{file_id}")["status"]) == "in_progress":
            assert time.monotonic() < deadline, f"{file_id} is not indexed after {INDEXED_S} seconds"
            time.sleep(0.02)
        assert status == "completed", status
        return file_id

    def batch(self, store_id: str) -> str:
        batches = f"/v1/vector_stores/{store_id}/file_batches"
        return self._ask("POST", batches, json={"file_ids": [self.file()]})["id"]

    def upload(self) -> str:
        promised = {"bytes": len(PART), "filename": "ferry.txt", "mime_type": "text/plain", "purpose": "assistants"}
        return self._ask("POST", "/v1/uploads", json=promised)["id"]

    def part(self, upload_id: str) -> str:
        return self._ask("POST", f"/v1/uploads/{upload_id}/parts", files={"data": ("upload", PART)})["id"]

    def _ask(self, method: str, path: str, **given: Any) -> Any:
        answer = self._http.request(method, path, **given)
        if not answer.is_success:
            raise RefusedError(answer)
        return answer.json()


def real_query(query: str) -> str:
    """No page is of size 0 or stands beside an item named `after`; no file has the purpose `purpose`."""
    instead = {("limit", "0"): ("limit", "1"), ("purpose", "purpose"): ("purpose", "assistants")}
    kept = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair not in {("after",) * 2, ("before",) * 2}]
    return urlencode([instead.get(pair, pair) for pair in kept])


def real_path(make: Maker, method: str, path: list[str]) -> list[str]:
    match path:
        case ["files", file_id, *rest] if file_id in FILES:
            return ["files", make.file(), *rest]
        case ["uploads", upload_id, *rest] if upload_id in UPLOADS:
            return ["uploads", make.upload(), *rest]
        case ["vector_stores", store_id, *rest] if store_id in VECTOR_STORES:
            made = make.vector_store()
            return ["vector_stores", made, *_real_member(make, method, made, rest)]
    return path


def _real_member(make: Maker, method: str, store_id: str, path: list[str]) -> list[str]:
    match path:
        case ["files", file_id, *rest] if file_id in FILES:
            return ["files", make.attached_file(store_id), *rest]
        case ["file_batches", batch_id, *rest] if batch_id in BATCHES:
            return ["file_batches", make.batch(store_id), *rest]
        case ["search"]:
            make.attached_file(store_id)
        case ["files"] if method == "GET":
            make.attached_file(store_id)
    return path


def real_body(make: Maker, path: list[str], body: dict[str, Any]) -> dict[str, Any]:
    """`path` has real ids already."""
    match path:
        case ["uploads"] if body.get("bytes") == 0:
            body |= {"bytes": len(PART), "mime_type": "text/plain"}
        case ["uploads", upload_id, "complete"] if body.get("part_ids") == ["string"]:
            body["part_ids"] = [make.part(upload_id)]
            if body.get("md5") == "md5":
                body["md5"] = hashlib.md5(PART, usedforsecurity=False).hexdigest()
        case ["vector_stores", _, "file_batches"]:
            if not body:  # either list has to be there,
                body["file_ids"] = ["string"]
            elif "files" in body:  # and not both
                body.pop("file_ids", None)
    if body.get("file_ids") == ["string"]:
        body["file_ids"] = [make.file()]
    for each in [body, *body.get("files", [])]:
        if each.get("file_id") in FILES:
            each["file_id"] = make.file()
    return body


class Proxy(ThreadingHTTPServer):
    """`refused` has a line for every answer that is no success: clients try again, and their tests would not tell."""

    def __init__(self, http: httpx.Client) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.http = http
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.refused: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def do_GET(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            answer = self._ask(content)
        except RefusedError as error:
            answer = error.answer
        if not answer.is_success:
            asked = answer.request
            self.server.refused.append(f"{asked.method} {asked.url.path} {answer.status_code} {answer.text}")
        self.send_response_only(answer.status_code)
        for name, value in answer.headers.multi_items():
            if name.lower() not in OF_ONE_CONNECTION:
                self.send_header(name, value)
        self.send_header("content-length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_POST = do_DELETE = do_GET  # noqa: N815 - http.server's names

    def _ask(self, content: bytes) -> httpx.Response:
        asked = urlsplit(self.path)
        make = Maker(self.server.http)
        path = real_path(make, self.command, asked.path.removeprefix("/v1/").split("/"))
        if content and self.headers.get_content_type() == "application/json":
            content = json.dumps(real_body(make, path, json.loads(content))).encode()
        headers = [(name, value) for name, value in self.headers.items() if name.lower() not in OF_ONE_CONNECTION]
        url = httpx.URL("/v1/" + "/".join(path), query=real_query(asked.query).encode())
        return self.server.http.request(self.command, url, content=content, headers=headers)

    def log_message(self, *_: object) -> None:
        """Nothing: what was refused is told at the end."""


@contextmanager
def passing_on(server_url: str) -> Iterator[Proxy]:
    with (
        httpx.Client(base_url=server_url, trust_env=False, timeout=60, headers={"accept-encoding": "identity"}) as http,
        Proxy(http) as proxy,
    ):
        thread = threading.Thread(target=proxy.serve_forever, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
