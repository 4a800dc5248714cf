"""Kind `standard_scaler/1`: centre to mean 0 and scale to standard deviation 1."""

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
from likewise.transforms.policies import KEEP_OR_ERROR, KeepOrError, check_missing


@dataclass(frozen=True, slots=True)
class StandardScaler(NumberKind):
    """(x - mean) / deviation, with the population standard deviation (ddof 0).

    Missing values: skipped in the fit; stay missing, or an error. Infinities: an error in the fit;
    stay infinite. Constant column: deviation 1, so 0. Empty or all-missing fit: an error.

    Parameters
    ----------
    with_mean, with_std
        Whether to centre; whether to scale.
    missing
        "keep" or "error".

    Examples
    --------
    >>> from likewise.transforms.testing import fit_numbers
    >>> fit_numbers(StandardScaler(), [1.0, 2.0, 3.0]).apply(np.array([[2.0, 3.0]]), None).round(3)
    array([[0.   , 1.225]])
    """

    id: ClassVar[str] = "standard_scaler/1"
    form: ClassVar[Form] = Form.NUMBERS
    accepts = NUMERIC

    with_mean: bool = True
    with_std: bool = True
    missing: KeepOrError = "keep"

    def __post_init__(self) -> None:
        require_choice("StandardScaler", "with_mean", self.with_mean, (True, False))
        require_choice("StandardScaler", "with_std", self.with_std, (True, False))
        require_choice("StandardScaler", "missing", self.missing, KEEP_OR_ERROR)

    def needs(self) -> Needs:
        """Return exact sums and sums of squares."""
        return Needs(squares=True)

    def fitter(self, fields: Fields) -> NumberFitter:
        """Return a fitter; one pass."""
        return NumberFitter(self, fields)

    def solve(self, statistics: Sequence[NumberStatistics]) -> Arrays:
        """Return mean and scale of each column."""
        zero, one = np.zeros(len(statistics)), np.ones(len(statistics))
        return {
            "mean": np.array([s.mean() for s in statistics]) if self.with_mean else zero,
            "scale": np.array([s.deviation() or 1.0 for s in statistics]) if self.with_std else one,
        }

    def restore(self, fields: Fields, arrays: Arrays) -> FittedStandardScaler:
        """Return the fitted scaler."""
        mean = array_of(arrays, "mean", np.float64, (len(fields),))
        scale = array_of(arrays, "scale", np.float64, (len(fields),))
        if not bool(np.isfinite(mean).all() and np.isfinite(scale).all() and (scale > 0.0).all()):
            raise ArtifactError("a mean is not finite or a scale not positive")
        return FittedStandardScaler(self, fields, frozen(mean[:, None]), frozen(scale[:, None]))


@dataclass(frozen=True, slots=True, eq=False)
class FittedStandardScaler(FittedKind):
    """A fitted `StandardScaler`; mean and scale are (k, 1) float64."""

    elementwise: ClassVar[bool] = True

    kind: StandardScaler
    fields: Fields
    mean: Floats
    scale: Floats

    def outputs(self) -> Fields:
        """Return the fields, now numbers."""
        return tuple(f.renamed(f.name) for f in self.fields)

    def apply(self, values: Floats, tally: Counters | None) -> Floats:  # noqa: ARG002
        """Return (k, n) scaled numbers."""
        check_missing(values, self.fields, "StandardScaler", self.kind.missing)
        centred = values - self.mean
        return np.divide(centred, self.scale, out=centred)

    def inverse(self, values: Floats) -> Floats:
        """Return values * scale + mean."""
        return values * self.scale + self.mean

    def arrays(self) -> Arrays:
        """Return mean and scale."""
        return {"mean": self.mean[:, 0], "scale": self.scale[:, 0]}
