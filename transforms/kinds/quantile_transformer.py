"""Kind `quantile_transformer/1`: map a column's distribution onto the uniform or the normal one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Literal

import numpy as np
import scipy.special

from likewise.transforms.arithmetic import normal_quantile, normal_quantile_of_float
from likewise.transforms.counters import Counters
from likewise.transforms.errors import ArtifactError
from likewise.transforms.kind import (
    NUMERIC,
    Arrays,
    Fields,
    FittedKind,
    Floats,
    Form,
    frozen,
    require_choice,
    require_integer,
)
from likewise.transforms.knots import Knots
from likewise.transforms.number_fitter import Needs, NumberFitter, NumberKind, NumberStatistics
from likewise.transforms.policies import KEEP_OR_ERROR, KeepOrError, check_missing, count_where
from likewise.transforms.ragged import join, split

# scikit-learn's bound: a normal output lies within +-5.199, the quantiles of 1e-7 and 1 - 1e-7.
SHARE_BOUND = 1e-7
# Below this many values Python's bisect beats the overhead of array calls (measured 2026-11).
_FEW = 24


@dataclass(frozen=True, slots=True)
class QuantileTransformer(NumberKind):
    """The share of fitted values below x, interpolated between quantiles; or its normal quantile.

    The quantiles are exact order statistics of all rows (scikit-learn draws 10,000). A value that
    several quantiles share gets the middle of their shares; the smallest fitted value gets 0 and the
    largest 1. Missing values: skipped in the fit; stay missing, or an error. Values outside the
    fitted range, infinities included, get 0 or 1 and are counted. Constant column: 0 up to the
    constant, 1 above it. Empty or all-missing fit: an error.

    Parameters
    ----------
    n_quantiles
        At least 2; a column with fewer values uses as many as it has.
    output_distribution
        "uniform" for shares from 0 to 1, "normal" for quantiles from -5.199 to 5.199.
    missing
        "keep" or "error".

    Examples
    --------
    >>> from likewise.transforms.testing import fit_numbers
    >>> fit_numbers(QuantileTransformer(3), [1.0, 2.0, 9.0]).apply(np.array([[1.5, 2.0, 50.0]]), None)
    array([[0.25, 0.5 , 1.  ]])
    """

    id: ClassVar[str] = "quantile_transformer/1"
    form: ClassVar[Form] = Form.NUMBERS
    accepts = NUMERIC

    n_quantiles: int = 1000
    output_distribution: Literal["uniform", "normal"] = "uniform"
    missing: KeepOrError = "keep"

    def __post_init__(self) -> None:
        require_integer("QuantileTransformer", "n_quantiles", self.n_quantiles, 2, 1_000_000)
        choices = ("uniform", "normal")
        require_choice("QuantileTransformer", "output_distribution", self.output_distribution, choices)
        require_choice("QuantileTransformer", "missing", self.missing, KEEP_OR_ERROR)

    def needs(self) -> Needs:
        """Return the evenly spaced quantiles."""
        last = self.n_quantiles - 1
        return Needs(fractions=tuple(Fraction(i, last) for i in range(self.n_quantiles)))

    def fitter(self, fields: Fields) -> NumberFitter:
        """Return a fitter; one pass for up to a million values a column, else about three."""
        return NumberFitter(self, fields)

    def solve(self, statistics: Sequence[NumberStatistics]) -> Arrays:
        """Return the quantiles of each column."""
        for column in statistics:
            column.spread()
        return join("quantiles", [self._quantiles(s) for s in statistics])

    def _quantiles(self, column: NumberStatistics) -> list[float]:
        if column.count >= self.n_quantiles:
            return column.quantiles()
        # With fewer values than quantiles every rank is wanted, so the values are the quantiles.
        values: list[float] = column.order.result().tolist()
        return values

    def restore(self, fields: Fields, arrays: Arrays) -> FittedQuantileTransformer:
        """Return the fitted transformer."""
        tables = tuple(_Table.of(q) for q in split("quantiles", arrays, len(fields)))
        low, high = frozen([[t.knots[0]] for t in tables]), frozen([[t.knots[-1]] for t in tables])
        return FittedQuantileTransformer(self, fields, tables, low, high)


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """One column's map, piecewise linear with a jump at tied quantiles.

    `knots` are the m distinct quantiles. Entry i of the others serves values from knot i - 1 up to
    knot i: where the piece starts, its share there, its slope, and the share at the knot itself.
    """

    quantiles: Floats
    knots: Floats
    index: Knots
    start: Floats
    share: Floats
    slope: Floats
    at_knot: Floats
    has_ties: bool
    few: tuple[list[float], list[float], list[float], list[float], list[float]]

    @classmethod
    def of(cls, quantiles: Floats) -> _Table:
        """Return the map of sorted quantiles."""
        if not len(quantiles):
            raise ArtifactError("a quantile transformer needs one quantile or more a column")
        knots, first, counts = np.unique(quantiles, return_index=True, return_counts=True)
        steps = max(len(quantiles) - 1, 1)
        low, high = first / steps, (first + counts - 1) / steps
        middle = (low + high) / 2.0
        middle[-1], middle[0] = 1.0, 0.0
        # Between knots less than 6e-309 apart a slope may overflow; what lies between gets the lower one's share.
        with np.errstate(over="ignore"):
            slope = np.append((low[1:] - high[:-1]) / np.diff(knots), 0.0)
        if not bool(np.isfinite(knots[-1] - knots[0])):
            raise ArtifactError("quantiles span more than the range of float64")
        slope = np.where(np.isfinite(slope), slope, 0.0)
        start, share = _after(knots[0], knots), _after(0.0, high)
        slope, at_knot = _after(0.0, slope), _after(0.0, middle)
        few = (knots.tolist(), start.tolist(), share.tolist(), slope.tolist(), at_knot.tolist())
        ties = bool((share != at_knot).any())
        return cls(frozen(quantiles), frozen(knots), Knots.of(knots), start, share, slope, at_knot, ties, few)

    def shares(self, x: Floats) -> Floats:
        """Return the (n,) shares."""
        held = np.minimum(np.maximum(x, self.knots[0]), self.knots[-1])
        at = self.index.places(held)
        beyond = held - self.start[at]
        share: Floats = self.share[at] + beyond * self.slope[at]
        return np.where(beyond == 0.0, self.at_knot[at], share) if self.has_ties else share

    def share_of(self, x: float) -> float:
        """Return what `shares` returns, for one value."""
        knots, start, share, slope, at_knot = self.few
        if x != x:
            return x
        held = min(max(x, knots[0]), knots[-1])
        at = bisect_right(knots, held)
        beyond = held - start[at]
        return at_knot[at] if beyond == 0.0 else share[at] + beyond * slope[at]


def _after(first: float, rest: Floats) -> Floats:
    return frozen(np.concatenate([[first], rest]))


@dataclass(frozen=True, slots=True, eq=False)
class FittedQuantileTransformer(FittedKind):
    """A fitted `QuantileTransformer`; one table a column."""

    kind: QuantileTransformer
    fields: Fields
    tables: tuple[_Table, ...]
    low: Floats
    high: Floats

    def outputs(self) -> Fields:
        """Return the fields, now numbers."""
        return tuple(f.renamed(f.name) for f in self.fields)

    def apply(self, values: Floats, tally: Counters | None) -> Floats:
        """Return (k, n) shares or normal quantiles."""
        check_missing(values, self.fields, "QuantileTransformer", self.kind.missing)
        if values.size <= _FEW:
            return self._of_few(values, tally)
        if tally is not None:
            count_where((values < self.low) | (values > self.high), self.fields, "out_of_range", tally)
        normal = self.kind.output_distribution == "normal"
        result = np.empty_like(values)
        for row, table, out in zip(values, self.tables, result, strict=True):
            share = table.shares(row)
            out[:] = normal_quantile(np.minimum(np.maximum(share, SHARE_BOUND), 1.0 - SHARE_BOUND)) if normal else share
        return result

    def _of_few(self, values: Floats, tally: Counters | None) -> Floats:
        one = _normal_of_share if self.kind.output_distribution == "normal" else _share
        results = []
        for field, table, row in zip(self.fields, self.tables, values.tolist(), strict=True):
            low, high = table.few[0][0], table.few[0][-1]
            for x in row:
                if tally is not None and (x < low or x > high):
                    tally.add(field.source, "out_of_range", 1)
                results.append(one(table.share_of(x)))
        return np.array(results).reshape(values.shape)

    def inverse(self, values: Floats) -> Floats:
        """Return the quantile of each share, interpolated."""
        shares = scipy.special.ndtr(values) if self.kind.output_distribution == "normal" else values
        result = np.empty_like(values)
        for row, table, out in zip(shares, self.tables, result, strict=True):
            grid = np.linspace(0.0, 1.0, len(table.quantiles))
            out[:] = np.interp(row, grid, table.quantiles)
        return result

    def arrays(self) -> Arrays:
        """Return the quantiles."""
        return join("quantiles", [t.quantiles for t in self.tables])


def _share(share: float) -> float:
    return share


def _normal_of_share(share: float) -> float:
    return normal_quantile_of_float(min(max(share, SHARE_BOUND), 1.0 - SHARE_BOUND)) if share == share else share
