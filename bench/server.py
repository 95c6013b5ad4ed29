"""Searches over HTTP beside the same searches in the library, in one run.

Both sides have a copy of the same data folder: the library in this process, the server in one of its own, with an
API key. Queries alternate between them, so that what else the machine does falls on both.
"""

from __future__ import annotations

import http.client
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai

import vecstore
from bench.smoke import QUERIES
from vecstore import gather

SIDES = ("library", "HTTP", "openai client")
CLIENTS = (1, 4, 16)
READY_S = 300
FILES = 40  # indexed while others search
RESULTS = 10

Search = Callable[[str], int]  # the number of results


def run(samples: Path, *, rounds: int, seconds: float) -> dict[str, Any]:
    """Latencies of `rounds` times all queries, and searches a second of several clients, each for so long."""
    with tempfile.TemporaryDirectory() as scratch:
        ours, served = Path(scratch) / "library", Path(scratch) / "served"
        store_id = _indexed(samples, ours)
        shutil.copytree(ours, served)
        with (
            _serving(served) as (port, secret),
            vecstore.open(ours) as engine,
            openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=secret) as client,
        ):
            store = engine.get(store_id)
            searches: dict[str, Search] = {
                "library": lambda query: len(store.search(query, max_num_results=RESULTS)),
                "HTTP": _over_http(port, secret, store_id),
                "openai client": lambda query: len(
                    client.vector_stores.search(store_id, query=query, max_num_results=RESULTS).data
                ),
            }
            latencies = _interleaved(searches, rounds)
            rates = {
                f"{n} clients": {
                    "library": _rate([searches["library"]] * n, seconds),
                    "HTTP": _rate([_over_http(port, secret, store_id) for _ in range(n)], seconds),
                }
                for n in CLIENTS
            }
            busy = _while_indexing(client, store_id, searches["HTTP"])
    overhead = [http_ - library for library, http_ in zip(latencies["library"], latencies["HTTP"], strict=True)]
    return {
        "machine": f"{os.cpu_count()} cores, {platform.platform()}",
        "searches": len(latencies["library"]),
        "latency ms": {side: _percentiles(some) for side, some in latencies.items()},
        "overhead p50 ms": 1000 * statistics.median(overhead),
        "searches/s": rates,
        "while indexing ms": _percentiles(busy),
    }


def table(report: dict[str, Any]) -> str:
    lines = [f"{report['searches']} searches a side, interleaved; {report['machine']}", ""]
    lines.append(f"{'':20}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}")
    rows = {**report["latency ms"], "HTTP, while indexing": report["while indexing ms"]}
    lines += [
        f"{side:20}" + "".join(f"{figures[p]:>10.2f}" for p in ("p50", "p95", "p99")) for side, figures in rows.items()
    ]
    lines += ["", f"overhead of the server at p50: {report['overhead p50 ms']:.2f} ms", ""]
    lines.append(f"{'':20}{'library/s':>10}{'HTTP/s':>10}{'ratio':>10}")
    for clients, rate in report["searches/s"].items():
        lines.append(
            f"{clients:20}{rate['library']:>10.1f}{rate['HTTP']:>10.1f}{rate['HTTP'] / rate['library']:>10.2f}"
        )
    return "\n".join(lines)


def _indexed(samples: Path, root: Path) -> str:
    with vecstore.open(root) as engine:
        store = engine.create("bench")
        added = list(store.add_many(gather.sources([str(samples)], besides=root).sources))
        assert all(each.outcome == "added" for each in added)
        return store.id


@contextmanager
def _serving(root: Path) -> Iterator[tuple[int, str]]:
    """The port of a `vecstore serve` that is ready, and the secret of a key."""
    program = [sys.executable, "-m", "vecstore", "--root", str(root)]
    made = subprocess.run([*program, "keys", "create", "bench"], capture_output=True, text=True, check=True)
    options = ["--port", "0", "--requests-per-minute", "100000000", "--log-format", "text", "--log-level", "warning"]
    server = subprocess.Popen([*program, "serve", *options], stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        port = int(server.stderr.readline().split("/v1")[0].rsplit(":", 1)[1])
        deadline = time.monotonic() + READY_S
        while _status(port, "/readyz") != 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        yield port, made.stdout.strip()
    finally:
        server.terminate()
        server.communicate()


def _status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path)
    return connection.getresponse().status


def _over_http(port: int, secret: str, store_id: str) -> Search:
    """One connection that is kept, by the cheapest client there is: what is measured is the server."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"authorization": f"Bearer {secret}", "content-type": "application/json"}

    def search(query: str) -> int:
        body = json.dumps({"query": query, "max_num_results": RESULTS})
        connection.request("POST", f"/v1/vector_stores/{store_id}/search", body, headers)
        answer = connection.getresponse()
        said = json.loads(answer.read())
        assert answer.status == 200, said
        return len(said["data"])

    return search


def _interleaved(searches: dict[str, Search], rounds: int) -> dict[str, list[float]]:
    """Seconds of each search; which side begins alternates. The first round warms up and is not counted."""
    taken: dict[str, list[float]] = {side: [] for side in SIDES}
    for i in range(rounds + 1):
        for j, query in enumerate(QUERIES):
            found = set()
            for side in SIDES if (i + j) % 2 else SIDES[::-1]:
                began = time.perf_counter()
                found.add(searches[side](query))
                if i:
                    taken[side].append(time.perf_counter() - began)
            assert len(found) == 1, f"the sides find {found} passages for {query!r}"
    return taken


def _rate(searches: list[Search], seconds: float) -> float:
    """Searches a second of so many threads together."""
    counts = [0] * len(searches)
    until = time.perf_counter() + seconds

    def work(i: int) -> None:
        while time.perf_counter() < until:
            searches[i](QUERIES[(counts[i] + i) % len(QUERIES)])
            counts[i] += 1

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(searches))]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - began)


def _while_indexing(client: openai.OpenAI, store_id: str, search: Search) -> list[float]:
    """Seconds of searches while the server indexes a batch of files."""
    text = " ".join(QUERIES)
    files = [
        client.files.create(file=(f"{i}.txt", f"Note {i}. {text * 20}".encode()), purpose="assistants").id
        for i in range(FILES)
    ]
    batch = client.vector_stores.file_batches.create(store_id, file_ids=files)
    taken: list[float] = []
    while client.vector_stores.file_batches.retrieve(batch.id, vector_store_id=store_id).status == "in_progress":
        for query in QUERIES:
            began = time.perf_counter()
            search(query)
            taken.append(time.perf_counter() - began)
    return taken


def _percentiles(seconds: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {"p50": 1000 * cuts[49], "p95": 1000 * cuts[94], "p99": 1000 * cuts[98]}
