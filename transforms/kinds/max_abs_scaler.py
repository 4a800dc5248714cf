"""Kind `max_abs_scaler/1`: divide by the largest absolute value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from likewise.transforms.counters import Counters
from likewise.transforms.errors import ArtifactError
from likewise.transforms.kind import NUMERIC, Arrays, Fields, FittedKind, Floats, Form, frozen, require_choice
from likewise.transforms.number_fitter import Needs, NumberFitter, NumberKind, NumberStatistics
from likewise.transforms.packed_values import array_of
from likewise.transforms.policies import KEEP_OR_ERROR, KeepOrError, check_missing, count_where


@dataclass(frozen=True, slots=True)
class MaxAbsScaler(NumberKind):
    """x / max |x|, so that 0 stays 0 and fitted values lie from -1 to 1.

    Missing values: skipped in the fit; stay missing, or an error. Values beyond the fitted size are
    counted as out of range and scaled all the same. Infinities: an error in the fit. A column of
    zeros: divided by 1. Empty or all-missing fit: an error.

    Parameters
    ----------
    missing
        "keep" or "error".

    Examples
    --------
    >>> from likewise.transforms.testing import fit_numbers
    >>> fit_numbers(MaxAbsScaler(), [-4.0, 2.0]).apply(np.array([[2.0, -8.0]]), None)
    array([[ 0.5, -2. ]])
    """

    id: ClassVar[str] = "max_abs_scaler/1"
    form: ClassVar[Form] = Form.NUMBERS
    accepts = NUMERIC

    missing: KeepOrError = "keep"

    def __post_init__(self) -> None:
        require_choice("MaxAbsScaler", "missing", self.missing, KEEP_OR_ERROR)

    def needs(self) -> Needs:
        """Return nothing beyond the extremes, which are always known."""
        return Needs()

    def fitter(self, fields: Fields) -> NumberFitter:
        """Return a fitter; one pass."""
        return NumberFitter(self, fields)

    def solve(self, statistics: Sequence[NumberStatistics]) -> Arrays:
        """Return the scale of each column."""
        return {"scale": np.array([max(-s.low, s.high) or 1.0 for s in statistics])}

    def restore(self, fields: Fields, arrays: Arrays) -> FittedMaxAbsScaler:
        """Return the fitted scaler."""
        scale = array_of(arrays, "scale", np.float64, (len(fields),))
        if not bool((np.isfinite(scale) & (scale > 0.0)).all()):
            raise ArtifactError("a scale is not positive and finite")
        return FittedMaxAbsScaler(self, fields, frozen(scale[:, None]))


@dataclass(frozen=True, slots=True, eq=False)
class FittedMaxAbsScaler(FittedKind):
    """A fitted `MaxAbsScaler`; scale is (k, 1) float64."""

    elementwise: ClassVar[bool] = True

    kind: MaxAbsScaler
    fields: Fields
    scale: Floats

    def outputs(self) -> Fields:
        """Return the fields, now numbers."""
        return tuple(f.renamed(f.name) for f in self.fields)

    def apply(self, values: Floats, tally: Counters | None) -> Floats:
        """Return (k, n) scaled numbers."""
        check_missing(values, self.fields, "MaxAbsScaler", self.kind.missing)
        if tally is not None:
            count_where(np.abs(values) > self.scale, self.fields, "out_of_range", tally)
        return values / self.scale

    def inverse(self, values: Floats) -> Floats:
        """Return values * scale."""
        return values * self.scale

    def arrays(self) -> Arrays:
        """Return the scale."""
        return {"scale": self.scale[:, 0]}
