"""What people and programs see of `tune`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from vecstore import render
from vecstore.terminal import out, print_table, row, say, table
from vecstore.tuning import Cut, Tuning
from vecstore.types import VectorStoreInfo


def reset(store: VectorStoreInfo, *, as_json: bool) -> None:
    """How the vector store is after its weights went back."""
    render.json_lines([store]) if as_json else render.vector_store(store)


def report(result: Tuning, store: str, *, as_json: bool) -> None:
    """What fits, what it gains, and whether it was stored; `store` is what commands call the vector store."""
    if as_json:
        render.json_lines([result])
        return
    facts = Table(box=None, show_header=False, pad_edge=False)
    for name, value in (
        ("questions", f"{result.questions:,}"),
        ("weights", f"{_weights(result.embedding_weight)} fit best; so far {_weights(result.weight_before)}"),
        ("nDCG@10", f"{result.ndcg_before:.3f} so far, {result.ndcg_after:.3f} tuned (cross-validated)"),
        ("gain", f"{result.gain:+.3f}, 95 % interval {_interval(result.gain_interval)}"),
    ):
        facts.add_row(Text(name, style="dim"), Text(value, overflow="fold"))
    out.print(facts)
    if result.stored:
        say(out, "✓", "green", f"stored with {store!r}; searches use these weights unless they are given others")
    else:
        say(out, "✗", "yellow", f"not stored: {result.why_not}")
    if result.cuts:
        _cuts(result.cuts)
        _size(result, store)


def _cuts(cuts: Sequence[Cut]) -> None:
    shown = table("cut", "chunks>", "nDCG@10>", "95 % interval", "gain>", "95 % interval", "meaning>")
    for cut in cuts:
        low, high = cut.ndcg_interval
        gains = ("", "") if cut.chunk_size is None else (f"{cut.gain:+.3f}", _interval(cut.gain_interval))
        row(
            shown,
            "as it is" if cut.chunk_size is None else f"{cut.chunk_size} tokens",
            f"{cut.chunks:,}",
            f"{cut.ndcg:.3f}",
            f"{low:.3f} to {high:.3f}",
            *gains,
            f"{cut.embedding_weight:.2g}",
        )
    print_table(shown)
    out.print(Text("Ten large chunks say more than ten small ones, and fill more of a prompt.", style="dim"))


def _size(result: Tuning, store: str) -> None:
    """Which size does best, what choosing it gains, and what there is to do."""
    size = result.chunk_size
    if size is None:
        say(out, "→", "dim", "No size does better than the files as they are.")
        return
    gain = f"{result.chunk_size_gain:+.3f}, 95 % interval {_interval(result.chunk_size_gain_interval)}, cross-validated"
    command = f"vecstore add {shlex.quote(store)} PATH... --chunk-size {size}"
    if result.chunk_size_stored:
        say(out, "✓", "green", f"{size} tokens do best ({gain}): stored, files added from now on are cut so")
        say(out, "→", "dim", f"to cut those that are there so, too, add them again: {command}")
        return
    sure = result.chunk_size_gain_interval[0] > 0
    doubt = "which was only tried" if sure else "which may be chance"
    say(out, "→", "dim", f"{size} tokens do best ({gain}), {doubt}; to cut the files so, add them again: {command}")


def _weights(embedding_weight: float) -> str:
    return f"meaning {embedding_weight:.2g}, words {1 - embedding_weight:.2g}"


def _interval(interval: tuple[float, float]) -> str:
    return f"{interval[0]:+.3f} to {interval[1]:+.3f}"
