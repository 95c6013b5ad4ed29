"""Every error a caller can meet; each message is a sentence with the value and the limit.

VecstoreError
├── InvalidRequestError      an argument is wrong; `param` names it            (also a ValueError)
├── NotFoundError            no such vector store or file                      (also a LookupError)
├── ExpiredError             the vector store has expired; its files are gone
├── FileFailedError          a file could not be indexed; `code` says which way
├── EmbeddingError           the embedder failed, or gave vectors that cannot be stored
├── RerankerError            the reranker failed, or gave scores that cannot be used
├── EmbedderMismatchError    the vector store was made with another embedder
├── FolderInUseError         another process has the data folder open
├── FormatError              the data folder is of a newer format, or not a data folder
├── SandboxError             documents cannot be parsed as safely as was required
├── ServerError              the server cannot listen where it was told to
├── StorageError             the disk said no; `code` says how: full, broken, damaged; nothing was half written
└── IndexFailedError         an index broke while in use; it is rebuilt on the next call
"""

from __future__ import annotations

from typing import Literal, TypeAlias

SHOWN_CHARS = 80

# full: there is no room. busy: no descriptors or memory left just now; try again. damaged: what is on the disk is not
# what was written. stopped: an fsync failed, so nothing is written until a restart. failed: anything else.
StorageCode: TypeAlias = Literal["full", "busy", "damaged", "stopped", "failed"]


def shown(value: object) -> str:
    """The value as a message shows it: as Python writes it, but not all of what is long."""
    try:
        return f"{value!r:.{SHOWN_CHARS}}"
    except ValueError:  # Python writes no whole numbers of thousands of digits
        return "a number of thousands of digits"


class VecstoreError(Exception):
    """Base of all errors raised on purpose."""


class InvalidRequestError(VecstoreError, ValueError):
    """An argument is wrong. `param` is its name, `str()` the sentence."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(f"{param} {message}")
        self.param = param


class NotFoundError(VecstoreError, LookupError):
    """The vector store or file does not exist."""


class ExpiredError(VecstoreError):
    """The vector store has expired: it can be looked at, not used. Its files are gone from it."""


class FileFailedError(VecstoreError):
    """A file could not be indexed. `code` is OpenAI's: unsupported_file, invalid_file or server_error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class EmbeddingError(VecstoreError):
    """The embedder failed, or returned NaN, zero or wrongly sized vectors. Nothing was stored."""


class RerankerError(VecstoreError):
    """The reranker failed, or returned scores out of 0 to 1 or too few. `ranker="none"` finds without it."""


class EmbedderMismatchError(VecstoreError):
    """The vector store's vectors were made by another embedder than the one given."""


class FolderInUseError(VecstoreError):
    """Another process has the data folder open."""


class FormatError(VecstoreError):
    """The data folder was written by a newer version, or is no data folder. It was left untouched."""


class SandboxError(VecstoreError):
    """No process to parse documents in could be started, or it is less locked down than required."""


class ServerError(VecstoreError):
    """The server cannot listen where it was told to; nothing was answered."""


class StorageError(VecstoreError):
    """The catalogue or a content could not be read or written. The transaction left nothing behind.

    `code` is "full", "busy" (no descriptors, no memory: try again), "damaged", "stopped" (an fsync failed, nothing is
    written until a restart) or "failed".
    """

    def __init__(self, message: str, *, code: StorageCode = "failed") -> None:
        super().__init__(message)
        self.code: StorageCode = code


class IndexFailedError(VecstoreError):
    """FAISS or Tantivy failed. The catalogue is unharmed; the index is replayed on the next call."""
