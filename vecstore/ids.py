"""Ids in the forms that OpenAI's clients know."""

from __future__ import annotations

import re
import secrets
import string

_BASE62 = string.digits + string.ascii_letters
_MAX_DIGITS = 18  # of what SQLite holds
_CHUNK_PREFIX = "chunk_"


def new_file_id() -> str:
    """`file-` and 24 random base62 characters."""
    return "file-" + "".join(secrets.choice(_BASE62) for _ in range(24))


def is_file_id(given: str) -> bool:
    """Whether it could be one of `new_file_id`."""
    return re.fullmatch(r"file-[0-9A-Za-z]{1,64}", given) is not None


def new_vector_store_id() -> str:
    """`vs_` and 32 random hexadecimal digits."""
    return "vs_" + secrets.token_hex(16)


def new_batch_id() -> str:
    """`vsfb_` and 32 random hexadecimal digits."""
    return "vsfb_" + secrets.token_hex(16)


def new_upload_id() -> str:
    """`upload_` and 32 random hexadecimal digits."""
    return "upload_" + secrets.token_hex(16)


def new_part_id() -> str:
    """`part_` and 32 random hexadecimal digits."""
    return "part_" + secrets.token_hex(16)


def new_project_id() -> str:
    """`proj_` and 24 random base62 characters."""
    return "proj_" + "".join(secrets.choice(_BASE62) for _ in range(24))


def new_key_id() -> str:
    """`key_` and 24 random base62 characters."""
    return "key_" + "".join(secrets.choice(_BASE62) for _ in range(24))


def chunk_id(number: int) -> str:
    """The public form of a chunk's number; numbers grow with time and are never used twice."""
    return f"{_CHUNK_PREFIX}{number}"


def chunk_number(given: str) -> int | None:
    """The number of which this is the public form, or None."""
    digits = given.removeprefix(_CHUNK_PREFIX)
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS):
        return None
    return int(digits) if chunk_id(int(digits)) == given else None
