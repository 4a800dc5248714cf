"""Kind `min_max_scaler/1`: map the fitted range onto a given one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
    require_choice,
    require_pair,
)
from likewise.transforms.number_fitter import Needs, NumberFitter, NumberKind, NumberStatistics
from likewise.transforms.packed_values import array_of
from likewise.transforms.policies import KEEP_OR_ERROR, KeepOrError, check_missing, count_where


@dataclass(frozen=True, slots=True)
class MinMaxScaler(NumberKind):
    """(x - min) / (max - min) * (b - a) + a for a feature range (a, b).

    Missing values: skipped in the fit; stay missing, or an error. Values outside the fitted range
    are counted, and clipped when asked. Infinities: an error in the fit. Constant column: a range
    of 1, so a. Empty or all-missing fit: an error.

    Parameters
    ----------
    feature_range
        (a, b) with a < b.
    clip
        Whether values outside the fitted range give a or b.
    missing
        "keep" or "error".

    Examples
    --------
    >>> from likewise.transforms.testing import fit_numbers
    >>> fit_numbers(MinMaxScaler(), [1.0, 5.0]).apply(np.array([[2.0, 7.0]]), None)
    array([[0.25, 1.5 ]])
    """

    id: ClassVar[str] = "min_max_scaler/1"
    form: ClassVar[Form] = Form.NUMBERS
    accepts = NUMERIC

    feature_range: tuple[float, float] = (0.0, 1.0)
    clip: bool = False
    missing: KeepOrError = "keep"

    def __post_init__(self) -> None:
        require_pair("MinMaxScaler", "feature_range", self.feature_range)
        require_choice("MinMaxScaler", "clip", self.clip, (True, False))
        require_choice("MinMaxScaler", "missing", self.missing, KEEP_OR_ERROR)

    def needs(self) -> Needs:
        """Return nothing beyond the extremes, which are always known."""
        return Needs()

    def fitter(self, fields: Fields) -> NumberFitter:
        """Return a fitter; one pass."""
        return NumberFitter(self, fields)

    def solve(self, statistics: Sequence[NumberStatistics]) -> Arrays:
        """Return the extremes of each column."""
        for column in statistics:
            column.spread()
        return {"low": np.array([s.low for s in statistics]), "high": np.array([s.high for s in statistics])}

    def restore(self, fields: Fields, arrays: Arrays) -> FittedMinMaxScaler:
        """Return the fitted scaler."""
        low = array_of(arrays, "low", np.float64, (len(fields),))
        high = array_of(arrays, "high", np.float64, (len(fields),))
        with np.errstate(invalid="ignore", over="ignore"):
            spread = high - low
        if not bool((np.isfinite(spread) & (spread >= 0.0)).all()):
            raise ArtifactError("an extreme is not finite or low is above high")
        spread = np.where(spread == 0.0, 1.0, spread)
        return FittedMinMaxScaler(self, fields, frozen(low[:, None]), frozen(high[:, None]), frozen(spread[:, None]))


@dataclass(frozen=True, slots=True, eq=False)
class FittedMinMaxScaler(FittedKind):
    """A fitted `MinMaxScaler`; low, high and spread are (k, 1) float64."""

    elementwise: ClassVar[bool] = True

    kind: MinMaxScaler
    fields: Fields
    low: Floats
    high: Floats
    spread: Floats

    def outputs(self) -> Fields:
        """Return the fields, now numbers."""
        return tuple(f.renamed(f.name) for f in self.fields)

    def apply(self, values: Floats, tally: Counters | None) -> Floats:
        """Return (k, n) scaled numbers."""
        check_missing(values, self.fields, "MinMaxScaler", self.kind.missing)
        if tally is not None:
            count_where((values < self.low) | (values > self.high), self.fields, "out_of_range", tally)
        if self.kind.clip:
            values = np.minimum(np.maximum(values, self.low), self.high)
        a, b = self.kind.feature_range
        return (values - self.low) / self.spread * (b - a) + a

    def inverse(self, values: Floats) -> Floats:
        """Return the values in the fitted range."""
        a, b = self.kind.feature_range
        return (values - a) / (b - a) * self.spread + self.low

    def arrays(self) -> Arrays:
        """Return the extremes."""
        return {"low": self.low[:, 0], "high": self.high[:, 0]}
