"""Retrieval quality through the product itself, measured with ir-measures.

Each collection is indexed by the public API, with default settings, into a data folder of its own; each question is
searched by the words' leg alone, by meaning alone, and as it is by default. A document is ranked by its best chunk.
The public API gives 50 results at most and cites each; what ranks them is asked for as many as DEPTH documents take.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import ir_measures
import numpy as np
from ir_measures import MRR, R, nDCG

import vecstore
from bench import failures, plain
from bench.collections import PAGE, Collection, Question, load
from bench.significance import half_width, mean
from vecstore import Embedder, Reranker, VectorStore, search
from vecstore.engine import Engine
from vecstore.gather import chunking_strategy
from vecstore.index import language_of_query
from vecstore.query import MAX_RESULTS, checked_query, weighted_for, yielding
from vecstore.types import FileChunk, HybridSearch

DEPTH = 100  # documents ranked, for R@100
SPAN_RESULTS = 5  # chunks a question of the chunking evaluation, as its authors take
PAGE_DEPTHS = (5, 20)
SPAN_TOKENS = 1_500  # and as much text as is a usual share of a prompt, however large the chunks
LEGS: Mapping[str, tuple[HybridSearch | None, str]] = {  # weights and ranker
    "text": (HybridSearch(0, 1), "none"),
    "embedding": (HybridSearch(1, 0), "none"),
    "fused": (None, "none"),
    "reranked": (None, "auto"),
}
PLAIN = "plain pipeline"  # see bench/plain.py
DEFAULT_LEG = "reranked"  # what a search does if nothing is said
MEASURES = (nDCG @ 10, R @ 3, R @ 10, R @ 100, MRR @ 10)
_WORD = re.compile(r"\w+")

Qrels = Mapping[str, Mapping[str, int]]  # question, document, grade
Values = dict[str, dict[str, float]]  # measure, question, value
Ranking = failures.Ranking


def run(
    folders: Sequence[Path],
    *,
    strategy: str = "auto",
    chunk_size: int | None = None,
    questions: Literal["all", "odd", "even"] = "all",
    work: Path | None = None,
    embedder: Embedder | None = None,
    reranker: Reranker | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Scores of each collection and leg, of every question or every second one, counted from 0.

    `work` keeps the data folders, so that a second run need not index again.
    """
    twice = sorted({folder.resolve().name for folder in folders})
    if len(twice) < len(folders):
        raise ValueError(f"collections must have names of their own, not twice one of {', '.join(twice)}")
    report = {}
    how = chunking_strategy(strategy, chunk_size, None) or {"type": strategy}
    for folder in folders:
        collection = load(folder)
        if questions != "all":
            some = collection.questions[1 if questions == "odd" else 0 :: 2]
            collection = replace(collection, questions=some, qrels=_judged(collection.qrels, some))
        with nullcontext(str(work)) if work else tempfile.TemporaryDirectory() as scratch:
            report[collection.name] = _scores(
                collection, how, Path(scratch), embedder=embedder, reranker=reranker, on_progress=on_progress
            )
    return report


def embedder_of(model: str) -> Embedder | None:
    """What `--model` names: default, multilingual, or a folder. Raises ValueError."""
    if model == "default":
        return None
    if model == "multilingual":
        return vecstore.MultilingualEmbedder()
    if not Path(model).is_dir():
        raise ValueError(f"--model must be default, multilingual or a folder, not {model!r}")
    return vecstore.SentenceTransformerEmbedder(model)


def table(report: Mapping[str, Any]) -> str:
    """A row a collection and leg: the mean, and half the width of its 95 % interval."""
    lines = []
    for name, scores in report.items():
        measures = list(next(iter(scores["legs"].values())))
        lines.append(f"{name}: {scores['questions']} questions, {scores['files']} files, {scores['chunks']} chunks")
        width = max(16, *(len(measure) + 2 for measure in measures))
        lines.append(f"{'':16}" + "".join(f"{measure:>{width}}" for measure in measures))
        for leg, values in scores["legs"].items():
            row = (f"{mean(each):10.4f} ±{half_width(each):.3f}" for each in values.values())
            lines.append(f"{leg:16}" + "".join(f"{cell:>{width}}" for cell in row))
        lines.append("")
    return "\n".join(lines)


def _judged(qrels: Qrels, questions: Sequence[Question]) -> Qrels:
    return {question.id: qrels[question.id] for question in questions if question.id in qrels}


@contextmanager
def indexed(
    collection: Collection,
    strategy: Mapping[str, object],
    work: Path,
    *,
    embedder: Embedder | None = None,
    reranker: Reranker | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
) -> Iterator[tuple[Engine, VectorStore]]:
    """The collection in a vector store of a data folder below `work`, where it stays for the next time."""
    model = "" if embedder is None else embedder.identity
    key = hashlib.sha256(f"{collection.digest()} {json.dumps(strategy)} {model}".encode()).hexdigest()[:8]
    with vecstore.open(work / f"{collection.name}-{key}", embedder=embedder, reranker=reranker) as engine:
        store = engine.create(collection.name, exist_ok=True)
        for added in store.add_many(collection.sources(), chunking_strategy=strategy):
            on_progress(added.error or f"{collection.name}: {added.outcome} {added.filename}")
        yield engine, store


def _scores(
    collection: Collection,
    strategy: Mapping[str, object],
    work: Path,
    *,
    embedder: Embedder | None,
    reranker: Reranker | None,
    on_progress: Callable[[str], None],
) -> dict[str, Any]:
    with indexed(collection, strategy, work, embedder=embedder, reranker=reranker, on_progress=on_progress) as (
        engine,
        store,
    ):
        files = store.list()
        rankings = {leg: _rankings(engine, store.id, collection, *how) for leg, how in LEGS.items()}
        texts = (
            {file.filename: store.text(file.id) for file in files} if collection.layout in ("spans", "passages") else {}
        )
        languages = engine._parts.shards.get(store.id).languages()  # noqa: SLF001
    sources = _corpora(collection)
    found = {leg: {key: _chunks(each) for key, each in some.items()} for leg, some in rankings.items()}
    by_layout = {"documents": _documents, "pages": _pages, "spans": _stretches, "passages": _passages}
    measure = by_layout[collection.layout]
    if collection.layout == "pages" and embedder is None and any((collection.folder / "files").glob("*.pdf")):
        asked = [question.text for question in collection.questions]
        nearest = plain.search(collection.folder / "files", asked, max(PAGE_DEPTHS))
        found[PLAIN] = dict(zip((question.id for question in collection.questions), nearest, strict=True))
    return {
        "questions": len(collection.questions),
        "files": len(files),
        "chunks": sum(file.chunks for file in files),
        "texts": {question.id: question.text for question in collection.questions},
        "failures": {
            question.id: failures.told(
                rankings[DEFAULT_LEG][question.id],
                search.query_words(question.text, languages),
                _judge(collection, texts, sources, question),
                collection.documents,
            )
            for question in collection.questions
        },
        "legs": {leg: measure(collection, results, texts) for leg, results in found.items()},
    }


def _rankings(
    engine: Engine, store_id: str, collection: Collection, weights: HybridSearch | None, ranker: str
) -> dict[str, Ranking]:
    deep = {"documents": 2 * DEPTH, "pages": max(PAGE_DEPTHS)}.get(collection.layout, MAX_RESULTS)
    return {
        question.id: ranked(engine, store_id, question.text, weights=weights, ranker=ranker, depth=deep)
        for question in collection.questions
    }


def _chunks(ranking: Ranking) -> list[FileChunk]:
    return [chunk for _, (chunk, _) in ranking[1]]


def ranked(
    engine: Engine, store_id: str, text: str, *, weights: HybridSearch | None, ranker: str, depth: int
) -> Ranking:
    """What a search cites, without citations, and as many as are wanted."""
    parts = engine._parts  # noqa: SLF001 - nothing public gives as many
    checked = checked_query(
        text,
        max_num_results=min(depth, MAX_RESULTS),
        filters=None,
        score_threshold=0.0,
        hybrid_search=weights,
        ranker=ranker,
        max_per_file=None,
        diversity=0.0,
        explain=False,
    )
    query = weighted_for(replace(checked, max_num_results=depth), parts.embedder)
    vector = parts.recent_queries.vector(query.text) if query.embedding_weight > 0 else None
    shard = parts.shards.get(store_id, sequence=parts.catalog.vector_store(store_id).sequence)
    query = yielding(query, parts.embedder, language_of_query(text, shard.languages()))
    words = search.query_words(query.text, shard.languages()) if query.embedding_weight < 1 else []
    ranking = search.rank(query, vector, words, catalog=parts.catalog, shard=shard, reranker=parts.reranker)
    assert ranking is not None, "nobody writes"
    return ranking


def _documents(collection: Collection, found: Mapping[str, list[FileChunk]], _: object) -> Values:
    """A document as high as its best chunk; of equal scores the one that came first."""
    ranking: dict[str, dict[str, float]] = {}
    for question, results in found.items():
        best = dict.fromkeys(collection.documents[each.filename] for each in results)
        ranking[question] = {key: float(-i) for i, key in enumerate(list(best)[:DEPTH])}
    return _measured(collection.qrels, ranking)


def _measured(qrels: Qrels, ranking: Mapping[str, Mapping[str, float]]) -> Values:
    values: Values = {str(measure): dict.fromkeys(qrels, 0.0) for measure in MEASURES}
    for each in ir_measures.iter_calc(list(MEASURES), qrels, ranking):
        values[str(each.measure)][each.query_id] = each.value
    return values


def _pages(collection: Collection, found: Mapping[str, list[FileChunk]], _: object) -> Values:
    """Of the first k results: is a judged page among theirs, the right file; how much of the evidence do they say."""
    values: Values = {}
    evidence = {question.id: question.evidence for question in collection.questions}
    for question, results in found.items():
        wanted = {page for page, grade in collection.qrels[question].items() if grade > 0}
        files = {page.split(PAGE)[0] for page in wanted}
        for k in PAGE_DEPTHS:
            some = results[:k]
            pages = {f"{each.filename}{PAGE}{n - 1}" for each in some for n in _page_range(each)}
            texts = [each.text for each in some if each.filename in files]
            values.setdefault(f"page@{k}", {})[question] = float(bool(pages & wanted))
            values.setdefault(f"file@{k}", {})[question] = float(any(each.filename in files for each in some))
            values.setdefault(f"evidence@{k}", {})[question] = _said(evidence[question], texts)
    return values


def _page_range(result: FileChunk) -> range:
    first, last = result.pages or (0, 0)
    return range(first, last + 1)


def _said(evidence: Iterable[str], texts: Iterable[str]) -> float:
    """The share of the evidence's words that are in the texts."""
    wanted = [word for text in evidence for word in _WORD.findall(text.lower())]
    there = {word for text in texts for word in _WORD.findall(text.lower())}
    return float(np.mean([word in there for word in wanted])) if wanted else 0.0


def _stretches(collection: Collection, found: Mapping[str, list[FileChunk]], texts: Mapping[str, str]) -> Values:
    """Characters of the answers among those of the first results: recall, precision and intersection over union.

    Of the first SPAN_RESULTS chunks, and of the first SPAN_TOKENS tokens.
    """
    values: Values = {}
    sources = _corpora(collection)
    for question in collection.questions:
        results = found[question.id]
        wanted = _characters(_placed(question, sources, texts))
        some = [(each.filename, each.start, each.end) for each in results[:SPAN_RESULTS]]
        for of, got in ((f"{SPAN_RESULTS} chunks", some), (f"{SPAN_TOKENS} tokens", first_tokens(results))):
            shared = len(wanted & _characters(got))
            length = sum(end - start for _, start, end in got)
            values.setdefault(f"recall, {of}", {})[question.id] = shared / len(wanted)
            values.setdefault(f"precision, {of}", {})[question.id] = shared / length if length else 0.0
            values.setdefault(f"IoU, {of}", {})[question.id] = shared / (length + len(wanted) - shared)
    return values


def _passages(collection: Collection, found: Mapping[str, list[FileChunk]], texts: Mapping[str, str]) -> Values:
    """A passage as high as the first chunk that has half of it; of those that answer the same, the first one."""
    qrels, ranking = {}, {}
    for question in collection.questions:
        wanted = [(name, *_where(passage, texts[name]), answers) for name, passage, answers in question.passages]
        ranked: dict[str, float] = {}
        for rank, each in enumerate(found[question.id]):
            said = [answers for name, start, end, answers in wanted if _half_in(each, name, start, end)]
            for document in said or [each.chunk_id]:
                ranked.setdefault(document, float(-rank))
        qrels[question.id] = {answers: 1 for *_, answers in wanted}
        ranking[question.id] = ranked
    return _measured(qrels, ranking)


def _judge(
    collection: Collection, texts: Mapping[str, str], sources: Mapping[str, str], question: Question
) -> Callable[[FileChunk], bool]:
    """Whether a chunk is, or has, some of what is judged to answer the question."""
    grades = collection.qrels.get(question.id, {})
    passages = [(name, *_where(said, texts[name])) for name, said, _ in question.passages]
    spans = _placed(question, sources, texts)

    def answers(chunk: FileChunk) -> bool:
        if collection.layout == "documents":
            return grades.get(collection.documents[chunk.filename], 0) > 0
        if collection.layout == "pages":
            return any(grades.get(f"{chunk.filename}{PAGE}{n - 1}", 0) > 0 for n in _page_range(chunk))
        return any(_half_in(chunk, *place) for place in passages) or any(
            chunk.filename == name and chunk.start < end and start < chunk.end for name, start, end in spans
        )

    return answers


def _where(passage: str, text: str) -> tuple[int, int]:
    """Only blanks may differ, and the bars between a table's cells."""
    match = re.search(r"[\s|]+".join(map(re.escape, re.split(r"[\s|]+", passage.strip()))), text)
    assert match, f"{passage:.60} is not in the parsed text"
    return match.span()


def _half_in(chunk: FileChunk, name: str, start: int, end: int) -> bool:
    return chunk.filename == name and 2 * (min(chunk.end, end) - max(chunk.start, start)) >= end - start


def _corpora(collection: Collection) -> dict[str, str]:
    """The texts that spans are counted in."""
    if collection.layout != "spans":
        return {}
    return {path.name: path.read_text(encoding="utf-8") for path in (collection.folder / "corpora").iterdir()}


def first_tokens(results: Iterable[FileChunk]) -> list[tuple[str, int, int]]:
    """The stretches that SPAN_TOKENS pay for; of the last chunk a share of its characters."""
    left, stretches = SPAN_TOKENS, []
    for each in results:
        length = each.end - each.start
        stretches.append((each.filename, each.start, each.start + length * min(left, each.tokens) // each.tokens))
        left -= each.tokens
        if left <= 0:
            break
    return stretches


def _placed(question: Question, sources: Mapping[str, str], texts: Mapping[str, str]) -> list[tuple[str, int, int]]:
    """The spans in the parsed text, which may differ from the file by blanks."""
    placed = []
    for name, start, end in question.spans:
        if sources[name][start:end] == texts[name][start:end]:
            placed.append((name, start, end))
            continue
        placed.append((name, *_where(sources[name][start:end], texts[name])))
    return placed


def _characters(spans: Iterable[tuple[str, int, int]]) -> set[tuple[str, int]]:
    return {(name, i) for name, start, end in spans for i in range(start, end)}
