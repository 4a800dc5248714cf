"""Kind `cyclical_features/1`: sine and cosine of a number that comes round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from likewise.transforms.arithmetic import sin_cos_of_turns
from likewise.transforms.counters import Counters
from likewise.transforms.kind import (
    NUMERIC,
    Arrays,
    Fields,
    FittedKind,
    Floats,
    Form,
    Kind,
    require,
    require_choice,
    require_finite,
)
from likewise.transforms.policies import KEEP_OR_ERROR, KeepOrError, check_missing


@dataclass(frozen=True, slots=True)
class CyclicalFeatures(Kind):
    """sin(2 pi x / period) and cos(2 pi x / period), in columns `NAME_sin` and `NAME_cos`.

    Learns nothing. Any finite number is reduced to one period exactly, so none is out of range.
    Missing values: stay missing in both columns, or an error. Infinities have no angle: missing.

    Parameters
    ----------
    period
        Positive: 24 for hours, 7 for days of the week, 360 for degrees.
    missing
        "keep" or "error".

    Examples
    --------
    >>> from likewise.transforms.testing import fit_numbers
    >>> fit_numbers(CyclicalFeatures(24), [0.0]).apply(np.array([[0.0, 6.0, 12.0]]), None)
    array([[ 0.,  1.,  0.],
           [ 1.,  0., -1.]])
    """

    id: ClassVar[str] = "cyclical_features/1"
    form: ClassVar[Form] = Form.NUMBERS
    accepts = NUMERIC

    period: float
    missing: KeepOrError = "keep"

    def __post_init__(self) -> None:
        require_finite("CyclicalFeatures", "period", self.period)
        require(self.period > 0, "CyclicalFeatures", "period", "positive", self.period)
        require_choice("CyclicalFeatures", "missing", self.missing, KEEP_OR_ERROR)

    def fitter(self, fields: Fields) -> None:
        """Return None: nothing is learned."""

    def restore(self, fields: Fields, arrays: Arrays) -> FittedCyclicalFeatures:  # noqa: ARG002
        """Return the transformer."""
        return FittedCyclicalFeatures(self, fields)


@dataclass(frozen=True, slots=True, eq=False)
class FittedCyclicalFeatures(FittedKind):
    """A `CyclicalFeatures` over given fields."""

    kind: CyclicalFeatures
    fields: Fields

    def outputs(self) -> Fields:
        """Return two fields an input: sine, then cosine."""
        return tuple(f.renamed(f"{f.name}_{part}") for f in self.fields for part in ("sin", "cos"))

    def apply(self, values: Floats, tally: Counters | None) -> Floats:  # noqa: ARG002
        """Return (2k, n) numbers from -1 to 1."""
        check_missing(values, self.fields, "CyclicalFeatures", self.kind.missing)
        with np.errstate(invalid="ignore"):
            turns = np.fmod(values, self.kind.period) / self.kind.period
        waves = np.empty((2 * len(values), values.shape[1]))
        waves[0::2], waves[1::2] = sin_cos_of_turns(turns)
        return waves

    def arrays(self) -> Arrays:
        """Return nothing."""
        return {}
