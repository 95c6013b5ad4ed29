"""Text to index terms, the same for chunks and queries, each with where it stands.

One analyser for all languages: NFKC and lower case, combining marks kept with their letter;
identifiers beside their parts (`FY2018` is fy2018, fy and 2018; `readTimeout` is readtimeout, read
and timeout); runs of Chinese, Japanese and Thai as character bigrams; English stop words dropped;
words stemmed by Snowball, in the language that most of what is written in their script is in, so
that no language has to be guessed and a word is the same term wherever it stands. What is surely in
another language of Latin letters has the stems of that language as well, as terms of their own.
"""

from __future__ import annotations

import operator
import re
import threading
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, pairwise, repeat
from string import ascii_lowercase
from typing import Any

import regex
import Stemmer

REVISION = 6  # of what a text's terms are; an index with others is made anew
NATIVE = "~"  # between a language and a stem in it: `german~haus`; no other term has it
PHRASE = " "  # between the terms of a phrase; no term has it
NEAR = "|"  # between two terms that should be near each other; no term has it
MAX_TERM_BYTES = 200  # a longer "word" is data, not language; Tantivy's limit is 65,530

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_LETTER = rf"[[\p{{L}}\p{{N}}\p{{M}}]--[{_UNSPACED}]]"
_WORD = regex.compile(rf"(?V1)([{_UNSPACED}ー]+)|{_LETTER}+(?:[_.\-'’/]{_LETTER}+)*")
_RUNS_AND_WORDS = regex.compile(rf"(?V1)([{_UNSPACED}ー]+)|({_LETTER}+(?:[_.\-'’/]{_LETTER}+)*)")
_JOINERS = "_.-'/"
_ASCII_WORDS = re.compile(
    rf"[A-Za-z0-9]+(?:[{re.escape(_JOINERS)}][A-Za-z0-9]+)*"
)  # the same on ASCII text, much faster
_ASCII_WORD = re.compile(rf"(\b\B)|{_ASCII_WORDS.pattern}")
_start = operator.methodcaller("start")
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
_LATIN_WORD = regex.compile(r"[\p{Script=Latin}\p{M}]+")

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
    """The tokens of `text` in reading order, a word's parts after the word; those with a term of `only`, if given.

    Native ones are given only if `only` has such.
    """
    if only is None:
        return [
            Token(term, match.start() + first, match.start() + end)
            for match in _matches(text)
            for term, first, end in _pieces(match)
        ]
    saying = _saying(frozenset(only))
    return [
        Token(term, match.start() + first, match.start() + end)
        for match in _matches_of(text, saying)
        for pieces in (_pieces(match), *(_native(match, language) for language in saying.languages))
        for term, first, end in pieces
        if term in only
    ]


def terms(text: str) -> list[str]:
    """Only the terms, in the same order."""
    if text.isascii():
        return list(chain.from_iterable(map(_terms_of_word, _ASCII_WORDS.findall(text))))
    found: list[str] = []
    for run, word in _RUNS_AND_WORDS.findall(text):
        found += [term for term, _, _ in _bigrams(run)] if run else _terms_of_word(word)
    return found


def native_terms(text: str, language: str) -> list[str]:
    """The stems of the words of Latin letters in their own language, by Snowball's name for it."""
    return list(chain.from_iterable(map(_native_terms_of_word, _words(text), repeat(language))))


def neighbours(text: str) -> list[str]:
    """Every two terms that follow each other, with NEAR between them; not bigrams, which overlap as it is."""
    said = chain.from_iterable(map(_terms_of_word, _words(text)))
    return [NEAR.join(pair) for pair in pairwise(said) if pair[0] != pair[1]]


def _matches(text: str) -> Iterator[Any]:
    return (_ASCII_WORD if text.isascii() else _WORD).finditer(text)


class _Saying(dict[str, bool]):
    """Whether one of the terms is a word's; of each word that was asked about, since few are distinct."""

    def __init__(self, only: frozenset[str]) -> None:
        super().__init__()
        self._only = only
        self._begins = frozenset(chain.from_iterable(map(_beginnings, only)))
        self.languages = {term.partition(NATIVE)[0] for term in only if NATIVE in term}

    def __missing__(self, word: str) -> bool:
        said = [_terms_of_word(word), *(_native_terms_of_word(word, language) for language in self.languages)]
        self[word] = not all(map(self._only.isdisjoint, said))
        return self[word]

    def likely(self, words: Collection[str]) -> Collection[str]:
        """Those of ASCII words that may say it: most others of English are told apart by two letters."""
        if self.languages:
            return words
        begins = self._begins
        return [word for word in words if word[:2] in begins or not (word.isalpha() and word.islower())]


@lru_cache(maxsize=64)
def _saying(only: frozenset[str]) -> _Saying:
    return _Saying(only)


def _matches_of(text: str, saying: _Saying) -> list[Any]:
    """Those of which a term is asked for: found by the distinct words, which are few of them."""
    if text.isascii():
        words = [word for word in saying.likely(set(_ASCII_WORDS.findall(text))) if saying[word]]
        return sorted((match for word in words for match in _ascii_matches(text, word)), key=_start)
    return [match for match in _WORD.finditer(text) if match.lastindex or saying[match[0]]]


def _beginnings(term: str) -> Iterable[str]:
    """The first two letters of the lower-case English words that may have this stem: nearly always its own."""
    if len(term) == 1:
        return (term, *(f"{term}{letter}" for letter in ascii_lowercase))
    return (term[:2], f"{term[0]}y") if term[1:] == "ie" else (term[:2],)  # `dying` is die


def _ascii_matches(text: str, word: str) -> Iterator[Any]:
    """Where the whole word stands in ASCII text; what is rare is quicker looked for than met on the way."""
    at = text.find(word)
    while at >= 0:
        joined = at > 1 and text[at - 1] in _JOINERS and text[at - 2].isalnum()
        if not joined and not (at and text[at - 1].isalnum()):
            match = _ASCII_WORD.match(text, at)
            if match is not None and match[0] == word:
                yield match
        at = text.find(word, at + 1)


def _words(text: str) -> list[str]:
    """But for runs of unspaced script."""
    if text.isascii():
        return _ASCII_WORDS.findall(text)
    return [word for _, word in _RUNS_AND_WORDS.findall(text) if word]


def _pieces(match: Any) -> Sequence[tuple[str, int, int]]:
    """Terms of one word, or of one run of unspaced script, with their place in it."""
    return _bigrams(match.group()) if match.lastindex else _word_terms(match.group())


def _native(match: Any, language: str) -> Sequence[tuple[str, int, int]]:
    return () if match.lastindex else _native_word_terms(match.group(), language)


def _bigrams(run: str) -> list[tuple[str, int, int]]:
    if len(run) == 1:
        return [(_normal(run), 0, 1)]
    return [(_normal(run[i : i + 2]), i, i + 2) for i in range(len(run) - 1)]


@lru_cache(maxsize=1 << 16)
def _word_terms(word: str) -> tuple[tuple[str, int, int], ...]:
    found = ((_stem(_normal(piece)), first, end) for piece, first, end in _whole_and_parts(word))
    return tuple(dict.fromkeys(each for each in found if _indexable(each[0])))


@lru_cache(maxsize=1 << 16)
def _terms_of_word(word: str) -> tuple[str, ...]:
    return tuple(term for term, _, _ in _word_terms(word))


@lru_cache(maxsize=1 << 16)
def _native_terms_of_word(word: str, language: str) -> tuple[str, ...]:
    return tuple(term for term, _, _ in _native_word_terms(word, language))


@lru_cache(maxsize=1 << 16)
def _native_word_terms(word: str, language: str) -> tuple[tuple[str, int, int], ...]:
    pieces = ((_normal(piece), first, end) for piece, first, end in _whole_and_parts(word))
    stem = _stemmer(language).stemWord
    return tuple(
        dict.fromkeys(
            (f"{language}{NATIVE}{stem(piece)}", first, end)
            for piece, first, end in pieces
            if _LATIN_WORD.fullmatch(piece) and _indexable(piece)
        )
    )


def _whole_and_parts(word: str) -> list[tuple[str, int, int]]:
    """The word without its 's, and the parts of an identifier that say something, each with its place."""
    bare = _APOSTROPHE.sub("", word)
    parts = [(part.group(), part.start(), part.end()) for part in _PARTS.finditer(bare)]
    saying = [part for part in parts if len(part[0]) > 1 or part[0].isdigit()]
    return [(bare, 0, len(bare)), *(saying if len(parts) > 1 else ())]


def _indexable(term: str) -> bool:
    return bool(term) and term not in _STOP and len(term.encode()) <= MAX_TERM_BYTES and not any(map(str.isspace, term))


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
