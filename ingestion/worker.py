"""Parsing in sandboxed child processes: what a document does to its parser, it does to nobody else."""

from __future__ import annotations

import errno
import os
import queue
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO, Literal, Self

from ingestion import deadline, wire
from ingestion.media_types import parser_of
from ingestion.parse import MAX_FILE_BYTES, parse
from ingestion.sandbox import MEMORY_BYTES, NONE, Sandbox
from ingestion.types import Document, InvalidFileError, UnsupportedFileError

SandboxWish = Literal["auto", "required", "off"]

BIRTHS = 4  # tries at one worker, where the nursery is killed meanwhile
ANSWER_S = 60.0  # of the nursery, which has nothing else to do; longer says that it was stopped
_NURSERY = "import sys; sys.path[:] = sys.argv[1:-1]; from ingestion.nursery import main; main()"
_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT")
# One thread a process; and tiktoken needs no cache of a vocabulary that lies in a package.
_STEADY = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "TIKTOKEN_CACHE_DIR": ""}


class WorkersError(Exception):
    """No file can be parsed now: a full sandbox is required and the system has less, or no process starts."""


class Workers:
    """Parses files in up to `count` processes at a time; thread-safe. Nothing is started before the first file.

    sandbox: "auto" takes what the system has, "required" refuses less than all of it, "off" parses in
    this process, for debugging. Where processes cannot be forked, "auto" is "off".
    """

    def __init__(self, *, count: int | None = None, sandbox: SandboxWish = "auto") -> None:
        self._wish = sandbox if hasattr(os, "fork") or sandbox == "required" else "off"
        self._count = count or os.cpu_count() or 1
        self._closed = threading.Event()
        self._begin()

    def _begin(self) -> None:
        self._owner = os.getpid()
        self._nursery = _Nursery()
        self._slots = threading.BoundedSemaphore(self._count)
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()

    def _begin_in_a_fork(self) -> None:
        """A process that was forked from the owner has workers of its own; the owner's are left alone."""
        if self._owner != os.getpid():
            self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends every worker; one that is at work stops with WorkersError. Closing twice is no error."""
        self._begin_in_a_fork()
        self._closed.set()
        while (worker := self._take_idle()) is not None:
            worker.end()
        self._nursery.close()

    def sandbox(self) -> Sandbox:
        """What is in force around every parse. Raises WorkersError where it is less than required."""
        if self._wish == "off":
            return NONE
        self._begin_in_a_fork()
        with self._slots:
            worker = self._ready()
            self._idle.put(worker)
            return worker.sandbox

    def parse(self, file: BinaryIO | bytes, filename: str, *, password: str = "", ocr: bool = True) -> Document:
        """As `ingestion.parse`. A file that hangs, bloats or kills its parser raises InvalidFileError.

        Raises WorkersError when it is closed meanwhile, or no process can be started.
        file: bytes, or a file on disk that is open for reading; where it stands does not matter.
        """
        size = _size(file)
        if size > MAX_FILE_BYTES:
            raise InvalidFileError(f"'{filename}' has {size:,} bytes, the limit is {MAX_FILE_BYTES:,}")
        if self._wish == "off":
            data = file if isinstance(file, bytes) else os.pread(file.fileno(), size, 0)
            return parse(data, filename, password=password, ocr=ocr)
        self._begin_in_a_fork()
        options = {"password": password, "ocr": ocr}
        with self._slots, _descriptor(file) as descriptor:
            try:
                return self._parse(descriptor, size, filename, options)
            except _WorkerEndedError as ended:
                again = _second_try(ended, options)
                if again is None:
                    raise InvalidFileError(f"'{filename}' {ended}") from ended
            try:
                return self._parse(descriptor, size, filename, again)
            except _WorkerEndedError as ended:
                raise InvalidFileError(f"'{filename}' {ended}") from ended

    def _parse(self, descriptor: int, size: int, filename: str, options: dict[str, Any]) -> Document:
        worker = self._ready()
        try:
            answer = worker.ask(descriptor, size, filename, options)
        except _WorkerEndedError as ended:
            if self._closed.is_set():
                raise WorkersError(f"parsing stopped: '{filename}' was not read to its end") from ended
            raise
        except BaseException:
            worker.end()
            raise
        if answer.get("again"):
            self._idle.put(worker)
        else:
            worker.end()
        if "error" in answer:
            kind = UnsupportedFileError if answer.get("code") == "unsupported_file" else InvalidFileError
            raise kind(str(answer["error"]))
        return wire.unpacked(answer, filename)

    def _ready(self) -> _Worker:
        if self._closed.is_set():
            raise WorkersError("parsing has stopped")
        worker = self._take_idle() or self._nursery.worker()
        if self._wish == "required" and not worker.sandbox.full:
            worker.end()
            raise WorkersError(f"a full sandbox is required, and this system's is {worker.sandbox}")
        return worker

    def _take_idle(self) -> _Worker | None:
        """One that waits for work; those that died meanwhile are no reason for a file to fail."""
        with suppress(queue.Empty):
            while True:
                worker = self._idle.get_nowait()
                if worker.waits():
                    return worker
                worker.end()
        return None


class _WorkerEndedError(Exception):
    """A phrase that says how. `late` where the deadline ended it."""

    def __init__(self, phrase: str, media_type: str, *, late: bool) -> None:
        super().__init__(phrase)
        self.media_type, self.late = media_type, late


def _second_try(ended: _WorkerEndedError, options: dict[str, Any]) -> dict[str, Any] | None:
    """How to read the file again: carefully, or as it is if nobody had looked at it yet; None for not at all."""
    known = ended.media_type != ""
    if ended.late:  # what took so long is left out, where the rest can be had without it
        return options | {"careful": True} if known and parser_of(ended.media_type) == "source" else None
    return options | {"careful": known}


@dataclass(frozen=True, slots=True)
class _Worker:
    pid: int
    socket: socket.socket
    sandbox: Sandbox
    nursery: _Nursery
    generation: int

    def ask(self, descriptor: int, size: int, filename: str, options: dict[str, Any]) -> dict[str, Any]:
        """The answer to one file. Raises _WorkerEndedError."""
        allowed_s, media_type = deadline.cpu_seconds(size) * deadline.WALL_FACTOR, ""
        began = time.monotonic()
        try:
            request = wire.frame({"filename": filename, "options": options})
            self.socket.settimeout(allowed_s)
            socket.send_fds(self.socket, [request[: wire.LENGTH.size]], [descriptor])
            self.socket.sendall(request[wire.LENGTH.size :])
            while True:
                message = wire.read(partial(self._receive, until=began + allowed_s))
                if "more_s" in message:
                    more_s = float(message["more_s"]) * deadline.WALL_FACTOR
                    allowed_s = min(allowed_s + more_s, deadline.MAX_WALL_S)
                elif message.keys() == {"media_type"}:
                    media_type = str(message["media_type"])
                else:
                    return message
        except TimeoutError:
            self.end()
            phrase = f"took longer than {allowed_s:,.0f} seconds to read and was stopped"
            raise _WorkerEndedError(phrase, media_type, late=True) from None
        except (wire.WireError, OSError, ValueError):
            ended, late = _phrase(self.end())
            raise _WorkerEndedError(ended, media_type, late=late) from None

    def _receive(self, n: int, until: float) -> bytes:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.socket.settimeout(left)
        return self.socket.recv(n)

    def waits(self) -> bool:
        """Whether it is there and has nothing to say."""
        self.socket.setblocking(False)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def end(self) -> int:
        """Makes sure that the process is gone; its wait status."""
        self.socket.close()
        return self.nursery.bury(self.pid, self.generation)


@dataclass(slots=True)
class _Nursery:
    """The owner's side of `nursery.py`; started when the first worker is asked for, and again if it was killed."""

    _process: subprocess.Popen[bytes] | None = None
    _control: socket.socket | None = None
    _generation: int = 0  # how often it was started: a worker of an earlier one died with that
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def worker(self) -> _Worker:
        """A new one, locked down. Raises WorkersError where processes cannot be started."""
        failure: Exception | None = None
        for _ in range(BIRTHS):
            try:
                with self._exchange():
                    pid, ours = self._born()
                    generation = self._generation
            except (OSError, struct.error) as error:  # the nursery is gone: somebody killed it
                failure = error
                continue
            try:
                ours.settimeout(ANSWER_S)
                level = Sandbox(**wire.read(ours.recv)["sandbox"])
            except BaseException as error:
                ours.close()
                self.bury(pid, generation)
                if not isinstance(error, wire.WireError | OSError | KeyError | TypeError):
                    raise
                failure = error
                continue
            return _Worker(pid, ours, level, self, generation)
        raise WorkersError(f"no process to parse documents in could be started ({failure})") from failure

    def bury(self, pid: int, generation: int) -> int:
        """Ends the worker and gives its wait status; UNKNOWN where that is not known any more."""
        try:
            with self._exchange():
                if self._control is None or generation != self._generation:
                    return wire.UNKNOWN
                self._control.sendall(b"b" + wire.LENGTH.pack(pid))
                (status,) = wire.STATUS.unpack(self._control.recv(wire.STATUS.size, socket.MSG_WAITALL))
                return int(status)
        except (OSError, struct.error):
            return wire.UNKNOWN

    @contextmanager
    def _exchange(self) -> Iterator[None]:
        """One request and its answer. What comes between them leaves nothing to be misread: the nursery is ended."""
        with self._lock:
            try:
                yield
            except BaseException:
                self._end()
                raise

    def close(self) -> None:
        with self._lock:
            self._end()

    def _born(self) -> tuple[int, socket.socket]:
        if self._control is None:
            self._start()
        assert self._control is not None
        self._control.sendall(b"w")
        answer, descriptors, _, _ = socket.recv_fds(self._control, wire.LENGTH.size, 1)
        (pid,) = wire.LENGTH.unpack(answer)
        if not descriptors:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return pid, socket.socket(fileno=descriptors[0])

    def _start(self) -> None:
        import fcntl  # not on Windows, where nothing is forked

        ours, theirs = socket.socketpair()
        with theirs:
            # above 2, where a program without stdin would have it and /dev/null would take its place
            passed = fcntl.fcntl(theirs.fileno(), fcntl.F_DUPFD_CLOEXEC, 3)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _NURSERY, *sys.path, str(passed)],
                pass_fds=[passed],
                env={name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ} | _STEADY,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the owner
            )
        except BaseException:
            ours.close()
            raise
        finally:
            os.close(passed)
        ours.settimeout(ANSWER_S)
        self._control = ours
        self._generation += 1

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.kill()  # its workers are killed with it
            self._process.wait()
        self._control = self._process = None


def _phrase(status: int) -> tuple[str, bool]:
    """How a worker ended, said of its file; and whether time was the reason."""
    code = -signal.SIGKILL if status == wire.UNKNOWN else os.waitstatus_to_exitcode(status)
    if code == -signal.SIGXCPU:
        return "took too much processor time to read and was stopped", True
    if code == -signal.SIGKILL:
        return "broke its parser: the process was killed, as it is when memory runs out", False
    if code < 0 and -code in set(signal.Signals):
        limit = f"its memory limit is {MEMORY_BYTES >> 20:,} MiB"
        return f"broke its parser: the process ended with {signal.Signals(-code).name} ({limit})", False
    return f"broke its parser: the process ended without an answer (status {code})", False


def _size(file: BinaryIO | bytes) -> int:
    return len(file) if isinstance(file, bytes) else os.fstat(file.fileno()).st_size


@contextmanager
def _descriptor(file: BinaryIO | bytes) -> Iterator[int]:
    """A descriptor of the content that another process can map."""
    if not isinstance(file, bytes):
        yield file.fileno()
        return
    with _copied(file) as copy:
        yield copy.fileno()


def _copied(content: bytes) -> BinaryIO:
    """In memory where the system has files of memory, so that no folder need be writable."""
    try:
        if hasattr(os, "memfd_create"):
            copy: BinaryIO = os.fdopen(os.memfd_create("document"), "w+b")
        else:
            copy = tempfile.TemporaryFile()  # noqa: SIM115 - closed by who asked for it
        copy.write(content)
        copy.flush()
    except OSError as error:
        raise WorkersError(f"no room to hand over a document of {len(content):,} bytes ({error})") from error
    return copy
