"""Many texts through torch at once: in large batches of like length, while the tokenizer works on the next ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from vecstore.errors import EmbeddingError
from vecstore.types import FloatArray

BATCH_TOKENS = 1 << 17  # with padding; an H200 is no faster with twice as many
EVEN = 8  # tokens: widths of which a GPU has its fast kernels
PORTION_CHARACTERS = 1 << 20  # tokenised together
AHEAD = 2  # portions, so that every core has work while one of them is handed over

Forward: TypeAlias = Callable[[Any, Any], Any]  # token ids and their mask, both (n, width), to vectors (n, d)
_Rows: TypeAlias = npt.NDArray[np.intp]
_Ids: TypeAlias = npt.NDArray[np.int32]


class Packed:
    """Runs `forward` on a device. What else is in a text's batch changes the last bits of its vector.

    The tokenizer is nobody else's, cuts at `max_tokens` and does not pad. Where the device's memory is
    short of a batch, batches are half as large from then on.
    """

    def __init__(
        self,
        forward: Forward,
        tokenizer: Any,
        *,
        dimensions: int,
        max_tokens: int,
        padding: int,
        device: torch.device,
        batch_tokens: int = BATCH_TOKENS,
        portion_characters: int = PORTION_CHARACTERS,
    ) -> None:
        self._forward, self._tokenizer, self._device = forward, tokenizer, device
        self._dimensions, self._max_tokens, self._padding = dimensions, max_tokens, padding
        self._batch_tokens, self._portion_characters = batch_tokens, portion_characters

    def run(self, texts: Sequence[str]) -> FloatArray:
        """(n, d) float32, in the order of the texts. Raises EmbeddingError on a text too long for the memory."""
        order, done = np.empty(len(texts), np.intp), 0
        with torch.inference_mode():
            vectors = torch.empty((len(texts), self._dimensions), device=self._device)
            for rows, encodings in self._tokenised(texts):
                lengths = np.array([len(each) for each in encodings], np.int32)
                by_length = np.argsort(-lengths, kind="stable")
                widths = np.minimum(-(-lengths // EVEN) * EVEN, self._max_tokens)[by_length]
                for batch in batches(widths, self._batch_tokens):
                    some = by_length[batch]
                    until = done + len(some)
                    order[done:until] = rows[some]
                    ids = self._padded([encodings[i].ids for i in some], int(widths[batch.start]))
                    self._embed(ids, lengths[some], vectors[done:until])
                    done = until
            out = np.empty(vectors.shape, np.float32)
            out[order] = vectors.cpu().numpy()
        return out

    def _tokenised(self, texts: Sequence[str]) -> Iterator[tuple[_Rows, list[Any]]]:
        """Portions of the texts, longest first, with the numbers that they have in `texts`."""
        characters = np.array([len(text) for text in texts])
        order = np.argsort(-characters, kind="stable")
        portion = np.cumsum(characters[order]) // self._portion_characters
        portions = np.split(order, np.flatnonzero(np.diff(portion)) + 1)
        if len(portions) == 1:
            yield order, self._tokenizer.encode_batch_fast([texts[i] for i in order])
            return
        waiting: deque[tuple[_Rows, Future[list[Any]]]] = deque()
        with ThreadPoolExecutor(AHEAD, "vecstore-tokenise") as executor:
            for rows in portions:
                some = [texts[i] for i in rows]
                waiting.append((rows, executor.submit(self._tokenizer.encode_batch_fast, some)))
                if len(waiting) > AHEAD:
                    first, encodings = waiting.popleft()
                    yield first, encodings.result()
            for rows, encodings in waiting:
                yield rows, encodings.result()

    def _padded(self, texts: Sequence[Sequence[int]], width: int) -> _Ids:
        padded = np.full((len(texts), width), self._padding, np.int32)
        for row, ids in zip(padded, texts, strict=True):
            row[: len(ids)] = ids
        return padded

    def _embed(self, ids: _Ids, lengths: _Ids, out: Any) -> None:
        """Fills `out`, or lets the device do so later: while it works, the next batch is padded."""
        try:
            here = torch.from_numpy(ids).to(self._device).long()
            mask = torch.arange(ids.shape[1], device=self._device) < torch.from_numpy(lengths).to(self._device)[:, None]
            out.copy_(self._forward(here, mask.long()))
        except torch.OutOfMemoryError as error:
            if len(ids) == 1:
                raise EmbeddingError(f"{self._device} has no memory for a text of {ids.size} tokens") from error
        else:
            return
        torch.cuda.empty_cache()
        self._batch_tokens = min(self._batch_tokens, ids.size // 2)
        half = len(ids) // 2
        self._embed(ids[:half], lengths[:half], out[:half])
        self._embed(ids[half:], lengths[half:], out[half:])


def batches(widths: _Ids, tokens: int) -> Iterator[slice]:
    """Slices of rows, the widest first: as many as have so many tokens at the width of their first, at least one."""
    start = 0
    while start < len(widths):
        until = min(start + max(1, tokens // max(1, int(widths[start]))), len(widths))
        yield slice(start, until)
        start = until
