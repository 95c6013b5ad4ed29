"""The keyword index: BM25 with Tantivy. The only module that knows it.

What a chunk says, what names it (its file, the headings above it, its table's header) and the stems of its own language
are fields, each with its own statistics; a chunk's BM25 is that of the first and the last and a share of the second's.
A phrase, terms with PHRASE between them, is looked for in what a chunk says, where they must follow each other. Two
with NEAR between them find nothing by themselves: what is found earns a little more where they stand near each other.

User text never reaches Tantivy's query parser, which can crash or be made to search other fields:
it is analysed into terms, and the boolean query is built from those.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tantivy

from vecstore.changes import IndexedChunk
from vecstore.errors import IndexFailedError
from vecstore.index.analyze import NATIVE, NEAR, PHRASE, REVISION, native_terms, terms
from vecstore.index.language import SNOWBALL, language_of
from vecstore.types import FloatArray, IntArray

BM25_K1 = 1.2  # fixed inside Tantivy
_HEAP_BYTES = 64 << 20  # more than one group of files needs, so that a commit makes one segment
PHRASE_WEIGHT = 2.0  # of a phrase, beside its words' own: whoever quotes it wants it said so
CONTEXT_WEIGHT = 0.3  # of a word in what names a chunk, beside 1 in what it says; chosen by `bench quality` on dev sets
NEAR_SHARE = 0.2  # by which BM25 grows where all are near that should be; chosen as CONTEXT_WEIGHT was
NEAR_WORDS = 8  # between them at most; two fewer where they stand the other way round
_STEPS = 1_024  # to 1, of what two words weigh: whole numbers, of which the sum is the same in every order
_RARE = 1_000  # chunks; two words that are both in more of them say little by being near, and take long to look for
_BODY, _CONTEXT, _NATIVE = f"body{REVISION}", f"context{REVISION}", f"native{REVISION}"
_CHUNK, _MEMBER = "chunk", "member"
_REMOVED = "removed.json"  # there once a chunk was taken out
_FEW = 1_000
_SIFTED = 8  # times the hits that are wanted, among which those of many members are looked for


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    for field, option in ((_BODY, "position"), (_CONTEXT, "freq"), (_NATIVE, "freq")):
        builder.add_text_field(field, tokenizer_name="whitespace", index_option=option)
    builder.add_unsigned_field(_CHUNK, indexed=True, fast=True)
    builder.add_unsigned_field(_MEMBER, indexed=True, fast=True)
    return builder.build()


class KeywordIndex:
    """Chunks by their words. `write` is seen by searches only after `refresh`. Searching is thread-safe.

    A write may leave segments to be merged, which goes on beside searches until `settle`.
    """

    def __init__(self, folder: Path | None) -> None:
        """Opens the index in `folder`, or makes an empty one there; an empty one in memory without a folder."""
        self._schema = _schema()
        with _failing_cleanly(folder):
            if folder is None:
                self._index = tantivy.Index(self._schema)
            else:
                folder.mkdir(parents=True, exist_ok=True)
                self._index = tantivy.Index(self._schema, path=str(folder))
            # tokenizers are not kept on disk
            self._index.register_tokenizer(
                "whitespace", tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
            )
            self._index.config_reader(reload_policy="manual")
        self._folder = folder
        self._merging: Any = None  # the writer that is at it
        self._as_opened: dict[Path, tuple[int, int] | None] = {}
        self.refresh()

    def write(self, removed: Sequence[int], added: Iterable[IndexedChunk]) -> None:
        """Commits: members out first, then chunks in. In memory nothing can be taken out.

        Settles before: the same history makes the same segments, and so the same statistics. Raises IndexFailedError,
        as `check_untouched`: what was changed would be merged, and vouched for.
        """
        self.settle()
        self.check_untouched()
        if removed and self._folder is None and self._searcher.num_docs:
            raise IndexFailedError("an index in memory takes nothing out; it is made anew")
        with _failing_cleanly(self._folder):
            writer = self._index.writer(heap_size=_HEAP_BYTES, num_threads=1)
            if removed and self._folder is not None and self._segments():
                (self._folder / _REMOVED).write_text("true")
                # by query: deleting by term matches nothing in an unsigned field
                writer.delete_documents_by_query(tantivy.Query.term_set_query(self._schema, _MEMBER, list(removed)))
            for chunk in added:
                document = tantivy.Document()
                document.add_unsigned(_CHUNK, chunk.number)
                document.add_unsigned(_MEMBER, chunk.member)
                document.add_text(_BODY, " ".join(terms(chunk.text)))
                document.add_text(_CONTEXT, " ".join(terms(chunk.header)))
                if language := language_of(chunk.text):
                    document.add_text(_NATIVE, " ".join([language, *native_terms(chunk.text, language)]))
                writer.add_document(document)
            writer.commit()
            self._merging = writer

    def settle(self) -> bool:
        """Waits until the segments are merged that the last write left to be; whether it left any.

        Searches see the new ones after `refresh`; the old ones are as good.
        """
        writer, self._merging = self._merging, None
        if writer is not None:
            with _failing_cleanly(self._folder):
                writer.wait_merging_threads()
        return writer is not None

    def refresh(self) -> None:
        """Lets searches see what was written."""
        with _failing_cleanly(self._folder):
            segments = self._reloaded()
            self._searcher = self._index.searcher()
            # deleted ones too
            self._indexed = sum(segments.values()) if self._folder is not None else self._searcher.num_docs
            known = self._as_opened  # what has changed since is not forgotten
            self._as_opened = {path: known.get(path) or _state(path) for path in self._files_of(segments)}
        self._languages = [name for name in SNOWBALL.values() if self._df(_NATIVE, name)]

    def check_untouched(self) -> None:
        """Raises IndexFailedError where somebody has written to a file that is mapped into memory."""
        for path, state in self._as_opened.items():
            if _state(path) not in (state, None):  # a merged segment is removed, and still mapped
                raise IndexFailedError(f"{path} was changed while it was open")

    @property
    def languages(self) -> Sequence[str]:
        """Those that some chunks are in beside English, by Snowball's names."""
        return self._languages

    def search(self, words: Sequence[str], k: int, members: IntArray | None) -> tuple[IntArray, FloatArray]:
        """The `k` best chunks that hold any of the words: numbers (m,), BM25 (m,), best first, ties by number."""
        if not words or self._searcher.num_docs == 0:
            return _nothing()
        query = self._any(words)
        if members is None:
            return self._run(query, k)
        found = self._sifted(query, k, members) if len(members) > _FEW else None
        return self._run(self._filtered(query, _MEMBER, members), k) if found is None else found

    def score(self, words: Sequence[str], numbers: IntArray) -> FloatArray:
        """BM25 of each of these chunks (m,); 0 for one that holds none of the words."""
        scores = np.zeros(len(numbers), np.float32)
        if words and len(numbers):
            found, bm25 = self._run(self._filtered(self._any(words), _CHUNK, numbers), len(numbers))
            order = np.argsort(numbers)
            scores[order[np.searchsorted(numbers, found, sorter=order)]] = bm25
        return scores

    def closeness(self, words: Sequence[str], numbers: IntArray) -> FloatArray:
        """How much (m,), 0 to 1, of what words should be near each other are so in each of these chunks, ascending.

        Two words weigh what they are worth. Tantivy looks for these apart from the search, in which it would have to
        score every chunk that holds a word; how often two are near it counts differently in other segments.
        """
        shares = np.zeros(len(numbers), np.float32)
        holding = {word: [self._df(_BODY, each) for each in word.split(NEAR)] for word in words if NEAR in word}
        rare = {word: min(counts) for word, counts in holding.items() if 0 < min(counts) <= _RARE}
        if rare and len(numbers):
            n = self._searcher.num_docs
            wanted = {word: round(_STEPS * sum(_idf(n, df) for df in counts)) for word, counts in holding.items()}
            near = [(tantivy.Occur.Should, self._near(word, wanted[word])) for word in rare]
            found, sums = self._run(tantivy.Query.boolean_query(near), sum(rare.values()))
            at = np.minimum(np.searchsorted(numbers, found), len(numbers) - 1)
            there = numbers[at] == found
            shares[at[there]] = sums[there] / sum(wanted.values())
        return shares

    def highest(self, words: Sequence[str]) -> FloatArray:
        """The BM25 that each word can give at most, when it is said endlessly often."""
        return np.array([self._highest(word) for word in words], np.float32)

    @property
    def chunks(self) -> int:
        """How many are in the index."""
        return int(self._searcher.num_docs)

    @property
    def deleted_share(self) -> float:
        """How much of the index is deleted chunks, 0 to 1."""
        return 1 - self._searcher.num_docs / self._indexed if self._indexed else 0.0

    @property
    def has_removed(self) -> bool:
        """Whether the statistics are not quite those of what is there.

        They count what was taken out until it is merged away, and from then on the words of the rest are an estimate
        of Tantivy's.
        """
        return self._folder is not None and (self._folder / _REMOVED).exists()

    def files(self) -> list[Path]:
        """The files that make up the last commit, once it is settled; none of an index in memory."""
        if self._folder is None:
            return []
        return [*sorted(self._folder.glob("*.json")), *self._files_of(self._segments())]

    def _reloaded(self) -> Mapping[str, int]:
        """The segments that searches see from now on. A merge may end meanwhile: then it is looked at again."""
        while True:
            segments = self._segments()
            self._index.reload()
            if self._segments() == segments:
                return segments

    def _segments(self) -> Mapping[str, int]:
        """Those of the last commit as their files are called, each with its number of chunks, deleted ones too."""
        if self._folder is None:
            return {}
        with _failing_cleanly(self._folder):
            segments = json.loads((self._folder / "meta.json").read_bytes())["segments"]
        return {segment["segment_id"].replace("-", ""): segment["max_doc"] for segment in segments}

    def _files_of(self, segments: Collection[str]) -> list[Path]:
        """Without those of a merge under way."""
        if self._folder is None:
            return []
        return sorted(path for path in self._folder.iterdir() if path.name.partition(".")[0] in segments)

    def chunk_numbers(self) -> IntArray:
        """Every chunk in the index, ascending, as often as it is there."""
        searcher = self._searcher
        if searcher.num_docs == 0:
            return np.empty(0, np.int64)
        with _failing_cleanly(self._folder):
            hits = searcher.search(tantivy.Query.all_query(), limit=searcher.num_docs, count=False).hits
            return np.sort(self._values(_CHUNK, hits))

    def _highest(self, word: str) -> float:
        """A word that names nothing could add nothing there, nor a stem of a language in which nothing has it.

        Nor could a phrase that nothing says. What words earn by being near each other comes on top of it.
        """
        if NEAR in word:
            return 0.0
        if NATIVE in word or PHRASE in word:
            (field,) = _fields(word)
            weight = PHRASE_WEIGHT if PHRASE in word else 1.0
            return weight * self._idf(field, word) * (BM25_K1 + 1) if self._df(field, word) else 0.0
        named = self._df(_CONTEXT, word)
        context = _idf(self._searcher.num_docs, named) if named else 0.0
        return (self._idf(_BODY, word) + CONTEXT_WEIGHT * context) * (BM25_K1 + 1)

    def _idf(self, field: str, word: str) -> float:
        """Of the chunks that are there, whatever was deleted before; of a phrase, all its words' together."""
        return sum(_idf(self._searcher.num_docs, self._df(field, each)) for each in word.split(PHRASE))

    def _indexed_idf(self, field: str, word: str) -> float:
        """As Tantivy has it."""
        return sum(_idf(self._indexed, self._indexed_df(field, each)) for each in word.split(PHRASE))

    def _df(self, field: str, word: str) -> int:
        """In how many of the chunks that are there the word is."""
        if PHRASE not in word:
            df = self._indexed_df(field, word)
            if not df or self._indexed == self._searcher.num_docs:
                return df
        with _failing_cleanly(self._folder):
            return int(self._searcher.search(self._term(field, word), limit=1, count=True).count)

    def _indexed_df(self, field: str, word: str) -> int:
        """In how many chunks the word is, deleted ones too."""
        with _failing_cleanly(self._folder):
            return int(self._searcher.doc_freq(field, word))

    def _term(self, field: str, word: str) -> tantivy.Query:
        if PHRASE in word:
            return tantivy.Query.phrase_query(self._schema, field, word.split(PHRASE))
        return tantivy.Query.term_query(self._schema, field, word, index_option="freq")

    def _any(self, words: Sequence[str]) -> tantivy.Query:
        weighted = [self._weighted(field, word) for word in words for field in _fields(word)]
        return tantivy.Query.boolean_query([(tantivy.Occur.Should, query) for query in weighted])

    def _weighted(self, field: str, word: str) -> tantivy.Query:
        """Tantivy counts deleted chunks in its idf until it drops them; what is there now should decide."""
        weight = PHRASE_WEIGHT if PHRASE in word else CONTEXT_WEIGHT if field == _CONTEXT else 1.0
        if self._indexed > self._searcher.num_docs:
            weight *= self._idf(field, word) / self._indexed_idf(field, word)
        term = self._term(field, word)
        return term if weight == 1 else tantivy.Query.boost_query(term, weight)

    def _near(self, word: str, weight: int) -> tantivy.Query:
        together = tantivy.Query.phrase_query(self._schema, _BODY, word.split(NEAR), slop=NEAR_WORDS)
        return tantivy.Query.const_score_query(together, weight)

    def _filtered(self, query: tantivy.Query, field: str, values: IntArray) -> tantivy.Query:
        among = self._one_of(field, values.tolist())
        unscored = tantivy.Query.const_score_query(among, 0.0)
        return tantivy.Query.boolean_query([(tantivy.Occur.Must, query), (tantivy.Occur.Must, unscored)])

    def _one_of(self, field: str, values: list[int]) -> tantivy.Query:
        """Few are looked up one by one, four times as fast as by an automaton of them; for many it is the other way."""
        if len(values) > _FEW:
            return tantivy.Query.term_set_query(self._schema, field, values)
        each = (tantivy.Query.term_query(self._schema, field, value, index_option="basic") for value in values)
        return tantivy.Query.boolean_query([(tantivy.Occur.Should, query) for query in each])

    def _run(self, query: tantivy.Query, k: int) -> tuple[IntArray, FloatArray]:
        searcher, limit = self._searcher, k + k // 4 + 1
        with _failing_cleanly(self._folder):
            hits = searcher.search(query, limit=limit, count=False).hits
            # Tantivy cuts equal scores by where they lie; all of them are needed to cut them by number
            while len(hits) == limit and hits[-1][0] == hits[k - 1][0]:
                limit *= 4
                hits = searcher.search(query, limit=limit, count=False).hits
            return self._best(hits, k)

    def _sifted(self, query: tantivy.Query, k: int, members: IntArray) -> tuple[IntArray, FloatArray] | None:
        """As `_run` among these members, of whom there are many: those of theirs among the best chunks of all.

        None where these are too few to tell.
        """
        limit = _SIFTED * k
        with _failing_cleanly(self._folder):
            hits = self._searcher.search(query, limit=limit, count=False).hits
            owners = self._values(_MEMBER, hits)
            theirs = [hit for hit, allowed in zip(hits, np.isin(owners, members).tolist(), strict=True) if allowed]
            if len(hits) == limit and (len(theirs) < k or theirs[k - 1][0] == hits[-1][0]):
                return None  # others of theirs may be as good
            return self._best(theirs, k)

    def _best(self, hits: Sequence[Any], k: int) -> tuple[IntArray, FloatArray]:
        """The first `k`, ties by number."""
        numbers, scores = self._values(_CHUNK, hits), np.array([score for score, _ in hits], np.float32)
        order = np.lexsort((numbers, -scores))[:k]
        return numbers[order], scores[order]

    def _values(self, field: str, hits: Sequence[Any]) -> IntArray:
        values = self._searcher.fast_field_values(field, [address for _, address in hits])
        if None in values:
            raise ValueError(f"a chunk has no {field} any more")
        return np.array(values, np.int64)


def _fields(word: str) -> Sequence[str]:
    """Where a search looks for it."""
    if NEAR in word:
        return ()
    if PHRASE in word:
        return (_BODY,)
    return (_NATIVE,) if NATIVE in word else (_BODY, _CONTEXT)


def _idf(n: int, df: int) -> float:
    """As Tantivy computes it, for `df` of `n` chunks."""
    return math.log1p((max(n - df, 0) + 0.5) / (df + 0.5))


def _state(path: Path) -> tuple[int, int] | None:
    """What writing to a file changes; None if it is gone."""
    try:
        found = os.stat(path)  # noqa: PTH116 - half the time of the path's own, and every search asks
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns


def _nothing() -> tuple[IntArray, FloatArray]:
    return np.empty(0, np.int64), np.empty(0, np.float32)


@contextmanager
def _failing_cleanly(folder: Path | None) -> Iterator[None]:
    """Tantivy raises ValueError for its own errors, and on damage a panic that `except Exception` misses."""
    where = folder or "memory"
    try:
        yield
    except (ValueError, OSError) as error:
        raise IndexFailedError(f"the keyword index in {where} failed: {error}") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise IndexFailedError(f"the keyword index in {where} is damaged: {error}") from error
