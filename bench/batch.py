"""Many files: a manifest and a durable batch beside the same files added one by one; and going on after kill -9.

The files are cut out of the sample documents, each with words of its own, so that no two are alike.
Every side runs in a process of its own, on a new data folder, with the model loaded before the clock starts.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import vecstore
from vecstore import gather
from vecstore.embed import default_embedder, embed_checked

SIDES = ("manifest", "batch", "one by one")
FILE_CHARS = 1_500
KILL_AT = 0.5  # of the files
POLL_S = 0.05
_TEXTS = {".md", ".txt", ".html", ".py", ".go", ".ts", ".sql"}
_ROWS = ("files/s", "MB/s", "peak MB", "seconds")


def make_files(samples: Path, folder: Path, count: int) -> list[Path]:
    """`count` files of about FILE_CHARS characters and a manifest that names them all."""
    sources = sorted(path for path in samples.rglob("*") if path.suffix in _TEXTS)
    texts = [(path, path.read_text(encoding="utf-8", errors="replace")) for path in sources]
    made = []
    for i in range(count):
        path, text = texts[i % len(texts)]
        start = i // len(texts) * 97 % max(len(text) - FILE_CHARS, 1)
        target = folder / f"{i:05}-{path.stem}{path.suffix}"
        target.write_text(f"Note {i} of {count}.\n\n{text[start : start + FILE_CHARS]}\n", encoding="utf-8")
        made.append(target)
    lines = [json.dumps({"file": path.name, "attributes": {"number": i}}) for i, path in enumerate(made)]
    (folder / "manifest.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return made


def run(samples: Path, *, count: int, runs: int) -> dict[str, Any]:
    """Medians over `runs` interleaved runs of all sides; and one batch that is killed and goes on."""
    figures: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "files"
        folder.mkdir()
        size = sum(path.stat().st_size for path in make_files(samples, folder, count))
        for i in range(runs):
            for side in SIDES:
                figures[side].append(_child(side, folder, Path(scratch) / f"{side} {i}"))
        killed = _killed(folder, Path(scratch) / "killed", count)
    sides = {
        side: {row: statistics.median(_rates(each, count, size)[row] for each in some) for row in _ROWS}
        for side, some in figures.items()
    }
    machine = f"{os.cpu_count()} cores, {platform.platform()}"
    return {"files": count, "bytes": size, "runs": runs, "sides": sides, "killed": killed, "machine": machine}


def table(report: dict[str, Any]) -> str:
    lines = [
        f"{report['files']:,} files, {report['bytes'] / 1e6:.1f} MB, medians of {report['runs']} interleaved runs",
        "",
    ]
    lines.append(f"{'':12}" + "".join(f"{row:>12}" for row in _ROWS))
    for side, figures in report["sides"].items():
        lines.append(f"{side:12}" + "".join(f"{figures[row]:>12.2f}" for row in _ROWS))
    killed = report["killed"]
    resumed = (
        f"kill -9 after {killed['done before']} files of a batch: the next process has the folder open after "
        f"{killed['open s']:.2f} s, the next file done after {killed['first file s']:.2f} s, all after "
        f"{killed['all s']:.1f} s; {killed['done twice']} files done twice, {killed['lost']} lost."
    )
    return "\n".join([*lines, "", resumed, report["machine"]])


def _rates(figures: dict[str, float], count: int, size: int) -> dict[str, float]:
    seconds = figures["seconds"]
    return {**figures, "files/s": count / seconds, "MB/s": size / seconds / 1e6}


def _child(side: str, folder: Path, root: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.batch", side, str(folder), str(root)]
    answer = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    figures: dict[str, float] = json.loads(answer.stdout)
    return figures


def _killed(folder: Path, root: Path, count: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.batch", "batch", str(folder), str(root)]
    process = subprocess.Popen([*command, "--tell"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= KILL_AT * count:
            process.send_signal(signal.SIGKILL)
            break
    process.communicate()
    embedder = default_embedder()
    embed_checked(embedder, ["warm"])
    began = time.monotonic()
    with vecstore.open(root, embedder=embedder) as engine:
        opened_s = time.monotonic() - began
        [info] = engine.batches()
        batch, store = engine.batch(info.id), engine.get("files")
        before = {file.id: file.created_at for file in batch.files() if file.status == "completed"}
        first_chunks = {file_id: store.content(file_id)[0].chunk_id for file_id in before}
        done, first_s = info.file_counts.completed, 0.0
        while not first_s:
            time.sleep(POLL_S)
            if batch.info().file_counts.completed > done:
                first_s = time.monotonic() - began
        ended = batch.wait()
        all_s = time.monotonic() - began
        twice = sum(store.content(file_id)[0].chunk_id != chunk for file_id, chunk in first_chunks.items())
    return {
        "done before": done,
        "open s": opened_s,
        "first file s": first_s,
        "all s": all_s,
        "done twice": twice,
        "lost": count - ended.file_counts.completed,
    }


def _add(side: str, folder: Path, root: Path, tell: Callable[[int], None]) -> dict[str, float]:
    embedder = default_embedder()
    embed_checked(embedder, ["warm"])
    found = gather.manifest(str(folder / "manifest.jsonl"), besides=root)
    with vecstore.open(root, embedder=embedder) as engine:
        engine.sandbox()
        store = engine.create("files")
        began = time.monotonic()
        if side == "batch":
            batch = store.batch([source.content for source in found.sources if isinstance(source.content, Path)])
            batch.wait(on_progress=lambda now: tell(now.batch.file_counts.completed))
        elif side == "manifest":
            for _ in store.add_many(found.sources):
                pass
        else:
            for source in found.sources:
                list(store.add_many([source]))
        seconds = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux
    return {"seconds": seconds, "peak MB": peak}


def _main(arguments: list[str]) -> None:
    side, folder, root, *options = arguments
    tell = (lambda n: print(n, flush=True)) if options else (lambda _: None)
    figures = _add(side, Path(folder), Path(root), tell)
    if not options:
        print(json.dumps(figures))


if __name__ == "__main__":
    _main(sys.argv[1:])
