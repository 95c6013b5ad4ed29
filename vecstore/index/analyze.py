"""Text to index terms, the same for chunks and queries, each with where it stands.

One analyser for all languages: NFKC and lower case, combining marks kept with their letter;
identifiers beside their parts (`FY2018` is fy2018, fy and 2018; `readTimeout` is readtimeout, read
and timeout); runs of Chinese, Japanese and Thai as character bigrams; English stop words dropped;
words stemmed by Snowball, in the language that most of what is written in their script is in, so
that no language has to be guessed and a word is the same term wherever it stands.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import regex
import Stemmer

REVISION = 2  # of what a text's terms are; an index with others is made anew
MAX_TERM_BYTES = 200  # a longer "word" is data, not language; Tantivy's limit is 65,530

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_LETTER = rf"[[\p{{L}}\p{{N}}\p{{M}}]--[{_UNSPACED}]]"
_WORD = regex.compile(rf"(?V1)([{_UNSPACED}ー]+)|{_LETTER}+(?:[_.\-'’/]{_LETTER}+)*")
_ASCII_WORD = re.compile(r"(\b\B)|[A-Za-z0-9]+(?:[_.\-'/][A-Za-z0-9]+)*")  # the same on ASCII text, much faster
_PARTS = regex.compile(r"\p{Lu}+(?!\p{Ll})|\p{Lu}?[\p{Ll}\p{Lo}\p{Lm}\p{M}]+|\p{Lu}|\p{N}+")
_APOSTROPHE = regex.compile(r"['’]s?$")
_STEMMED = {  # the words of a script, and Snowball's language for them
    "english": regex.compile(r"[a-z]+"),
    "russian": regex.compile(r"[\p{Script=Cyrillic}\p{M}]+"),
    "hindi": regex.compile(r"[\p{Script=Devanagari}\p{M}]+"),
    "arabic": regex.compile(r"[\p{Script=Arabic}\p{M}]+"),
    "greek": regex.compile(r"[\p{Script=Greek}\p{M}]+"),
    "tamil": regex.compile(r"[\p{Script=Tamil}\p{M}]+"),
    "armenian": regex.compile(r"[\p{Script=Armenian}\p{M}]+"),
}

# The words that Lucene's EnglishAnalyzer drops, and the question words of search boxes.
_STOP = frozenset(
    "a an and are as at be but by for if in into is it no not of on or such that the their then there these they "
    "this to was will with what which who how when where why do does did i we you our your my me can".split()
)


@dataclass(frozen=True, slots=True)
class Token:
    """An index term and the stretch of the text that it stands for."""

    term: str
    start: int
    end: int


def analyze(text: str, *, only: Collection[str] | None = None) -> list[Token]:
    """The tokens of `text` in reading order, a word's parts after the word; those with a term of `only`, if given."""
    return [
        Token(term, match.start() + first, match.start() + end)
        for match in _matches(text)
        for term, first, end in _pieces(match)
        if only is None or term in only
    ]


def terms(text: str) -> list[str]:
    """Only the terms."""
    return [term for match in _matches(text) for term, _, _ in _pieces(match)]


def _matches(text: str) -> Iterator[Any]:
    return (_ASCII_WORD if text.isascii() else _WORD).finditer(text)


def _pieces(match: Any) -> Sequence[tuple[str, int, int]]:
    """Terms of one word, or of one run of unspaced script, with their place in it."""
    return _bigrams(match.group()) if match.lastindex else _word_terms(match.group())


def _bigrams(run: str) -> list[tuple[str, int, int]]:
    if len(run) == 1:
        return [(_normal(run), 0, 1)]
    return [(_normal(run[i : i + 2]), i, i + 2) for i in range(len(run) - 1)]


@lru_cache(maxsize=1 << 16)
def _word_terms(word: str) -> tuple[tuple[str, int, int], ...]:
    bare = _APOSTROPHE.sub("", word)
    found: dict[tuple[str, int, int], None] = {}
    parts = [(part.group(), part.start(), part.end()) for part in _PARTS.finditer(bare)]
    for piece, first, end in [(bare, 0, len(bare)), *(parts if len(parts) > 1 else ())]:
        term = _stem(_normal(piece))
        if term and (piece is bare or len(piece) > 1 or piece.isdigit()) and _indexable(term):
            found[term, first, end] = None
    return tuple(found)


def _indexable(term: str) -> bool:
    return term not in _STOP and len(term.encode()) <= MAX_TERM_BYTES and not any(map(str.isspace, term))


def _normal(piece: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", piece).lower()).replace("’", "'")


_local = threading.local()  # a Snowball stemmer is not thread-safe


def _stem(word: str) -> str:
    if word in _STOP:
        return word
    for language, words in _STEMMED.items():
        if words.fullmatch(word):
            return str(_stemmer(language).stemWord(word)) or word
    return word


def _stemmer(language: str) -> Any:
    stemmers: dict[str, Any] = _local.__dict__
    if language not in stemmers:
        stemmers[language] = Stemmer.Stemmer(language)
    return stemmers[language]
