"""How a server is set up. Every value has a default that suits one machine and a handful of clients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Settings:
    """`open_to_all`: no key is asked for as long as there is none, and only clients on this machine are answered.

    batch_object: OpenAI's service says `vector_store.file_batch`, its schema and strict clients of before
    October 2026 want `vector_store.files_batch`. poll_after_ms is what clients are told to wait between
    two looks at a file or batch. Times in seconds, sizes in bytes.
    """

    batch_object: Literal["vector_store.file_batch", "vector_store.files_batch"] = "vector_store.file_batch"
    open_to_all: bool = True
    poll_after_ms: int = 250
    requests_per_minute: int = 10_000  # a key, or all who have none
    max_requests: int = 256  # at work or waiting for a thread, of one key half; more are told to come again
    max_uploads: int = 32  # of those, with a file on its way in, of one key half
    max_json_bytes: int = 2 << 20  # more than any request needs but that for a batch
    max_batch_json_bytes: int = 8 << 20  # 2,000 files with attributes of their own
    body_idle_s: float = 30.0  # between two pieces of a body
    body_least_bytes_per_s: int = 10_000  # over the whole body, after the first minute
    min_free_bytes: int = 256 << 20  # of the disk that the data folder is on, to be ready
    metrics_token: str | None = None  # who has it may read the metrics from anywhere; without it, this machine alone
