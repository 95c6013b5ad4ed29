"""A server of models that speaks OpenAI's API: how it is asked, how long, how much it may say, what is tried again."""

from __future__ import annotations

import base64
import json
import math
import re
import threading
import time
import weakref
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlsplit

from vecstore.errors import InvalidRequestError

if TYPE_CHECKING:
    import httpx

RETRIES = 4
FIRST_PAUSE_S = 0.5  # doubled before each further try
MAX_SECONDS = 86_400  # a day, for whatever is waited for
_RETRIED = frozenset({408, 409, 429, 500, 502, 503, 504})
_TOLD_CHARS = 200  # of what the server said
_PIECE_BYTES = 1 << 16  # unpacked at a time
_PLAIN, _ZLIB = ("", "identity"), ("gzip", "deflate")  # encodings of an answer
_ZLIB_OR_GZIP = 32 + zlib.MAX_WBITS  # told by the first bytes
_KEY = re.compile(r"[!-~](?:[ -~]*[!-~])?")  # what a header can carry

T = TypeVar("T")


class NoAnswerError(Exception):
    """The server was not reached or refused. `said`: what it answered with, which may repeat what it was asked.

    passing: whether the same request may be answered a little later.
    """

    def __init__(self, message: str, said: str = "", *, passing: bool = False) -> None:
        super().__init__(message)
        self.said = said
        self.passing = passing


class ModelServer:
    """`POST {base_url}/{route}`. `kind` names it in errors, without the user and password of its URL. Thread-safe.

    timeout_s: for one try, from its first to its last byte; total_s: for all tries and the pauses between them.
    max_bytes: of an answer, unpacked; no more is read. client: an `httpx.Client` of yours (proxy, certificates, a
    transport for tests); `sleep` waits between tries, `now` is a clock.
    Raises InvalidRequestError for an address, a key or a time that is none.
    """

    def __init__(
        self,
        kind: str,
        base_url: str,
        route: str,
        *,
        max_bytes: int,
        api_key: str | None = None,
        client: httpx.Client | None = None,
        timeout_s: float,
        total_s: float = math.inf,
        retries: int = RETRIES,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        address, login = _checked_address(base_url)
        self._url = f"{address.rstrip('/')}/{route}"
        self.name = f"the {kind} server {self._url}"
        self._headers = {"Content-Type": "application/json", "Accept-Encoding": ", ".join(_ZLIB)}
        self._headers |= _authorization(_checked_key(api_key), login)
        self._client = client
        self._timeout_s, self._total_s = checked_seconds("timeout_s", timeout_s), total_s
        self._max_bytes = max_bytes
        self._retries = retries
        self._sleep, self._now = sleep, now
        self._lock = threading.Lock()

    def post(self, body: Mapping[str, Any]) -> bytes:
        """The first answer that is OK. Raises NoAnswerError."""
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
        ends_at = self._now() + self._total_s
        pauses = [FIRST_PAUSE_S * 2**i for i in range(self._retries)]
        while True:
            try:
                return self._answer(content, min(self._timeout_s, ends_at - self._now()))
            except NoAnswerError as error:
                if not (error.passing and pauses and self._now() + pauses[0] < ends_at):
                    raise
            self._sleep(pauses.pop(0))

    def _answer(self, content: bytes, limit_s: float) -> bytes:
        import httpx

        with self._lock:
            if self._client is None:
                self._client = httpx.Client(timeout=self._timeout_s)
                weakref.finalize(self, self._client.close)
            client = self._client
        ends_at = self._now() + limit_s
        try:
            status, said = _within(limit_s, lambda: self._exchange(client, content, ends_at))
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:  # the latter of odd hosts
            raise NoAnswerError(f"{self.name} has no valid address: {error}") from error
        except TimeoutError as error:
            raise NoAnswerError(f"{self.name} did not answer within {limit_s:.3g} s", passing=True) from error
        except zlib.error as error:
            raise NoAnswerError(f"{self.name} sent what cannot be unpacked: {error}") from error
        except httpx.HTTPError as error:
            raise NoAnswerError(f"{self.name} cannot be reached: {error}", passing=True) from error
        if status != httpx.codes.OK:
            text = said[: 4 * _TOLD_CHARS].decode(errors="replace")[:_TOLD_CHARS]
            raise NoAnswerError(f"{self.name} answered {status}", text, passing=status in _RETRIED)
        if len(said) > self._max_bytes:
            raise NoAnswerError(f"{self.name} sent more than {self._max_bytes:,} bytes")
        return said

    def _exchange(self, client: httpx.Client, content: bytes, ends_at: float) -> tuple[int, bytes]:
        """The status and the body, of which no more is read than tells that it is over the limit."""
        said = bytearray()
        with client.stream("POST", self._url, content=content, headers=self._headers) as answer:
            for piece in self._pieces(answer):
                said += piece
                if len(said) > self._max_bytes:
                    break
                if self._now() > ends_at:
                    raise TimeoutError
        return answer.status_code, bytes(said)

    def _pieces(self, answer: httpx.Response) -> Iterator[bytes]:
        """The body as it comes, unpacked in small pieces: httpx would unpack whatever came as a whole."""
        encoding = answer.headers.get("Content-Encoding", "").strip().lower()
        if answer.is_stream_consumed:  # a transport or a hook of the client has read it
            yield answer.content
        elif encoding in _PLAIN:
            yield from answer.iter_raw()
        elif encoding in _ZLIB:
            unpacking = zlib.decompressobj(_ZLIB_OR_GZIP)
            for packed in answer.iter_raw():
                rest = packed
                while rest:
                    yield unpacking.decompress(rest, _PIECE_BYTES)
                    rest = unpacking.unconsumed_tail
            yield unpacking.flush(_PIECE_BYTES)
        else:
            raise NoAnswerError(f"{self.name} answered in the encoding {encoding!r:.80}, which was not asked for")


def checked_seconds(name: str, value: float, *, least: float = 0.001) -> float:
    """Raises InvalidRequestError for what is no time to wait."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= MAX_SECONDS:
        raise InvalidRequestError(name, f"must be {least:g} to {MAX_SECONDS} seconds, not {value!r:.80}")
    return value


def checked_model(name: object) -> str:
    """The name of a model that is served. Raises InvalidRequestError."""
    if not isinstance(name, str) or not name.strip():
        raise InvalidRequestError("model", f"must be a text that is not empty, not {name!r:.80}")
    return name


def _checked_address(base_url: object) -> tuple[str, str]:
    """Without user and password, and these, as they stand in it."""
    if not isinstance(base_url, str) or not base_url:
        raise InvalidRequestError("base_url", f"must be a text that is not empty, not {base_url!r:.80}")
    try:
        parts = urlsplit(base_url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not close, a port that is no number
        usable = False
    if not usable:
        shown = re.sub(r"//.*@", "//", base_url, flags=re.DOTALL)
        raise InvalidRequestError("base_url", f"must be like http://localhost:8080/v1, not {shown!r:.80}")
    login, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=host).geturl(), login


def _checked_key(api_key: object) -> str | None:
    """Raises InvalidRequestError, without the key."""
    if api_key is None or api_key == "":
        return None
    if not isinstance(api_key, str) or not _KEY.fullmatch(api_key):
        raise InvalidRequestError("api_key", "must be letters, digits and signs of ASCII, without blanks around them")
    return api_key


def _authorization(api_key: str | None, login: str) -> dict[str, str]:
    """The header; user and password of the URL go before a key, as they do in httpx."""
    if login:
        user, _, password = login.partition(":")
        packed = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode(errors="replace")).decode()
        return {"Authorization": f"Basic {packed}"}
    return {"Authorization": f"Bearer {api_key}"} if api_key else {}


def _within(limit_s: float, call: Callable[[], T]) -> T:
    """What `call` gives, or raises; TimeoutError after `limit_s`, however it spends its time.

    httpx limits each read, not all of them. What was not waited for goes on in its thread until it sees the time or
    its next read fails, and keeps no program from ending.
    """
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            outcome.set_exception(error)

    threading.Thread(target=run, name="vecstore-model-server", daemon=True).start()
    return outcome.result(max(limit_s, 0))
