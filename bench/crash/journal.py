"""What the workload was promised, written outside the data folder and read again by the checker.

The state is a map of keys: `file/NAME` (an uploaded file, by its SHA-256), `store/NAME` (what its metadata says) and
`member/STORE/NAME` (a searchable file, by its attribute). None says that it is not there. Every operation tells before
it begins what it will set, and afterwards that it is done; one that did not end is in doubt: each of its keys, or all
of them together where the operation is atomic, is as before or as set.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

Value: TypeAlias = str | int | None
Effects: TypeAlias = Mapping[str, Value]

EXPIRED = "expired"  # the value of a store that has
DAY_S = 86_400
FILE_S = 3_600  # that a file of the workload lives, if it expires


def is_mortal(name: str) -> bool:
    """Whether a file or store of the workload expires, by its name."""
    return name.startswith("x")


@dataclass(slots=True)
class Promised:
    """What may be there after all that was said: for each key every value it may have."""

    clock: int = 1_700_000_000
    said: int = 0  # operations
    possible: dict[str, set[Value]] = field(default_factory=dict)
    doubts: list[tuple[Mapping[str, set[Value]], Effects]] = field(default_factory=list)  # atomic: before, after
    born: dict[str, int] = field(default_factory=dict)  # by the clock
    levels: list[tuple[int, str, bool]] = field(default_factory=list)  # from when on a member is there, or not
    violations: list[str] = field(default_factory=list)
    backups: dict[str, dict[str, Value]] = field(default_factory=dict)  # what each one holds
    _begun: dict[int, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Promised:
        """The promises of a whole journal; a half line at its end was never said."""
        self = cls()
        for line in path.read_bytes().splitlines(keepends=True) if path.exists() else []:
            if line.endswith(b"\n"):
                self.hear(json.loads(line))
        return self

    def certain(self, prefix: str) -> dict[str, Value]:
        """The keys under `prefix` that are there and in no doubt, and their values."""
        settled = ((key, next(iter(values))) for key, values in self.possible.items() if len(values) == 1)
        return {key: value for key, value in settled if value is not None and key.startswith(prefix)}

    def hear(self, said: Mapping[str, Any]) -> None:
        match said["kind"]:
            case "begin":
                self._begin(said)
            case "done":
                self._set(self._begun[said["id"]]["sets"])
            case "settled":  # what was in doubt was found to be so
                self.doubts.clear()
                self._set(said["sets"])
            case "clock":
                self.clock = said["now"]
                self._expire()
            case "backup":
                self.backups[said["name"]] = self.certain("")
            case "violation":
                self.violations.append(said["what"])

    def _begin(self, said: Mapping[str, Any]) -> None:
        self.said = said["id"] + 1
        self._begun[said["id"]] = dict(said)
        sets: Effects = said["sets"]
        if said["atomic"]:
            self.doubts.append(({key: set(self.possible.get(key, {None})) for key in sets}, sets))
        for key, value in sets.items():
            self.possible.setdefault(key, {None}).add(value)
            self.born.setdefault(key, self.clock)

    def _set(self, sets: Effects) -> None:
        self.doubts = [doubt for doubt in self.doubts if not doubt[1].keys() & sets.keys()]
        for key, value in sets.items():
            self.possible[key] = {value}
            self._level(self.clock, key, value)

    def _level(self, at: int, key: str, value: Value) -> None:
        if key.startswith("member/"):
            self.levels.append((at, key, value is not None))

    def _expire(self) -> None:
        """Called when nothing is in doubt."""
        for key in self.certain(""):
            kind, name = key.split("/")[:2]
            at = self.born[f"{kind if kind == 'file' else 'store'}/{name}"] + (FILE_S if kind == "file" else DAY_S)
            if is_mortal(name) and at <= self.clock:
                self.possible[key] = {EXPIRED if kind == "store" else None}
                self._level(at, key, None)


class Journal:
    """Writes the lines and knows what they promise. Each is one write, which no kill of this process takes back."""

    def __init__(self, path: Path) -> None:
        self.path, self.promised = path, Promised.read(path)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def say(self, kind: str, **what: Any) -> None:
        said = {"kind": kind, **what}
        os.write(self._file, json.dumps(said).encode() + b"\n")
        self.promised.hear(said)

    def begin(self, operation: str, sets: Effects, *, atomic: bool = True) -> int:
        """The number to be done by."""
        number = self.promised.said
        self.say("begin", id=number, operation=operation, sets=sets, atomic=atomic)
        return number
