"""Runs OpenAI's own clients against `vecstore serve`: run.py [python [VERSION] | node]; without arguments both."""

from __future__ import annotations

import signal
import sys

import node_client
import python_suite
from processes import FailedError, say

USAGE = "usage: run.py [python [VERSION] | node]"


def main(*arguments: str) -> int:
    """The exit status: that of the first client that fails."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    try:
        match arguments:
            case ():
                python_suite.run()
                node_client.run()
            case ("python", *version) if len(version) < 2:
                python_suite.run(*version)
            case ("node",):
                node_client.run()
            case _:
                say(USAGE)
                return 2
    except FailedError as error:
        say(f"FAILED: {error}")
        return error.status
    return 0


def _interrupted(number: int, _: object) -> None:
    """Leaves by way of every `with` that is open, and each ends what it has started."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
