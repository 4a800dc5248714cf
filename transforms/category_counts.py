"""Exact counts of the distinct values of a column, whatever its type."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from itertools import repeat
from operator import add
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from likewise.transforms.columns import Column, beyond_floats
from likewise.transforms.kind import Arrays, Fields, FittedKind, Fitter, Kind, Values

# A category: float or (beyond 2**53) int for numbers and booleans, str, bytes, int microseconds for times.
Category: TypeAlias = Any


class CategoryCounts:
    """How often each category of one column occurs; missing values are counted apart."""

    __slots__ = ("counts", "missing")

    def __init__(self) -> None:
        self.counts: dict[Category, int] = {}
        self.missing = 0

    def update(self, column: Column) -> None:
        """Count the values of a column."""
        values, counts = distinct(column)
        self._add_all(values, counts.tolist())
        self.missing += len(column) - int(counts.sum())

    def add(self, value: Category, count: int) -> None:
        """Count one category `count` times."""
        self.counts[value] = self.counts.get(value, 0) + count

    def _add_all(self, values: Iterable[Category], counts: Iterable[int]) -> None:
        # Without a line of Python a value: a thousand of them come with every batch of a text column.
        held = self.counts
        held.update(zip(values, map(add, map(held.get, values, repeat(0)), counts), strict=True))

    def merge(self, other: CategoryCounts) -> None:
        """Add the counts of another part of the data."""
        self._add_all(other.counts, other.counts.values())
        self.missing += other.missing

    def sorted(self) -> list[Category]:
        """Return the categories in ascending order: numbers by value, text by code point, bytes by byte."""
        return sorted(self.counts)

    def most_frequent(self) -> Category:
        """Return the most frequent category, of several the smallest."""
        return min(self.counts, key=lambda value: (-self.counts[value], value))


def distinct(column: Column) -> tuple[list[Category], npt.NDArray[np.int64]]:
    """Return the distinct present values of a column and their counts."""
    if isinstance(column.values, pa.Array) and pa.types.is_dictionary(column.values.type):
        return _distinct_in_dictionary(column.values)
    if isinstance(column.values, pa.Array):
        counted = pc.value_counts(column.values.drop_null())
        values, counts = counted.field("values"), counted.field("counts")
        return values.to_pylist(), np.asarray(counts)
    if column.values.dtype == object:
        counted = CategoryCounts()
        for value in column.values.tolist():
            if value is not None:
                counted.add(value, 1)
        return list(counted.counts), np.array(list(counted.counts.values()), dtype=np.int64)
    present = ~column.is_missing()
    if column.integers is None:
        unique, counts = np.unique(column.values[present], return_counts=True)
        return unique.tolist(), counts.astype(np.int64)
    return _distinct_long(column.values, column.integers, present)


def _distinct_long(values: Any, integers: Any, present: Any) -> tuple[list[Category], npt.NDArray[np.int64]]:
    """Return integers beyond 2**53 as such and all other values as floats, whatever is in the batch."""
    beyond = beyond_floats(integers)
    unique, counts = np.unique(values[present & ~beyond], return_counts=True)
    longer, more = np.unique(integers[present & beyond], return_counts=True)
    return [*unique.tolist(), *longer.tolist()], np.concatenate([counts, more]).astype(np.int64)


def _distinct_in_dictionary(values: pa.DictionaryArray) -> tuple[list[Category], npt.NDArray[np.int64]]:
    # An entry may stand twice in a dictionary; whoever adds the counts up joins them.
    entries = values.dictionary.to_pylist()
    indices = np.asarray(values.indices.drop_null())
    counts = np.bincount(indices, minlength=len(entries))
    held = np.flatnonzero(counts)
    return [entries[at] for at in held.tolist()], counts[held]


class CategoryKind(Kind):
    """A kind that learns from the distinct values of each column apart, through `CategoryFitter`."""

    __slots__ = ()

    @abstractmethod
    def solve(self, fields: Fields, counts: Sequence[CategoryCounts]) -> Arrays:
        """Return the fitted arrays from the counts of the k columns."""


class CategoryFitter(Fitter):
    """Counts the categories of each column; takes columns, or a matrix of numbers."""

    fills: ClassVar[bool] = True

    __slots__ = ("_counts", "_fields", "_kind")

    def __init__(self, kind: CategoryKind, fields: Fields) -> None:
        self._kind, self._fields = kind, fields
        self._counts = [CategoryCounts() for _ in fields]

    def update(self, values: Values) -> None:
        """Count k columns, or (k, n) numbers."""
        for counts, field, column in zip(self._counts, self._fields, values, strict=True):
            counts.update(column if isinstance(column, Column) else Column(field.type, column))

    def merge(self, other: CategoryFitter) -> None:
        """Add the counts of another fitter."""
        for mine, theirs in zip(self._counts, other._counts, strict=True):
            mine.merge(theirs)

    def part(self) -> CategoryFitter:
        """Return an empty fitter."""
        return CategoryFitter(self._kind, self._fields)

    def fill(self, values: list[Any]) -> None:
        """Count the missing values of each column as its constant."""
        for counts, value in zip(self._counts, values, strict=True):
            if counts.missing:
                counts.add(value, counts.missing)
                counts.missing = 0

    def finish(self) -> FittedKind:
        """Return the fitted kind."""
        return self._kind.restore(self._fields, self._kind.solve(self._fields, self._counts))
