"""Kind `k_bins_discretizer/1`: cut a number into bins of equal width or of equal share."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Literal

import numpy as np

from likewise.transforms.codes import one_hot
from likewise.transforms.counters import Counters
from likewise.transforms.errors import ArtifactError
from likewise.transforms.kind import (
    NUMERIC,
    Arrays,
    Codes,
    Field,
    Fields,
    FittedKind,
    Floats,
    Form,
    frozen,
    require_choice,
    require_integer,
)
from likewise.transforms.knots import count_at_or_below
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.number_fitter import Needs, NumberFitter, NumberKind, NumberStatistics
from likewise.transforms.order_statistics import QuantileMethod
from likewise.transforms.policies import check_missing, count_where
from likewise.transforms.ragged import join, split

# Below this many values Python's bisect beats the overhead of array calls (measured 2026-11).
_FEW = 32


@dataclass(frozen=True, slots=True)
class KBinsDiscretizer(NumberKind):
    """The bin a number falls into: bin i holds edge i <= x < edge i + 1, the last one its end too.

    Edges come from all rows, exactly; equal neighbouring edges become one, so a column may have
    fewer bins than asked for, a constant one has 1. Missing values: skipped in the fit; then a code
    of their own after the bins, or an error. Values outside the fitted range, infinities included,
    fall into the first or last bin and are counted. Infinities in the fit, an empty or all-missing
    fit: an error.

    Parameters
    ----------
    n_bins
        At least 2.
    encode
        "ordinal" for codes, "onehot" for a 0/1 column a bin (and one for missing).
    strategy
        "quantile" or "uniform".
    quantile_method
        "averaged_inverted_cdf" (scikit-learn's default) or "linear".
    missing
        "category" or "error".

    Examples
    --------
    >>> from likewise.transforms.testing import fit_numbers
    >>> fitted = fit_numbers(KBinsDiscretizer(2, strategy="uniform"), [0.0, 1.0, 10.0])
    >>> fitted.apply(np.array([[4.0, 5.0, 99.0, np.nan]]), None)
    array([[0, 1, 1, 2]], dtype=int32)
    """

    id: ClassVar[str] = "k_bins_discretizer/1"
    form: ClassVar[Form] = Form.NUMBERS
    accepts = NUMERIC

    n_bins: int = 5
    encode: Literal["ordinal", "onehot"] = "ordinal"
    strategy: Literal["quantile", "uniform"] = "quantile"
    quantile_method: QuantileMethod = "averaged_inverted_cdf"
    missing: Literal["category", "error"] = "category"

    def __post_init__(self) -> None:
        require_integer("KBinsDiscretizer", "n_bins", self.n_bins, 2, 65_536)
        require_choice("KBinsDiscretizer", "encode", self.encode, ("ordinal", "onehot"))
        require_choice("KBinsDiscretizer", "strategy", self.strategy, ("quantile", "uniform"))
        methods = ("averaged_inverted_cdf", "linear")
        require_choice("KBinsDiscretizer", "quantile_method", self.quantile_method, methods)
        require_choice("KBinsDiscretizer", "missing", self.missing, ("category", "error"))

    def needs(self) -> Needs:
        """Return the quantiles at the edges, or nothing beyond the extremes."""
        if self.strategy == "uniform":
            return Needs()
        steps = tuple(Fraction(i, self.n_bins) for i in range(self.n_bins + 1))
        return Needs(fractions=steps, method=self.quantile_method)

    def fitter(self, fields: Fields) -> NumberFitter:
        """Return a fitter; one pass, or about three for quantiles of more than a million values."""
        return NumberFitter(self, fields)

    def solve(self, statistics: Sequence[NumberStatistics]) -> Arrays:
        """Return the distinct edges of each column."""
        return join("edges", [np.unique(self._edges(s)) for s in statistics])

    def _edges(self, column: NumberStatistics) -> list[float]:
        if self.strategy == "quantile":
            return column.quantiles()
        low, high = Fraction(column.low), Fraction(column.high)
        inner = [float(low + (high - low) * Fraction(i, self.n_bins)) for i in range(1, self.n_bins)]
        return [column.low, *inner, column.high]

    def restore(self, fields: Fields, arrays: Arrays) -> FittedKBinsDiscretizer:
        """Return the fitted discretizer."""
        edges = tuple(frozen(e) for e in split("edges", arrays, len(fields)))
        if any(len(e) == 0 or bool((e[1:] <= e[:-1]).any()) for e in edges):
            raise ArtifactError("edges of bins are not strictly ascending")
        inner = tuple(frozen(e[1:-1]) for e in edges)
        low, high = frozen([[e[0]] for e in edges]), frozen([[e[-1]] for e in edges])
        return FittedKBinsDiscretizer(self, fields, edges, inner, tuple(e.tolist() for e in edges), low, high)


@dataclass(frozen=True, slots=True, eq=False)
class FittedKBinsDiscretizer(FittedKind):
    """A fitted `KBinsDiscretizer`; the inner edges decide, the outer ones say what is out of range."""

    kind: KBinsDiscretizer
    fields: Fields
    edges: tuple[Floats, ...]
    inner: tuple[Floats, ...]
    edges_list: tuple[list[float], ...]
    low: Floats
    high: Floats

    def _widths(self) -> list[int]:
        return [len(e) + 1 + (self.kind.missing == "category") for e in self.inner]

    def outputs(self) -> Fields:
        """Return one field of codes an input, or one number field a bin."""
        named = zip(self.fields, self._widths(), strict=True)
        if self.kind.encode == "ordinal":
            return tuple(Field(f.name, LogicalType.NUMBER, f.source, width) for f, width in named)
        return tuple(f.renamed(f"{f.name}_{self._label(i, at)}") for i, (f, w) in enumerate(named) for at in range(w))

    def _label(self, column: int, at: int) -> str:
        return "missing" if at > len(self.inner[column]) else f"bin{at}"

    def apply(self, values: Floats, tally: Counters | None) -> Codes | Floats:
        """Return (k, n) codes, or (d, n) zeros and ones."""
        if self.kind.missing == "error":
            check_missing(values, self.fields, "KBinsDiscretizer", "error")
        if values.size <= _FEW:
            codes = self._codes_of_few(values, tally)
        else:
            if tally is not None:
                count_where((values < self.low) | (values > self.high), self.fields, "out_of_range", tally)
            codes = self._codes(values)
        if self.kind.encode == "ordinal":
            return codes
        return np.concatenate([one_hot(c, w) for c, w in zip(codes, self._widths(), strict=True)])

    def _codes_of_few(self, values: Floats, tally: Counters | None) -> Codes:
        codes = []
        for field, edges, row in zip(self.fields, self.edges_list, values.tolist(), strict=True):
            low, high, last = edges[0], edges[-1], max(len(edges) - 1, 1)
            for x in row:
                if tally is not None and (x < low or x > high):
                    tally.add(field.source, "out_of_range", 1)
                codes.append(bisect_right(edges, x, 1, last) - 1 if x == x else last)
        return np.array(codes, dtype=np.int32).reshape(values.shape)

    def _codes(self, values: Floats) -> Codes:
        codes = np.empty(values.shape, np.int32)
        for out, edges, row in zip(codes, self.inner, values, strict=True):
            few = len(edges) <= _FEW
            out[:] = count_at_or_below(edges, row) if few else np.searchsorted(edges, row, side="right")
        missing = np.isnan(values)
        if bool(missing.any()):
            after = np.array([[len(edges) + 1] for edges in self.inner], dtype=np.int32)
            codes = np.where(missing, after, codes)
        return codes

    def inverse(self, values: Codes) -> Floats:
        """Return the middle of each bin; NaN for the code of missing."""
        result = np.full(values.shape, np.nan)
        for out, edges, row in zip(result, self.edges, values, strict=True):
            middle = (edges[:-1] / 2.0 + edges[1:] / 2.0) if len(edges) > 1 else edges
            known = row < len(middle)
            out[known] = middle[row[known]]
        return result

    def arrays(self) -> Arrays:
        """Return the edges."""
        return join("edges", self.edges)
