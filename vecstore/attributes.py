"""What OpenAI allows in `attributes` and `metadata`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TypeAlias

from vecstore.errors import InvalidRequestError

AttributeValue: TypeAlias = str | float | bool
Attributes: TypeAlias = Mapping[str, AttributeValue]

MAX_PAIRS = 16  # OpenAI: VectorStoreFileAttributes
MAX_KEY_CHARS = 64
MAX_STRING_CHARS = 512
MAX_NAME_CHARS = 256
MAX_DESCRIPTION_CHARS = 4_096
MAX_FILENAME_CHARS = 1_024
MAX_NUMBER = sys.float_info.max


def checked_attributes(attributes: Attributes | None, *, param: str = "attributes") -> dict[str, AttributeValue]:
    """A plain copy; None counts as empty. Raises InvalidRequestError naming the key and the limit."""
    if attributes is None:
        return {}
    if not isinstance(attributes, Mapping):
        raise InvalidRequestError(param, f"must be a mapping of keys to values, not {type(attributes).__name__}")
    if len(attributes) > MAX_PAIRS:
        raise InvalidRequestError(param, f"may have at most {MAX_PAIRS} keys, not {len(attributes)}")
    for key, value in attributes.items():
        _check_pair(param, key, value)
    return dict(attributes)


def check_password(password: str) -> None:
    """Raises InvalidRequestError; the value is not told."""
    if not isinstance(password, str):
        raise InvalidRequestError("password", f"must be a string, not {type(password).__name__}")


def checked_metadata(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """As attributes, with strings only."""
    pairs = checked_attributes(metadata, param="metadata")
    for key, value in pairs.items():
        if not isinstance(value, str):
            raise InvalidRequestError("metadata", f"[{key!r}] must be a string, not {type(value).__name__}")
    return {key: str(value) for key, value in pairs.items()}


def checked_name(name: str, *, least_chars: int = 0) -> str:
    """A name as it is stored; that of a vector store may be empty. Raises InvalidRequestError."""
    if not isinstance(name, str) or not least_chars <= len(name) <= MAX_NAME_CHARS:
        limit = f"{least_chars} to {MAX_NAME_CHARS} characters"
        raise InvalidRequestError("name", f"must be a string of {limit}, not {name!r:.80}")
    return storable_text(name)


def checked_description(description: str | None) -> str | None:
    """A vector store's description as it is stored. Raises InvalidRequestError."""
    if description is None:
        return None
    if not isinstance(description, str) or len(description) > MAX_DESCRIPTION_CHARS:
        limit = f"a string of up to {MAX_DESCRIPTION_CHARS} characters"
        raise InvalidRequestError("description", f"must be {limit}, not {description!r:.80}")
    return storable_text(description)


def checked_text(param: str, value: str, *, most_chars: int = MAX_NAME_CHARS) -> str:
    """A string that is not empty, as it is stored. Raises InvalidRequestError."""
    if not isinstance(value, str) or not value:
        raise InvalidRequestError(param, f"must be a string that is not empty, not {value!r:.80}")
    if len(value) > most_chars:
        raise InvalidRequestError(param, f"may have {most_chars:,} characters, not {len(value):,}")
    return storable_text(value)


def checked_filename(filename: str) -> str:
    """A file's name, or its path below a folder, as it is stored. Raises InvalidRequestError."""
    return checked_text("filename", filename, most_chars=MAX_FILENAME_CHARS)


def storable_text(text: str) -> str:
    """The text with what UTF-8 cannot hold replaced; such names come from odd file systems."""
    return text.encode(errors="replace").decode()


def _check_pair(param: str, key: object, value: object) -> None:
    if not isinstance(key, str) or not 1 <= len(key) <= MAX_KEY_CHARS:
        raise InvalidRequestError(param, f"key {key!r} must be a string of 1 to {MAX_KEY_CHARS} characters")
    if not isinstance(value, str | bool | int | float):
        raise InvalidRequestError(
            param, f"[{key!r}] must be a string, a number or a boolean, not {type(value).__name__}"
        )
    if isinstance(value, str) and len(value) > MAX_STRING_CHARS:
        raise InvalidRequestError(param, f"[{key!r}] may have at most {MAX_STRING_CHARS} characters, not {len(value)}")
    if (isinstance(value, str) and storable_text(value) != value) or storable_text(key) != key:
        raise InvalidRequestError(param, f"[{key!r}] must be Unicode text, not {value!r}")
    if isinstance(value, int | float) and not abs(value) <= MAX_NUMBER:
        raise InvalidRequestError(param, f"[{key!r}] must be a finite number, at most {MAX_NUMBER:.1e}")
