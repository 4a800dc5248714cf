"""Kind `winsorizer/1`: hold numbers within fitted quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np

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
    require,
    require_choice,
    require_pair,
)
from likewise.transforms.number_fitter import Needs, NumberFitter, NumberKind, NumberStatistics
from likewise.transforms.packed_values import array_of
from likewise.transforms.policies import KEEP_OR_ERROR, KeepOrError, check_missing, count_where


@dataclass(frozen=True, slots=True)
class Winsorizer(NumberKind):
    """min(max(x, lower quantile), upper quantile); exact order statistics, interpolated linearly.

    Missing values: skipped in the fit; stay missing, or an error. Values beyond a bound, infinities
    included, become the bound and are counted as out of range; in the fit infinities are an error.
    Constant column: that constant. Empty or all-missing fit: an error.

    Parameters
    ----------
    quantile_range
        Lower and upper quantile in percent.
    missing
        "keep" or "error".

    Examples
    --------
    >>> from likewise.transforms.testing import fit_numbers
    >>> fit_numbers(Winsorizer((0, 75)), [0.0, 1.0, 2.0, 3.0, 100.0]).apply(np.array([[50.0, -1.0]]), None)
    array([[3., 0.]])
    """

    id: ClassVar[str] = "winsorizer/1"
    form: ClassVar[Form] = Form.NUMBERS
    accepts = NUMERIC

    quantile_range: tuple[float, float] = (1.0, 99.0)
    missing: KeepOrError = "keep"

    def __post_init__(self) -> None:
        require_pair("Winsorizer", "quantile_range", self.quantile_range)
        sound = self.quantile_range[0] >= 0 and self.quantile_range[1] <= 100
        require(sound, "Winsorizer", "quantile_range", "percents from 0 to 100", self.quantile_range)
        require_choice("Winsorizer", "missing", self.missing, KEEP_OR_ERROR)

    def needs(self) -> Needs:
        """Return the two quantiles."""
        return Needs(fractions=tuple(Fraction(percent) / 100 for percent in self.quantile_range))

    def fitter(self, fields: Fields) -> NumberFitter:
        """Return a fitter; one pass for up to a million values a column, else about three."""
        return NumberFitter(self, fields)

    def solve(self, statistics: Sequence[NumberStatistics]) -> Arrays:
        """Return the bounds of each column."""
        bounds = np.array([s.quantiles() for s in statistics]).reshape(-1, 2)
        return {"lower": bounds[:, 0], "upper": bounds[:, 1]}

    def restore(self, fields: Fields, arrays: Arrays) -> FittedWinsorizer:
        """Return the fitted winsorizer."""
        lower = array_of(arrays, "lower", np.float64, (len(fields),))
        upper = array_of(arrays, "upper", np.float64, (len(fields),))
        if not bool((np.isfinite(lower) & np.isfinite(upper) & (lower <= upper)).all()):
            raise ArtifactError("a bound is not finite or lower is above upper")
        return FittedWinsorizer(self, fields, frozen(lower[:, None]), frozen(upper[:, None]))


@dataclass(frozen=True, slots=True, eq=False)
class FittedWinsorizer(FittedKind):
    """A fitted `Winsorizer`; lower and upper are (k, 1) float64."""

    elementwise: ClassVar[bool] = True

    kind: Winsorizer
    fields: Fields
    lower: Floats
    upper: Floats

    def outputs(self) -> Fields:
        """Return the fields, now numbers."""
        return tuple(f.renamed(f.name) for f in self.fields)

    def apply(self, values: Floats, tally: Counters | None) -> Floats:
        """Return (k, n) numbers within the bounds."""
        check_missing(values, self.fields, "Winsorizer", self.kind.missing)
        if tally is not None:
            count_where((values < self.lower) | (values > self.upper), self.fields, "out_of_range", tally)
        return np.minimum(np.maximum(values, self.lower), self.upper)

    def arrays(self) -> Arrays:
        """Return the bounds."""
        return {"lower": self.lower[:, 0], "upper": self.upper[:, 0]}
