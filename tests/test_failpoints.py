import errno
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import vecstore
from vecstore import StorageError, failpoints

SOURCES = Path(vecstore.__file__).parent


def literals(pattern):
    return [name for path in SOURCES.rglob("*.py") for name in re.findall(pattern, path.read_text())]


def test_every_step_is_a_place_in_the_code_and_every_place_is_listed():
    reached = set(literals(r'\breach\("([a-z.]+)"\)'))
    assert reached == set(failpoints.STEPS)


def test_every_transaction_is_a_place_in_the_code_and_every_place_is_listed():
    assert set(literals(r'write\("([a-z.]+)"\)')) == set(failpoints.TRANSACTIONS)


def python(code, **environment):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_a_process_dies_at_the_nth_time_it_comes_to_a_failpoint():
    code = "from vecstore.failpoints import reach\nfor i in range(4):\n print(i, flush=True)\n reach('blob.synced')"
    killed = python(code, VECSTORE_FAILPOINT="blob.synced:3")
    assert (killed.returncode, killed.stdout.split()) == (-signal.SIGKILL, ["0", "1", "2"])
    assert python(code, VECSTORE_FAILPOINT="blob.kept:1").stdout.split() == ["0", "1", "2", "3"]
    assert python(code).returncode == 0


def test_the_disk_can_fail_at_a_failpoint_once(engine):
    with failpoints.failing("blob.synced", errno.EIO):
        with pytest.raises(StorageError, match=r"Input/output error"):
            engine.upload(("a.txt", b"apple"))
        engine.upload(("a.txt", b"apple"))


def test_a_failpoint_that_does_not_exist_is_refused():
    refused = python("import vecstore.failpoints", VECSTORE_FAILPOINT="blob.sinked:1")
    assert "there is no failpoint 'blob.sinked'" in refused.stderr
