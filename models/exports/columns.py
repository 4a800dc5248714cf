"""Columns on their way through an export, as far as kinds look at them: missing or not, and which category."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from likewise.models.exports.algebra import Algebra, Block, ListHandle
from likewise.models.exports.cross_text import parts_of
from likewise.models.exports.errors import ExportStepError


class ExportColumn(ABC):
    """A column of categories; frozen."""

    __slots__ = ()

    # The categories it can take beside missing ones, where they are known and few.
    categories: ClassVar[tuple[Any, ...] | None] = None

    @abstractmethod
    def missing(self) -> Block:
        """Return where it is missing."""

    @abstractmethod
    def places(self, values: Sequence[Any]) -> Block:
        """Return the place among V distinct values as integers: V if unseen, V + 1 if missing."""

    def numbers(self) -> Block:
        """Return it as numbers."""
        raise ExportStepError(type(self).__name__, "numbers")

    def filled(self, value: Any) -> ExportColumn:
        """Return the column with missing values replaced."""
        return FilledColumn(self, value)


@dataclass(frozen=True, slots=True, eq=False)
class NumberColumn(ExportColumn):
    """One column of numbers or booleans; `exact` holds int64 where categories lie beyond 2**53."""

    block: Block
    exact: Block | None = None

    def missing(self) -> Block:
        """Return where it is NaN."""
        return self.block.algebra.is_missing(self.block)

    def places(self, values: Sequence[Any]) -> Block:
        """Return the place of each number."""
        x = self.block if self.exact is None else self.exact
        return self.block.algebra.place_among(x, values, self.missing())

    def numbers(self) -> Block:
        """Return the numbers."""
        return self.block

    def filled(self, value: Any) -> ExportColumn:
        """Return the column with a number where missing."""
        missing, algebra = self.missing(), self.block.algebra
        exact = None if self.exact is None else algebra.where(missing, int(value), self.exact)
        return NumberColumn(algebra.where(missing, float(value), self.block), exact)


@dataclass(frozen=True, slots=True, eq=False)
class TimeColumn(ExportColumn):
    """One column of int64 microseconds with its mask."""

    ticks: Block
    absent: Block

    def missing(self) -> Block:
        """Return the mask."""
        return self.absent

    def places(self, values: Sequence[Any]) -> Block:
        """Return the place of each time."""
        return self.ticks.algebra.place_among(self.ticks, values, self.absent)

    def filled(self, value: Any) -> ExportColumn:
        """Return the column with a time where missing."""
        algebra = self.ticks.algebra
        nowhere = algebra.both(self.absent, algebra.negated(self.absent))
        return TimeColumn(algebra.where(self.absent, int(value), self.ticks), nowhere)


@dataclass(frozen=True, slots=True, eq=False)
class RawText(ExportColumn):
    """A raw column of text or bytes."""

    algebra: Algebra
    name: str

    def missing(self) -> Block:
        """Return where the place among no values is that of missing ones."""
        return self.places(()).equals(1)

    def places(self, values: Sequence[Any]) -> Block:
        """Return the place of each text."""
        return self.algebra.place_of_text(self.name, values)


@dataclass(frozen=True, slots=True, eq=False)
class RawList(ExportColumn):
    """A raw column of lists; kinds of lists use its handle."""

    handle: ListHandle
    absent: Block

    def missing(self) -> Block:
        """Return the mask."""
        return self.absent

    def places(self, values: Sequence[Any]) -> Block:
        """Refuse: lists are no categories."""
        raise ExportStepError(f"the list column {self.handle.name!r}", f"one of {len(values)} categories")


@dataclass(frozen=True, slots=True, eq=False)
class FilledColumn(ExportColumn):
    """A text column with a value where it was missing."""

    inner: ExportColumn
    value: Any

    def missing(self) -> Block:
        """Return nowhere."""
        places = self.inner.places(())
        return places < 0

    def places(self, values: Sequence[Any]) -> Block:
        """Return the inner places, missing ones at the place of the filling value."""
        places = self.inner.places(values)
        table = np.arange(len(values) + 2)
        table[-1] = list(values).index(self.value) if self.value in values else len(values)
        return places.algebra.pick(table, places)


@dataclass(frozen=True, slots=True, eq=False)
class GroupedColumn(ExportColumn):
    """A text column whose values outside a vocabulary have become one text."""

    inner: ExportColumn
    vocabulary: tuple[Any, ...]
    group: str

    @property
    def categories(self) -> tuple[Any, ...]:  # type: ignore[override]
        """The vocabulary and the group."""
        return (*self.vocabulary, self.group)

    def missing(self) -> Block:
        """Return where the inner column is missing."""
        return self.inner.missing()

    def places(self, values: Sequence[Any]) -> Block:
        """Return the place of each value's group."""
        places = self.inner.places(self.vocabulary)
        place_of = {value: at for at, value in enumerate(values)}
        table = [place_of.get(value, len(values)) for value in self.categories]
        return places.algebra.pick(np.array([*table, len(values) + 1]), places)


@dataclass(frozen=True, slots=True, eq=False)
class CrossedColumn(ExportColumn):
    """Several columns as one text; looked up part by part, so that the text itself is never made."""

    parts: tuple[ExportColumn, ...]
    types: tuple[str, ...]
    separator: str
    keeps_missing: bool

    def missing(self) -> Block:
        """Return where any part is missing, if that makes the cross missing."""
        masks = [part.missing() for part in self.parts]
        total = masks[0]
        algebra = total.algebra
        for mask in masks[1:]:
            total = algebra.either(total, mask)
        return total if self.keeps_missing else algebra.both(total, algebra.negated(total))

    def places(self, values: Sequence[Any]) -> Block:
        """Return the place of each row's parts among those that the values are made of."""
        wanted = {parts_of(text, self.separator, self.types): at for at, text in enumerate(values)}
        wanted.pop(None, None)  # texts that no row can give
        found = self._prefixes([parts for parts in wanted if parts is not None])
        size = len(values)
        algebra = found.place.algebra
        place = algebra.pick(np.array([*(wanted[p] for p in found.prefixes), size, size + 1]), found.place)
        return algebra.where(self.missing(), size + 1, place) if self.keeps_missing else place

    def _prefixes(self, wanted: Sequence[tuple[Any, ...]]) -> _Prefixes:
        """Return the place among the wanted tuples, one part after the other so that no key overflows."""
        found: _Prefixes | None = None
        for at, part in enumerate(self.parts):
            distinct = list(dict.fromkeys(p[at] for p in wanted if p[at] is not None))
            places, radix = part.places(distinct), len(distinct) + 2
            code = {value: place for place, value in enumerate(distinct)} | {None: radix - 1}
            before = [()] if found is None else list(found.prefixes)
            prefixes = list(dict.fromkeys(p[: at + 1] for p in wanted))
            keys = [before.index(p[:-1]) * radix + code[p[-1]] for p in prefixes]
            key = places if found is None else found.place * radix + places
            nowhere = key < 0
            found = _Prefixes(tuple(prefixes), key.algebra.place_among(key, keys, nowhere))
        if found is None:
            raise ExportStepError("a cross", "one column or more")
        return found


@dataclass(frozen=True, slots=True, eq=False)
class _Prefixes:
    prefixes: tuple[tuple[Any, ...], ...]
    place: Block
