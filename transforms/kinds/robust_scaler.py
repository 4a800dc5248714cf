"""Kind `robust_scaler/1`: centre on the median and scale by a range of quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np

from likewise.transforms.counters import Counters
from likewise.transforms.errors import ArtifactError, StatisticOverflowError
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
from likewise.transforms.policies import KEEP_OR_ERROR, KeepOrError, check_missing


@dataclass(frozen=True, slots=True)
class RobustScaler(NumberKind):
    """(x - median) / (upper quantile - lower quantile); exact order statistics, interpolated linearly.

    Missing values: skipped in the fit; stay missing, or an error. Infinities: an error in the fit;
    stay infinite. Equal quantiles (a constant column among them): divided by 1. Empty or
    all-missing fit: an error.

    Parameters
    ----------
    with_centering, with_scaling
        Whether to centre; whether to scale.
    quantile_range
        Lower and upper quantile in percent.
    missing
        "keep" or "error".

    Examples
    --------
    >>> from likewise.transforms.testing import fit_numbers
    >>> fit_numbers(RobustScaler(), [0.0, 1.0, 2.0, 3.0, 100.0]).apply(np.array([[2.0, 4.0]]), None)
    array([[0., 1.]])
    """

    id: ClassVar[str] = "robust_scaler/1"
    form: ClassVar[Form] = Form.NUMBERS
    accepts = NUMERIC

    with_centering: bool = True
    with_scaling: bool = True
    quantile_range: tuple[float, float] = (25.0, 75.0)
    missing: KeepOrError = "keep"

    def __post_init__(self) -> None:
        require_choice("RobustScaler", "with_centering", self.with_centering, (True, False))
        require_choice("RobustScaler", "with_scaling", self.with_scaling, (True, False))
        require_pair("RobustScaler", "quantile_range", self.quantile_range)
        low, high = self.quantile_range
        sound = low >= 0 and high <= 100
        require(sound, "RobustScaler", "quantile_range", "percents from 0 to 100", self.quantile_range)
        require_choice("RobustScaler", "missing", self.missing, KEEP_OR_ERROR)

    def needs(self) -> Needs:
        """Return the two quantiles and the median."""
        return Needs(fractions=tuple(sorted({*self._range(), Fraction(1, 2)})))

    def _range(self) -> tuple[Fraction, Fraction]:
        low, high = self.quantile_range
        return Fraction(low) / 100, Fraction(high) / 100

    def fitter(self, fields: Fields) -> NumberFitter:
        """Return a fitter; one pass for up to a million values a column, else about three."""
        return NumberFitter(self, fields)

    def solve(self, statistics: Sequence[NumberStatistics]) -> Arrays:
        """Return centre and scale of each column."""
        fractions = self.needs().fractions
        quantiles = [dict(zip(fractions, s.quantiles(), strict=True)) for s in statistics]
        low, high = self._range()
        centre = [q[Fraction(1, 2)] if self.with_centering else 0.0 for q in quantiles]
        scale = [(q[high] - q[low]) or 1.0 if self.with_scaling else 1.0 for q in quantiles]
        for column, size in zip(statistics, scale, strict=True):
            if size == np.inf:
                raise StatisticOverflowError(column.field.source, "range of quantiles")
        return {"centre": np.array(centre), "scale": np.array(scale)}

    def restore(self, fields: Fields, arrays: Arrays) -> FittedRobustScaler:
        """Return the fitted scaler."""
        centre = array_of(arrays, "centre", np.float64, (len(fields),))
        scale = array_of(arrays, "scale", np.float64, (len(fields),))
        if not bool(np.isfinite(centre).all() and np.isfinite(scale).all() and (scale > 0.0).all()):
            raise ArtifactError("a centre is not finite or a scale not positive")
        return FittedRobustScaler(self, fields, frozen(centre[:, None]), frozen(scale[:, None]))


@dataclass(frozen=True, slots=True, eq=False)
class FittedRobustScaler(FittedKind):
    """A fitted `RobustScaler`; centre and scale are (k, 1) float64."""

    elementwise: ClassVar[bool] = True

    kind: RobustScaler
    fields: Fields
    centre: Floats
    scale: Floats

    def outputs(self) -> Fields:
        """Return the fields, now numbers."""
        return tuple(f.renamed(f.name) for f in self.fields)

    def apply(self, values: Floats, tally: Counters | None) -> Floats:  # noqa: ARG002
        """Return (k, n) scaled numbers."""
        check_missing(values, self.fields, "RobustScaler", self.kind.missing)
        return (values - self.centre) / self.scale

    def inverse(self, values: Floats) -> Floats:
        """Return values * scale + centre."""
        return values * self.scale + self.centre

    def arrays(self) -> Arrays:
        """Return centre and scale."""
        return {"centre": self.centre[:, 0], "scale": self.scale[:, 0]}
