"""Documents are parsed in processes that can do nothing else; what kills one of them fails one file."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from parsers_at_work import LONG, kill_at_work, pids

from ingestion import InvalidFileError, UnsupportedFileError, deadline, parse, wire
from ingestion.sandbox import NONE, Sandbox
from ingestion.worker import Workers, WorkersError

SAMPLES = Path(__file__).parent.parent / "data" / "samples"
MARKDOWN = b"# One\n\nSome text.\n\n## Two\n\n|a|b|\n|-|-|\n|1|2|\n"


@pytest.fixture
def own():
    with Workers(count=2) as workers:
        yield workers


@pytest.mark.parametrize("path", sorted(SAMPLES.rglob("*.*")), ids=lambda path: path.name)
def test_a_worker_gives_the_document_that_parse_gives(workers, path):
    with path.open("rb") as file:
        assert workers.parse(file, path.name) == parse(path.read_bytes(), path.name)


def test_bytes_and_files_are_taken_whole_wherever_they_stand(workers, tmp_path):
    (tmp_path / "a.md").write_bytes(MARKDOWN)
    with (tmp_path / "a.md").open("rb") as file:
        file.read(5)
        assert workers.parse(file, "a.md") == workers.parse(MARKDOWN, "a.md") == parse(MARKDOWN, "a.md")


@pytest.mark.parametrize(
    ("data", "name", "error", "sentence"),
    [
        (b"", "a.txt", InvalidFileError, "'a.txt' is empty"),
        (b"%PDF-1.4 nothing", "a.pdf", InvalidFileError, "'a.pdf' is damaged"),
        (b"\x7fELF\x02\x01\x01\0", "a.bin", UnsupportedFileError, "'a.bin' looks like an ELF program"),
    ],
)
def test_the_sentence_about_a_bad_file_comes_back(workers, data, name, error, sentence):
    with pytest.raises(error, match=sentence):
        workers.parse(data, name)


def test_a_file_over_the_limit_is_refused_before_it_is_read(workers, tmp_path):
    with (tmp_path / "big.txt").open("w+b") as file:
        file.truncate((512 << 20) + 1)
        with pytest.raises(InvalidFileError, match=r"'big.txt' has 536,870,913 bytes, the limit is 536,870,912"):
            workers.parse(file, "big.txt")


def test_the_level_is_told(workers):
    level = workers.sandbox()
    assert level.processes
    assert level.rlimits
    if level.full:
        assert str(level).startswith("full: own process, rlimits, Landlock ABI ")
    else:
        assert "missing: " in str(level)


def test_off_parses_in_this_process():
    with Workers(sandbox="off") as workers:
        assert workers.sandbox() == NONE
        assert workers.parse(MARKDOWN, "a.md") == parse(MARKDOWN, "a.md")
        assert workers._nursery._process is None


def test_less_than_required_is_refused_with_what_is_missing():
    level = Sandbox(processes=True, rlimits=True, landlock=0, seccomp=True)
    assert not level.full
    assert str(level) == "partial: own process, rlimits, seccomp; missing: Landlock"


def test_a_full_sandbox_can_be_required(own):
    with Workers(sandbox="required") as workers:
        if own.sandbox().full:
            assert workers.parse(b"hello", "a.txt").text.strip() == "hello"
        else:
            with pytest.raises(WorkersError, match="a full sandbox is required, and this system's is partial"):
                workers.parse(b"hello", "a.txt")


def test_a_worker_that_is_killed_fails_its_file_only(own):
    own.parse(b"hello", "a.txt")
    killer = kill_at_work(own)
    with pytest.raises(
        InvalidFileError, match=r"'b.txt' broke its parser: the process was killed, as it is when memory"
    ):
        own.parse(LONG, "b.txt")
    killer.join()
    assert own.parse(b"hello", "c.txt").text == "hello"


def test_a_file_is_tried_again_carefully_when_its_parser_died(own):
    own.parse(b"hello", "a.txt")
    killer = kill_at_work(own, times=1)
    assert own.parse(LONG, "b.txt").text == LONG.decode()
    killer.join()


def test_a_file_that_takes_too_long_is_stopped(own, monkeypatch):
    own.parse(b"hello", "a.txt")
    [_, worker] = pids(own)
    os.kill(worker, signal.SIGSTOP)
    monkeypatch.setattr(deadline, "BASE_S", 0.25)
    with pytest.raises(InvalidFileError, match=r"'slow.txt' took longer than .* seconds to read and was stopped"):
        own.parse(b"hello", "slow.txt")
    assert worker not in pids(own)
    monkeypatch.undo()
    assert own.parse(b"hello", "c.txt").text == "hello"


def test_the_nursery_is_started_again_when_it_was_killed(own):
    own.parse(b"hello", "a.txt")
    processes = pids(own)
    os.kill(processes[0], signal.SIGKILL)
    deadline_at = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in processes[1:]) and time.monotonic() < deadline_at:
        time.sleep(0.05)
    assert own.parse(b"hello", "b.txt").text == "hello"


def test_a_worker_that_died_idle_costs_no_file(own):
    own.parse(b"hello", "a.txt")
    [_, worker] = pids(own)
    os.kill(worker, signal.SIGKILL)
    assert own.parse(b"hello", "b.txt").text == "hello"


def test_no_process_is_left_when_it_is_closed():
    workers = Workers(count=2)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda i: workers.parse(b"hello", f"{i}.txt"), range(8)))
    processes = pids(workers)
    workers.close()
    workers.close()
    deadline_at = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in processes) and time.monotonic() < deadline_at:
        time.sleep(0.05)
    assert not [pid for pid in processes if Path(f"/proc/{pid}").exists()]
    with pytest.raises(WorkersError, match="parsing has stopped"):
        workers.parse(b"hello", "a.txt")


def test_closing_stops_a_file_that_is_being_read(own):
    own.parse(b"hello", "a.txt")
    os.kill(pids(own)[1], signal.SIGSTOP)
    closing = threading.Timer(0.3, own.close)
    closing.start()
    with pytest.raises(WorkersError, match=r"parsing stopped: 'b.txt' was not read to its end"):
        own.parse(b"hello", "b.txt")
    closing.join()


def test_processes_end_with_their_owner(tmp_path):
    program = (
        "import os, sys, time\nfrom ingestion.worker import Workers\n"
        "w = Workers(); w.parse(b'hello', 'a.txt'); print(w._nursery._process.pid, flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    nursery = int(owner.stdout.readline())
    owner.kill()
    owner.wait()
    owner.stdout.close()
    deadline_at = time.monotonic() + 10
    while Path(f"/proc/{nursery}").exists() and time.monotonic() < deadline_at:
        time.sleep(0.05)
    assert not Path(f"/proc/{nursery}").exists()


def test_workers_are_recycled(own):
    own.parse(b"hello", "a.txt")
    [_, first] = pids(own)
    for i in range(200):
        own.parse(b"hello", f"{i}.txt")
    assert first not in pids(own)


def test_many_threads_share_few_workers(own):
    with ThreadPoolExecutor(8) as threads:
        texts = list(threads.map(lambda i: own.parse(f"text {i}".encode(), "a.txt").text, range(40)))
    assert texts == [f"text {i}" for i in range(40)]
    assert len(pids(own)) <= 3


CAN = """
import os, socket, sys
from ingestion import sandbox

def outcome(act):
    try:
        act()
    except (OSError, MemoryError) as error:
        return type(error).__name__
    return "done"

level = sandbox.lock_down()
acts = {
    "read": lambda: open(sys.argv[1]).read(),
    "write": lambda: open(sys.argv[1] + ".new", "w"),
    "list": lambda: os.listdir(os.path.dirname(sys.argv[1])),
    "connect": lambda: socket.create_connection(("127.0.0.1", 9)),
    "fork": lambda: os.fork() or os._exit(0),
    "exec": lambda: os.execv("/bin/sh", ["sh", "-c", "exit 0"]),
    "kill": lambda: os.kill(os.getppid(), 0),
    "environment": lambda: open(f"/proc/{os.getppid()}/environ").read(),
    "memory": lambda: bytearray(3 << 30),
    "import": lambda: __import__("xml.dom.minidom"),
}
print(level.full, *(f"{name}={outcome(act)}" for name, act in acts.items()))
"""


def test_a_locked_down_process_can_do_nothing_but_compute(tmp_path):
    (tmp_path / "secret").write_text("canary")
    done = subprocess.run(
        [sys.executable, "-c", CAN, str(tmp_path / "secret")], capture_output=True, text=True, check=True
    )
    full, *outcomes = done.stdout.split()
    said = dict(each.split("=") for each in outcomes)
    assert said.pop("import") == "done"
    assert said.pop("memory") == "MemoryError"
    if full == "True":
        assert set(said.values()) == {"PermissionError"}
    assert not (tmp_path / "secret.new").exists() or full == "False"


def message(**changed):
    said = {"text": "abc", "media_type": "text/plain", "spans": [["page", 0, 3, "", 1]], "warnings": [], "title": ""}
    return said | changed


@pytest.mark.parametrize(
    "changed",
    [
        {"text": 5},
        {"media_type": None},
        {"warnings": [1]},
        {"title": 5},
        {"warnings": None},
        {"spans": [["page", 0, 4, "", 1]]},
        {"spans": [["page", -1, 2, "", 1]]},
        {"spans": [["page", 2, 2, "", 1]]},
        {"spans": [["page", 0, 1.5, "", 1]]},
        {"spans": [["page", 0, True, "", 1]]},
        {"spans": [["nothing", 0, 1, "", 1]]},
        {"spans": [["page", 0, 1, None, 1]]},
        {"spans": [[["page"], 0, 1, "", 1]]},
        {"spans": [["page"]]},
        {"spans": 7},
    ],
)
def test_what_a_worker_says_is_believed_only_if_it_is_a_document(changed):
    assert wire.unpacked(message(), "a.txt").text == "abc"
    with pytest.raises(InvalidFileError, match=r"'a.txt' broke its parser: what it gave is no document"):
        wire.unpacked(message(**changed), "a.txt")


@pytest.mark.parametrize("title", ["a\ud800b", "\x1b[31mred", "x" * 5_000])
def test_a_title_that_a_parser_would_not_give_is_none(title):
    assert wire.unpacked(message(title=title), "a.txt").title == ""


@pytest.mark.parametrize(
    "said", [b"", b"\0" * 7, wire.LENGTH.pack(5) + b"ab", wire.LENGTH.pack(2) + b"[]", b"\xff" * 9]
)
def test_what_is_no_message_is_an_error(said):
    waiting = [said]
    with pytest.raises(wire.WireError):
        wire.read(lambda n: waiting.pop(0)[:n] if waiting else b"")


def run_program(program, **options):
    """In a process of its own, which may treat its signals and descriptors as it likes."""
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False, **options
    )


def test_a_program_that_ignores_its_children_loses_no_file():
    done = run_program(
        "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "from ingestion.worker import Workers\n"
        "with Workers(count=1) as w: print(sum(w.parse(b'hello', 'a.txt').text == 'hello' for _ in range(450)))"
    )
    assert done.stdout.strip() == "450", done.stderr


def test_a_program_without_standard_streams_can_parse(tmp_path):
    done = run_program(
        "import os, sys\nfor fd in (0, 1, 2): os.close(fd)\nfrom ingestion.worker import Workers\n"
        f"with Workers() as w: open({str(tmp_path / 'out')!r}, 'w').write(w.parse(b'hello', 'a.txt').text)"
    )
    assert (tmp_path / "out").read_text() == "hello", done.returncode


def test_a_fork_of_the_owner_has_workers_of_its_own():
    done = run_program(
        "import os\nfrom ingestion.worker import Workers\n"
        "w = Workers(count=1); w.parse(b'hello', 'a.txt'); mine = w._nursery._process.pid\n"
        "pid = os.fork()\n"
        "texts = [w.parse(f'{os.getpid()} {i}'.encode(), 'a.txt').text for i in range(100)]\n"
        "right = texts == [f'{os.getpid()} {i}' for i in range(100)]\n"
        "w.close()\n"
        "if pid == 0: os._exit(0 if right else 1)\n"
        "print(right, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
    )
    assert done.stdout.strip() == "True 0", done.stderr


def test_a_killed_nursery_costs_no_more_than_a_second_try():
    with Workers(count=4) as workers, ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: workers.parse(b"hello", "a.txt"), range(8)))
        texts = threads.map(lambda i: workers.parse(f"text {i} ".encode() * 20_000, "a.txt").text[:9], range(40))
        time.sleep(0.1)
        os.kill(workers._nursery._process.pid, signal.SIGKILL)
        assert list(texts) == [f"text {i} te"[:9] for i in range(40)]


def test_what_interrupts_a_parse_leaves_the_next_ones_right():
    done = run_program(
        "import signal, sys\nfrom ingestion.worker import Workers\n"
        "class Alarm(Exception): pass\n"
        "def ring(*_): raise Alarm\n"
        "signal.signal(signal.SIGALRM, ring)\n"
        "w = Workers(count=2)\n"
        "for i in range(60):\n"
        "    try:\n"
        "        signal.setitimer(signal.ITIMER_REAL, 0.0005 * (i % 20 + 1)); w.parse(b'hello', 'a.txt')\n"
        "        signal.setitimer(signal.ITIMER_REAL, 0)\n"
        "    except Alarm: pass\n"
        "signal.setitimer(signal.ITIMER_REAL, 0)\n"
        "print([w.parse(f'{i}'.encode(), 'a.txt').text for i in range(5)]); w.close()"
    )
    assert done.stdout.strip() == "['0', '1', '2', '3', '4']", done.stderr


def test_a_worker_gives_every_file_its_own_time():
    done = run_program(
        "import resource, time\nfrom ingestion import sandbox\nsandbox.MAX_CPU_S = 3\n"
        "until = time.process_time() + 2\n"
        "while time.process_time() < until: pass\n"
        "sandbox.allow(0, 60)\n"
        "print(resource.getrlimit(resource.RLIMIT_CPU)[0] - time.process_time() >= 3)\n"
    )
    assert done.stdout.strip() == "True", done.stderr
