"""How people and programs see values: tables, passages and progress with Rich, or JSON lines."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

from rich import box
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from ingestion.parsers.ocr import INSTALL as OCR_INSTALL
from ingestion.types import ChunkingStrategy, StructureStrategy
from vecstore.gather import Gathered
from vecstore.index import IndexInfo
from vecstore.inspecting import CutFile, Installation
from vecstore.jobs import AddedFile
from vecstore.terminal import counted, err, moment, out, plain, print_table, row, say, table
from vecstore.types import (
    Excerpt,
    Explanation,
    File,
    Problem,
    SearchResult,
    VectorStoreFile,
    VectorStoreInfo,
)

_HIGHLIGHT = "bold yellow"

_INDENT = 11


def json_lines(values: Iterable[Any]) -> None:
    """One JSON object a line, keys as the fields are named."""
    for value in values:
        sys.stdout.write(json.dumps(asdict(value), ensure_ascii=False) + "\n")
    sys.stdout.flush()  # a program that reads along is told at once


# Search ----------------------------------------------------------------------------------------


def results_json(found: Sequence[SearchResult], excerpts: Sequence[Excerpt | None]) -> None:
    """A line a result, with its surroundings if they were asked for."""
    json_lines(replace(result, surroundings=excerpt) for result, excerpt in zip(found, excerpts, strict=True))


def queries(used: Sequence[str]) -> None:
    """What was searched for, a line each."""
    for query in used:
        say(err, "→", "dim", query)


def results(
    found: Sequence[SearchResult],
    excerpts: Sequence[Excerpt | None],
    *,
    explain: bool,
    full: bool,
    why_none: str,
) -> None:
    """Rank, score, citation and passage of each, or its surroundings, with the query's words highlighted.

    why_none: a sentence where there are none.
    """
    if why_none:
        err.print(f"No passage matches. {why_none}")
    for rank, (result, excerpt) in enumerate(zip(found, excerpts, strict=True), 1):
        line = Text.assemble((f"{rank:>2}  ", "dim"), (f"{result.score:.3f}  ", "bold green"))
        line.append_text(_cited(result, excerpt, full=full))
        out.print(line, soft_wrap=not sys.stdout.isatty())
        if result.title and (full or explain):
            _print_indented(Text(plain(result.title), style="dim"))
        header = (excerpt or (result if full else result.passage)).table_header
        if header:
            _print_indented(Text(header, style="italic dim"))
        stretch = (result.start, result.end) if full else (result.passage.start, result.passage.end)
        _print_indented(_highlighted(result, excerpt, stretch))
        if explain and result.explanation is not None:
            _print_indented(_explained(result.explanation))
        if rank < len(found):
            out.print()


def _cited(result: SearchResult, excerpt: Excerpt | None, *, full: bool) -> Text:
    """The citation of what is printed: the excerpt, the chunk or the passage."""
    whole = excerpt or (result if full else None)
    if whole is not None:
        return citation(result.filename, whole.pages, whole.heading_path, whole.lines)
    page = result.passage.page
    pages = None if page is None else (page, page)
    return citation(result.filename, pages, result.passage.heading_path, result.passage.lines)


def _print_indented(what: Text | Table) -> None:
    if isinstance(what, Text) and not sys.stdout.isatty():
        for line in what.split("\n"):
            out.print(Text(" " * _INDENT) + line, soft_wrap=True)
    else:
        out.print(Padding(what, (0, 0, 0, _INDENT), expand=False))


def citation(
    filename: str,
    pages: tuple[int, int] | None,
    heading_path: Sequence[str],
    lines: tuple[int, int] | None = None,
) -> Text:
    """File, pages or lines, and headings."""
    text = Text(plain(filename), style="bold cyan")
    if pages is not None:
        first, last = pages
        text.append(f"  p. {first}" if first == last else f"  pp. {first}-{last}", style="magenta")
    elif lines is not None:
        first, last = lines
        text.append(f"  line {first}" if first == last else f"  lines {first}-{last}", style="magenta")
    if heading_path:
        text.append("  " + plain(" › ".join(heading_path)), style="default")
    return text


def _highlighted(result: SearchResult, excerpt: Excerpt | None, stretch: tuple[int, int]) -> Text:
    """The excerpt, or that stretch of the document, without blank lines."""
    start, end = stretch if excerpt is None else (excerpt.start, excerpt.end)
    text = Text(result.text if excerpt is None else excerpt.text)
    begun = result.start if excerpt is None else start
    for first, last in result.highlights:
        if first + result.start >= begun:
            text.stylize(_HIGHLIGHT, first + result.start - begun, last + result.start - begun)
    lines = [line for line in text[start - begun : end - begun].split("\n") if line.plain.strip()]
    return Text("\n").join(lines)


def _explained(why: Explanation) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, style="dim", header_style="dim")
    for name in ("leg", "rank", "score", "weight", "raw"):
        table.add_column(name, justify="left" if name == "leg" else "right")
    for name, leg, raw in (("meaning", why.embedding, "cosine"), ("words", why.text, "BM25")):
        rank = "-" if leg.rank is None else str(leg.rank)
        table.add_row(name, rank, f"{leg.score:.3f}", f"{leg.weight:.2f}", f"{raw} {leg.raw:.3f}")
    if why.reranker_score is not None:
        table.add_row("re-ranked", "", f"{why.reranker_score:.3f}", f"{why.reranker_weight:.2f}", "")
    summed = f"raw score {why.raw_score:.3f}, the best of the question {why.best_raw_score:.3f}"
    if why.closeness:
        summed += f", closeness {why.closeness:.2f}"
    if why.unread:
        summed += f", unread {why.unread:.2f}"
    matched = [f'"{term}"' if " " in term else term for term in why.matched_terms]
    table.caption = Text(f"{summed}; matched terms: {' '.join(matched) or 'none'}")
    table.caption_justify = "left"
    return table


# Adding ----------------------------------------------------------------------------------------


class AddView:
    """Progress while files are added, and what became of them."""

    def __init__(self, gathered: Gathered, progress: Progress, *, as_json: bool) -> None:
        self._progress, self._as_json = progress, as_json
        self._bytes = progress.add_task(
            "adding", total=gathered.total_bytes or 1, done=f"0/{len(gathered.sources)} files"
        )
        self._total = len(gathered.sources)
        self._outcomes: list[AddedFile] = []
        self._chunks = 0
        self._missing = gathered.missing
        self._began = time.monotonic()
        for sentence in gathered.missing:
            say(err, "✗", "red", sentence)

    @property
    def exit_status(self) -> int:
        """1 if anything was missing or failed."""
        return int(bool(self._missing) or any(each.outcome == "failed" for each in self._outcomes))

    def advance(self, some_bytes: float) -> None:
        self._progress.advance(self._bytes, some_bytes)

    def report(self, outcome: AddedFile) -> None:
        self._outcomes.append(outcome)
        self._chunks += outcome.chunks
        done = f"{len(self._outcomes)}/{self._total} files, {self._chunks:,} chunks"
        self._progress.update(self._bytes, done=done)
        if self._as_json:
            json_lines([outcome])
        if outcome.error is not None:
            say(err, "✗", "red", outcome.error)
        for warning in outcome.warnings:
            say(err, "!", "yellow", _named(outcome.filename, warning))

    def summary(self) -> Text:
        seconds = time.monotonic() - self._began
        counts = {name: sum(each.outcome == name for each in self._outcomes) for name in _OUTCOME_STYLES}
        parts = [Text(f"{n} {name}", style=_OUTCOME_STYLES[name]) for name, n in counts.items() if n]
        left = self._total - len(self._outcomes)
        parts = parts or [Text("nothing added" if left else "nothing to add")]
        if left:  # it was interrupted, or failed
            parts.append(Text(f"{left} left", style="yellow"))
        if self._missing:
            parts.append(Text(f"{len(self._missing)} not found", style="red"))
        done = [each for each in self._outcomes if each.tokens]
        chunked = sum(each.chunks for each in done)
        text = Text(", ").join(parts)
        sizes = f"{counted(chunked, 'chunk')}, {counted(sum(each.tokens for each in done), 'token')}"
        text.append(f"  {sizes}, {seconds:.1f} s", style="dim")
        return text


_OUTCOME_STYLES = {"added": "green", "replaced": "green", "updated": "green", "unchanged": "dim", "failed": "red"}


@contextmanager
def adding(gathered: Gathered, *, as_json: bool, summary: bool = True) -> Iterator[AddView]:
    """A progress bar with rate and time left on standard error, and a summary at the end if it is wanted."""
    progress = Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[done]}"),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
    )
    view = AddView(gathered, progress, as_json=as_json)
    try:
        with progress:
            yield view
    finally:
        if summary:
            err.print(view.summary())


# Listing ---------------------------------------------------------------------------------------


def vector_stores(stores: Sequence[VectorStoreInfo]) -> None:
    shown = table("name~", "id", "status", "files>", "failed>", "usage bytes>", "last active")
    for store in stores:
        counts = store.file_counts
        row(
            shown,
            store.name,
            store.id,
            store.status,
            f"{counts.completed:,}",
            f"{counts.failed:,}",
            f"{store.usage_bytes:,}",
            moment(store.last_active_at),
        )
    print_table(shown, "No vector stores yet; 'vecstore create NAME' makes one.")


def vector_store(store: VectorStoreInfo) -> None:
    counts = store.file_counts
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in (
        ("name", store.name),
        ("id", store.id),
        ("status", store.status),
        (
            "files",
            ", ".join(f"{n:,} {status.replace('_', ' ')}" for status, n in asdict(counts).items() if n) or "none",
        ),
        ("usage", f"{store.usage_bytes:,} bytes"),
        ("embedder", f"{store.embedder}, {store.dimensions} dimensions"),
        ("weights", _weights(store.embedding_weight)),
        *([] if store.chunk_size is None else [("chunk size", f"{store.chunk_size} tokens for new files, as tuned")]),
        ("created", moment(store.created_at)),
        ("last active", moment(store.last_active_at)),
        ("expires", "never" if store.expires_at is None else f"{moment(store.expires_at)}, {_policy(store)}"),
        *((f"metadata {key}", value) for key, value in store.metadata.items()),
    ):
        table.add_row(Text(name, style="dim"), Text(plain(value), overflow="fold"))
    out.print(table)


def _weights(fitted: float | None) -> str:
    return "halves" if fitted is None else f"meaning {fitted:.2g}, words {1 - fitted:.2g}, as tuned"


def _policy(store: VectorStoreInfo) -> str:
    return f"{store.expires_after_days} days after it was last active"


def members(found: Sequence[VectorStoreFile]) -> None:
    shown = table("file~", "id", "status", "chunks>", "usage bytes>", "attributes~")
    for each in found:
        pairs = " ".join(f"{key}={value}" for key, value in each.attributes.items())
        row(shown, each.filename, each.id, each.status, f"{each.chunks:,}", f"{each.usage_bytes:,}", pairs)
    print_table(shown, "No files in this vector store yet; 'vecstore add STORE PATH...' adds some.")
    for each in found:
        if each.last_error is not None:
            say(out, "✗", "red", each.last_error.message)
        for sentence in each.warnings:
            say(out, "!", "yellow", _named(each.filename, sentence))


def uploaded_files(found: Sequence[File]) -> None:
    shown = table("file~", "id", "bytes>", "uploaded")
    for each in found:
        row(shown, each.filename, each.id, f"{each.bytes:,}", moment(each.created_at))
    print_table(shown, "No files were uploaded yet.")


def cut_file(cut: CutFile) -> None:
    """Each chunk's citation, size and text; what it shares with the one before is dim, its headings are bold."""
    head = f"{counted(len(cut.chunks), 'chunk')} of {_sizes(cut.strategy)}"
    out.print(Text.assemble((plain(cut.filename), "bold cyan"), f"  {cut.media_type}  {head}"))
    if cut.title:
        out.print(Text(plain(cut.title), style="bold"))
    for sentence in cut.warnings:
        say(out, "!", "yellow", sentence)
    before = 0
    for chunk in cut.chunks:
        sizes = f"{counted(chunk.tokens, 'token')}, {counted(len(chunk.windows), 'window')}"
        where = f"{sizes}, {chunk.start}:{chunk.end}"
        out.print()
        out.rule(
            Text.assemble((chunk.chunk_id or f"chunk {chunk.index}", "bold"), "  ", where, style="dim"), align="left"
        )
        out.print(citation(chunk.filename, chunk.pages, chunk.heading_path, chunk.lines))
        if chunk.table_header:
            out.print(Text(chunk.table_header, style="italic dim"), soft_wrap=True)
        text = Text(chunk.text)
        text.stylize("dim", 0, max(0, before - chunk.start))
        for i, (start, end) in enumerate(chunk.windows):
            if i % 2:  # what is embedded together, by turns
                text.stylize("on grey11", start - chunk.start, end - chunk.start)
        out.print(text, soft_wrap=True)
        before = chunk.end


def installation(facts: Installation) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    ocr = "yes" if facts.ocr else f"no: {OCR_INSTALL} reads scans and images"
    for name, value in (
        ("vecstore", facts.version),
        ("python", f"{facts.python} on {facts.system}"),
        ("data folder", f"{facts.data_folder}, format {facts.data_format}"),
        ("embedder", f"{facts.embedder}, {facts.dimensions} dimensions{_computed_in(facts.precision)}"),
        ("sandbox", facts.sandbox),
        ("ocr", ocr),
        ("file types", " ".join(facts.file_types)),
        ("packages", ", ".join(f"{name} {found}" for name, found in facts.packages.items())),
    ):
        table.add_row(Text(name, style="dim"), Text(plain(value), overflow="fold"))
    out.print(table)


def _computed_in(precision: str | None) -> str:
    return "" if precision is None else f", computed in {precision}"


_KINDS = {
    "exact": "exact scan",
    "rabitq": "scan of one bit a dimension (RaBitQ), the candidates scored exactly",
    "ivf-rabitq": "lists of one bit a dimension (IVF, RaBitQ), the candidates of the nearest ones scored exactly",
}


def index(facts: IndexInfo) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    found = "nothing to measure"
    if facts.recall_at_10 is not None:
        found = f"{facts.recall_at_10:.3f} of {facts.recall_queries} queries"
    for name, value in (
        ("vectors", _KINDS[facts.kind]),
        ("windows", f"{facts.windows:,}" + (f", {facts.removed:,} removed" if facts.removed else "")),
        ("segments", f"{facts.segments:,}"),
        ("on disk", f"{facts.disk_bytes:,} bytes"),
        ("in memory", f"{facts.memory_bytes:,} bytes"),
        ("recall@10", found),
    ):
        table.add_row(Text(name, style="dim"), Text(value))
    out.print(table)


def _sizes(strategy: ChunkingStrategy) -> str:
    if isinstance(strategy, StructureStrategy):
        return f"whole sections of about {strategy.target_chunk_size_tokens} tokens"
    return f"up to {strategy.max_chunk_size_tokens} tokens, overlap {strategy.chunk_overlap_tokens}"


def problems(found: Sequence[Problem]) -> None:
    for each in found:
        mark, style = ("fixed:", "green") if each.fixed else ("✗", "red")
        say(out, mark, style, f"{each.kind} {each.where}: {each.message}")
    if not found:
        out.print(Text("All is well.", style="green"))


def _named(filename: str, sentence: str) -> str:
    return sentence if filename in sentence else f"{filename!r}: {sentence}"
