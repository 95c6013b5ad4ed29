"""A death while a data folder of a past format is migrated."""

from __future__ import annotations

import json
import os
import random
import tarfile
from pathlib import Path

import vecstore
from vecstore import HashingEmbedder, HybridSearch, failpoints
from vecstore.catalog.schema import HEAD

THEN = 1_700_000_000  # when they were made, in Unix seconds: nothing has expired
FORMATS = Path(__file__).parent.parent.parent / "tests" / "formats"


def past_formats() -> list[Path]:
    """Archives of data folders that have to be migrated."""
    return sorted(path for path in FORMATS.glob("*.tar.xz") if path.name.split(".")[0] < HEAD)


def unpack(seed: int, target: Path) -> None:
    """One of them, with what must be found in it."""
    with tarfile.open(random.Random(seed).choice(past_formats())) as archive:
        archive.extractall(target, filter="data")


def open_once(folder: Path, where: str) -> None:
    """Opens the folder, and dies on the way."""
    failpoints.switch_on(where)
    vecstore.open(folder, embedder=HashingEmbedder(), now=lambda: THEN).close()
    os._exit(0)


def check(unpacked: Path) -> list[str]:
    """Each thing that is not as the past version had it."""
    expected = json.loads((unpacked / "expected.json").read_text(encoding="utf-8"))
    with vecstore.open(unpacked / "kb", embedder=HashingEmbedder(), now=lambda: THEN) as engine:
        held = {store.name: store.usage_bytes for store in engine.list()}
        broken = (
            [] if held == expected["usage_bytes"] else [f"the stores are {held}, and were {expected['usage_bytes']}"]
        )
        for asked in expected["found"]:
            results = engine.get(asked["store"]).search(
                asked["query"], max_num_results=1, hybrid_search=HybridSearch(*asked["leg"])
            )
            found = [[each.filename, each.start, each.end, each.text] for each in results]
            near = not results or results[0].raw_score > 0  # or else nothing is, and its order was another one
            if near and found != asked["found"]:
                broken.append(f"{asked['query']!r} finds {found} and found {asked['found']}")
        return broken + [f"check: {problem}" for problem in engine.check()]
