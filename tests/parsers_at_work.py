"""Looks at the processes that parse, and ends one in the middle of its work."""

import os
import signal
import threading
import time
from pathlib import Path

LONG = b"the tide gauge reads low " * 600_000  # takes seconds to count its tokens


def kill_at_work(workers, times=2):
    """Waits until a process is well into a file, and kills it; then the one that tries again."""

    def cpu_ticks(pid):
        return sum(map(int, Path(f"/proc/{pid}/stat").read_text().split()[13:15]))

    def wait_and_kill():
        for _ in range(times):
            begun = {pid: cpu_ticks(pid) for pid in pids(workers)[1:]}
            while not (busy := [pid for pid in pids(workers)[1:] if cpu_ticks(pid) > begun.setdefault(pid, 0) + 30]):
                time.sleep(0.01)  # until one has used 0.3 s
            os.kill(busy[0], signal.SIGKILL)
            while busy[0] in pids(workers):
                time.sleep(0.01)

    thread = threading.Thread(target=wait_and_kill)
    thread.start()
    return thread


def pids(workers):
    """The processes of this one's nursery: the nursery first."""
    nursery = workers._nursery._process.pid
    return [nursery, *map(int, Path(f"/proc/{nursery}/task/{nursery}/children").read_text().split())]
