"""The attributes of many files by key, so that a filter is asked once a distinct value and not once a file."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np

from vecstore.attributes import Attributes, AttributeValue
from vecstore.filters import Comparison, Filter
from vecstore.types import BoolArray


class Columns:
    """Grows by files, which are told apart by the order they came in."""

    def __init__(self, attributes: Iterable[Attributes] = ()) -> None:
        self._count = 0
        self._columns: dict[str, _Column] = {}
        self.add(attributes)

    def __len__(self) -> int:
        return self._count

    def add(self, attributes: Iterable[Attributes]) -> None:
        """Each is of one more file."""
        for each in attributes:
            for key, value in each.items():
                self._columns.setdefault(key, _Column()).add(self._count, value)
            self._count += 1

    def passing(self, wanted: Filter) -> BoolArray:
        """(n,) whether each file passes."""
        if isinstance(wanted, Comparison):
            column = self._columns.get(wanted.key, _EMPTY)
            missing, *verdicts = wanted.verdicts([None, *column.values])
            passing = np.full(self._count, missing)
            passing[np.asarray(column.files)] = np.array(verdicts, bool)[np.asarray(column.codes)]
            return passing
        combine = np.logical_and if wanted.type == "and" else np.logical_or
        found: BoolArray = combine.reduce([self.passing(each) for each in wanted.filters])
        return found


class _Column:
    """Of one key: `values` are the distinct ones, `codes` say which of them each of `files` has."""

    def __init__(self) -> None:
        self.values: list[AttributeValue] = []
        self.files, self.codes = array("i"), array("i")
        self._code_of: dict[tuple[type, AttributeValue], int] = {}

    def add(self, file: int, value: AttributeValue) -> None:
        code = self._code_of.setdefault((type(value), value), len(self.values))  # since True == 1
        if code == len(self.values):
            self.values.append(value)
        self.files.append(file)
        self.codes.append(code)


_EMPTY = _Column()
