"""One fitter for every kind that learns from the numbers of each column apart."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from likewise.transforms.errors import AllMissingError, InfiniteValueError, StatisticOverflowError
from likewise.transforms.exact_sums import ExactSums
from likewise.transforms.kind import Arrays, Field, Fields, FittedKind, Fitter, Floats, Kind
from likewise.transforms.order_statistics import OrderStatistics, QuantileMethod, fraction_ranks, quantiles

# Values kept a column before buckets are counted instead: 8 MB, so 20 columns stay within 160 MB. Of streamed
# rows fewer may be kept: see `fitting`.
KEPT_VALUES = 1 << 20
_THREADS = 2
_ALONE = 100_000  # values that are sorted sooner than threads start


@dataclass(frozen=True, slots=True)
class Needs:
    """Which statistics a kind needs of every column.

    Parameters
    ----------
    sums, squares
        Exact sum; exact sum of squares (and sum).
    fractions
        Quantiles, as exact fractions from 0 to 1 in ascending order; none when empty.
    method
        How quantiles between two values are defined.
    """

    sums: bool = False
    squares: bool = False
    fractions: tuple[Fraction, ...] = ()
    method: QuantileMethod = "linear"


class NumberStatistics:
    """What the data says of one column: counts, extremes and the statistics asked for."""

    __slots__ = ("_kind", "_needs", "count", "field", "high", "low", "missing", "order", "sums")

    def __init__(self, field: Field, kind: str, needs: Needs) -> None:
        self.field = field
        self.count = 0
        self.missing = 0
        self.low, self.high = np.inf, -np.inf
        self._kind, self._needs = kind, needs
        self.sums = ExactSums(squares=needs.squares)
        self.order = OrderStatistics(fraction_ranks(needs.fractions, needs.method), KEPT_VALUES)

    def update(self, values: Floats, *, first_pass: bool) -> None:
        """Add (n,) values; NaN is missing."""
        present = self._present(values)
        if self._needs.fractions:
            self.order.update(present)
        if not first_pass or not len(present):
            self.missing += (len(values) - len(present)) * first_pass
            return
        self.missing += len(values) - len(present)
        self.count += len(present)
        self.low = min(self.low, float(present.min()))
        self.high = max(self.high, float(present.max()))
        if self._needs.sums or self._needs.squares:
            self.sums.update(present)

    def _present(self, values: Floats) -> Floats:
        finite = np.isfinite(values)
        if bool(finite.all()):
            return values
        if bool(np.isinf(values).any()):
            raise InfiniteValueError(self.field.source, self._kind)
        present: Floats = values[finite]
        return present

    def merge(self, other: NumberStatistics) -> None:
        """Add what another part of the data said."""
        self.count += other.count
        self.missing += other.missing
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.sums.merge(other.sums)
        if self._needs.fractions:
            self.order.merge(other.order)

    def part(self) -> NumberStatistics:
        """Return an empty one for the same pass."""
        other = NumberStatistics(self.field, self._kind, self._needs)
        other.order = self.order.part()
        return other

    def fill(self, value: float) -> None:
        """Count the missing values as this one."""
        if not self.missing:
            return
        self.count += self.missing
        self.low, self.high = min(self.low, value), max(self.high, value)
        self.sums.add_constant(value, self.missing)
        self.order.add_constant(value, self.missing)
        self.missing = 0

    def end_pass(self) -> bool:
        """Close a pass; return whether another one is needed."""
        return bool(self._needs.fractions) and self.count > 0 and self.order.end_pass()

    def require_values(self, advice: str) -> None:
        """Raise AllMissingError when there was no value."""
        if self.count == 0:
            raise AllMissingError(self.field.source, self._kind, advice)

    def mean(self) -> float:
        """Return the mean, rounded once."""
        return self.sums.mean()

    def deviation(self) -> float:
        """Return the population standard deviation, rounded once."""
        try:
            return self.sums.deviation()
        except OverflowError:
            raise StatisticOverflowError(self.field.source, "standard deviation") from None

    def spread(self) -> float:
        """Return high - low."""
        spread = self.high - self.low
        if spread == np.inf:
            raise StatisticOverflowError(self.field.source, "range")
        return spread

    def quantiles(self) -> list[float]:
        """Return the quantiles of the fractions asked for, each rounded once."""
        return quantiles(self.order, self._needs.fractions, self._needs.method)


class NumberKind(Kind):
    """A kind that learns from the numbers of each column apart, through `NumberFitter`."""

    __slots__ = ()

    advice: ClassVar[str] = "Leave the column out, or put SimpleImputer('constant', fill_value=...) before it."

    @abstractmethod
    def needs(self) -> Needs:
        """Return which statistics to gather."""

    @abstractmethod
    def solve(self, statistics: Sequence[NumberStatistics]) -> Arrays:
        """Return the fitted arrays from the statistics of the k columns."""


class NumberFitter(Fitter):
    """Gathers what a `NumberKind` needs of each column; exact, so any partition gives the same state."""

    fills: ClassVar[bool] = True

    __slots__ = ("_fields", "_first_pass", "_kind", "_statistics")

    def __init__(self, kind: NumberKind, fields: Fields) -> None:
        self._kind, self._fields = kind, fields
        self._first_pass = True
        needs = kind.needs()
        self._statistics = [NumberStatistics(f, type(kind).__name__, needs) for f in fields]

    def update(self, values: Floats) -> None:
        """Learn from (k, n) numbers."""
        for statistics, row in zip(self._statistics, values, strict=True):
            statistics.update(row, first_pass=self._first_pass)

    def merge(self, other: NumberFitter) -> None:
        """Add what another fitter of this pass learned."""
        for mine, theirs in zip(self._statistics, other._statistics, strict=True):
            mine.merge(theirs)

    def part(self) -> NumberFitter:
        """Return an empty fitter for the same pass."""
        other = NumberFitter(self._kind, self._fields)
        other._first_pass = self._first_pass
        other._statistics = [s.part() for s in self._statistics]
        return other

    def expect(self, rows: int | None, room: int) -> None:
        """Count from the start where keeping the values would only be given up later."""
        for statistics in self._statistics:
            statistics.order.expect(rows, room)

    def fill(self, values: list[Any]) -> None:
        """Count the missing values of each column as its constant."""
        for statistics, value in zip(self._statistics, values, strict=True):
            statistics.fill(value)

    def end_pass(self) -> bool:
        """Close a pass; return whether any column needs another one."""
        self._first_pass = False
        again = [s.end_pass() for s in self._statistics]  # every column closes its pass, so no lazy any()
        return any(again)

    def finish(self) -> FittedKind:
        """Return the fitted kind."""
        for statistics in self._statistics:
            statistics.require_values(self._kind.advice)
        if self._kind.needs().fractions and sum(s.count for s in self._statistics) > _ALONE:
            # Sorting releases the interpreter, so two columns are sorted side by side.
            with ThreadPoolExecutor(_THREADS) as pool:
                list(pool.map(OrderStatistics.result, [s.order for s in self._statistics]))
        return self._kind.restore(self._fields, self._kind.solve(self._statistics))
