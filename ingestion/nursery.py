"""The warm parent that workers are forked from, and what a worker does. Runs in a process of its own.

`python -c "from ingestion.nursery import main; main()" FD`: a socket on which the owner asks for
workers. The nursery has the parsers loaded and no threads, so a fork takes milliseconds. It ends
when the socket closes, and its workers with it.
"""

from __future__ import annotations

import gc
import mmap
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module
from typing import Any

from ingestion import deadline, sandbox, wire
from ingestion.detect import media_type
from ingestion.parse import parse
from ingestion.types import IngestionError

FILES_A_WORKER = 200
RECYCLE_RSS_BYTES = 512 << 20  # a worker that has grown so much is not used again

# What most files need; the rest is loaded where it is used, from folders that a worker may read.
_WARM = (
    *("pypdfium2", "lxml.etree", "selectolax.lexbor", "chardet", "olefile", "python_calamine", "regex", "tree_sitter"),
    *("ingestion.parsers.pdf", "ingestion.parsers.word", "ingestion.parsers.html", "ingestion.parsers.markdown"),
    *("ingestion.parsers.source", "ingestion.parsers.tabular"),
    *(("pyseccomp", "landlock") if sys.platform == "linux" else ()),
)


def main() -> None:
    """Serves the socket whose descriptor is the last argument, until its other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the owner
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # whatever the owner does with it
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    _load(_WARM)
    gc.collect()
    gc.freeze()  # what is loaded stays shared with the workers
    with socket.socket(fileno=int(sys.argv[-1])) as control:
        while request := control.recv(1):
            if request == b"w":
                _give_birth(control)
            else:
                _bury(control)


def _load(names: Iterable[str]) -> None:
    for name in names:
        with suppress(ImportError):  # said when a file needs it, or by the sandbox's level
            import_module(name)


def _give_birth(control: socket.socket) -> None:
    """Answers with the worker's process id and the other end of its socket."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            ours.close()
            control.close()
            _serve(theirs)
            status = 0
        finally:
            os._exit(status)
    theirs.close()
    with ours:
        socket.send_fds(control, [wire.LENGTH.pack(pid)], [ours.fileno()])


def _bury(control: socket.socket) -> None:
    """Ends the worker whose id follows, if it has not ended by itself, and answers with its exit status."""
    (pid,) = wire.LENGTH.unpack(control.recv(wire.LENGTH.size, socket.MSG_WAITALL))
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if not ended:  # a child of this process that was not waited for, so the id is still its own
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
    except ChildProcessError:
        status = wire.UNKNOWN
    control.sendall(wire.STATUS.pack(status))


# In the worker ---------------------------------------------------------------------------------


def _serve(owner: socket.socket) -> None:
    """Locked down from the first instant; one file a request, until the owner closes or there were enough."""
    sandbox.die_with_parent()
    level = sandbox.lock_down()
    wire.write(owner.fileno(), {"sandbox": asdict(level)})
    deadline.on_extension(lambda cpu_s: _extend(owner.fileno(), cpu_s))
    for served in range(1, FILES_A_WORKER + 1):
        head, files, _, _ = socket.recv_fds(owner, wire.LENGTH.size, 1)
        if not head:
            return
        request = wire.read(_rest(owner, head))
        answer = _answer(owner.fileno(), files[0], request)
        answer["again"] = served < FILES_A_WORKER and _rss_bytes() < RECYCLE_RSS_BYTES
        wire.write(owner.fileno(), answer)
        if not answer["again"]:
            return


def _extend(owner: int, cpu_s: float) -> None:
    sandbox.extend(cpu_s)
    wire.write(owner, {"more_s": cpu_s})


def _rest(owner: socket.socket, head: bytes) -> Any:
    """Gives first the bytes that came with the descriptor, then those of the socket."""
    waiting = [head]
    return lambda n: waiting.pop() if waiting else owner.recv(n)


def _answer(owner: int, descriptor: int, request: dict[str, Any]) -> dict[str, Any]:
    size = os.fstat(descriptor).st_size
    sandbox.allow(size, deadline.cpu_seconds(size))
    filename = request["filename"]
    try:
        # a private mapping: pdfium takes its memory as if it might write to it
        data = mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY) if size else b""
        wire.write(owner, {"media_type": media_type(data, filename)})
        return wire.packed(parse(data, filename, **request["options"]))
    except IngestionError as error:
        return {"code": error.code, "error": str(error)}
    except MemoryError:
        limit = sandbox.MEMORY_BYTES >> 20
        return {"code": "invalid_file", "error": f"'{filename}' needs more than {limit:,} MiB of memory to be read"}
    finally:
        os.close(descriptor)


def _rss_bytes() -> int:
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024
