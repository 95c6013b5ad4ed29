"""The language of a text in Latin letters, where it is surely another than English."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable
from functools import cache, lru_cache
from typing import Any

import regex

SNOWBALL = {  # by ISO 639-1: languages in Latin letters that Snowball stems
    "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "es": "spanish", "fi": "finnish", "fr": "french",
    "hu": "hungarian", "it": "italian", "nl": "dutch", "no": "norwegian", "pl": "polish", "pt": "portuguese",
    "ro": "romanian", "sv": "swedish", "tr": "turkish",
}  # fmt: skip
SURE = 0.6  # of 1; below it a text is taken as English, whose stems every text has anyway
SURE_OF_QUERY = 0.8
LOOKED_AT = 1_000  # characters: more tell no more, and cost as much again
_ENGLISH = frozenset(
    "the of and to in is that for it as was with be by on not this are or from at which have has an had were".split()
)
_ENGLISH_SHARE = 0.15  # of the words; no other language has so many of these ...
_FEW = 16  # ... but in a sentence or two, where one is enough; so it has to be one of those that no other one has
_ENGLISH_ALONE = frozenset("the and that with this from which were what how does when who where why".split())
_loading = threading.Lock()
_LETTERS, _LATIN = regex.compile(r"\p{L}"), regex.compile(r"\p{Script=Latin}")


def language_of(text: str) -> str | None:
    """Snowball's name of the language; None for English, other scripts, and what is surely none of these."""
    name, share = _classified(text[:LOOKED_AT])
    return name if share >= SURE else None


def language_of_query(text: str, present: Collection[str]) -> str | None:
    """The one of the languages that chunks are in which a question surely is in: English ones have names in others."""
    if not present:  # nothing is loaded for it
        return None
    name, share = _classified(text[:LOOKED_AT])
    return name if share >= SURE_OF_QUERY and name in present else None


def languages_of_query(text: str, present: Collection[str]) -> Collection[str]:
    """Which of the languages that chunks are in a question may be in: a word or two seldom tell, so it may be any."""
    if not present:
        return ()
    name, share = _classified(text[:LOOKED_AT])
    return present if share < SURE else tuple(each for each in present if each == name)


@lru_cache(maxsize=64)  # a search asks more than once
def _classified(text: str) -> tuple[str | None, float]:
    """Snowball's name, None for English and other scripts, and how likely it is that."""
    if not _needs_identifier(text):
        return None, 1.0
    code, share = _identifier().classify(text)
    return SNOWBALL.get(code), float(share)


def _needs_identifier(text: str) -> bool:
    return not _plainly_english(text) and _mostly_latin(text)


def _plainly_english(text: str) -> bool:
    words = text.lower().split()
    known = _ENGLISH_ALONE if len(words) < _FEW else _ENGLISH
    return bool(words) and sum(map(known.__contains__, words)) >= _ENGLISH_SHARE * len(words)


def _mostly_latin(text: str) -> bool:
    if text.isascii():
        return any(map(str.isalpha, text))
    letters = len(_LETTERS.findall(text))
    return bool(letters) and 2 * len(_LATIN.findall(text)) >= letters


def load_for(texts: Iterable[str]) -> None:
    """Loads now, while nobody waits for it, what `language_of` will need for any of these."""
    if not _loaded.cache_info().currsize and any(_needs_identifier(text[:LOOKED_AT]) for text in texts):
        _identifier()


def warm_up() -> threading.Thread:
    """Loads meanwhile what `languages_of_query` needs, so that the first question need not wait for all of it."""
    thread = threading.Thread(target=_identifier, name="vecstore-languages", daemon=True)
    thread.start()
    return thread


def _identifier() -> Any:
    with _loading:
        return _loaded()


@cache
def _loaded() -> Any:
    """In about half a second, and only when a text is not plainly English, or a vector store has such texts."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(["en", *SNOWBALL])
    return identifier
