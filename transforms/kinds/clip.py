"""Kind `clip/1`: hold numbers within fixed bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

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
from likewise.transforms.policies import KEEP_OR_ERROR, KeepOrError, check_missing, count_where


@dataclass(frozen=True, slots=True)
class Clip(Kind):
    """min(max(x, lower), upper) with bounds that are given, not learned.

    Missing values: stay missing, or an error. Values beyond a bound, infinities included, become
    the bound and are counted as out of range. For learned bounds see `Winsorizer`.

    Parameters
    ----------
    lower, upper
        Finite numbers, or None for no bound on that side.
    missing
        "keep" or "error".

    Examples
    --------
    >>> from likewise.transforms.testing import fit_numbers
    >>> fit_numbers(Clip(0, 10), [0.0]).apply(np.array([[-3.0, 4.0, np.inf]]), None)
    array([[ 0.,  4., 10.]])
    """

    id: ClassVar[str] = "clip/1"
    form: ClassVar[Form] = Form.NUMBERS
    accepts = NUMERIC

    lower: float | None = None
    upper: float | None = None
    missing: KeepOrError = "keep"

    def __post_init__(self) -> None:
        for name in ("lower", "upper"):
            if getattr(self, name) is not None:
                require_finite("Clip", name, getattr(self, name))
        bounded = self.lower is not None or self.upper is not None
        require(bounded, "Clip", "lower or upper", "given", None)
        if self.lower is not None and self.upper is not None:
            require(self.lower <= self.upper, "Clip", "lower", f"at most upper ({self.upper})", self.lower)
        require_choice("Clip", "missing", self.missing, KEEP_OR_ERROR)

    def fitter(self, fields: Fields) -> None:
        """Return None: nothing is learned."""

    def restore(self, fields: Fields, arrays: Arrays) -> FittedClip:  # noqa: ARG002
        """Return the transformer."""
        return FittedClip(self, fields)


@dataclass(frozen=True, slots=True, eq=False)
class FittedClip(FittedKind):
    """A `Clip` over given fields."""

    elementwise: ClassVar[bool] = True

    kind: Clip
    fields: Fields

    def outputs(self) -> Fields:
        """Return the fields, now numbers."""
        return tuple(f.renamed(f.name) for f in self.fields)

    def apply(self, values: Floats, tally: Counters | None) -> Floats:
        """Return (k, n) numbers within the bounds."""
        check_missing(values, self.fields, "Clip", self.kind.missing)
        held = values
        if self.kind.lower is not None:
            held = np.maximum(held, self.kind.lower)
        if self.kind.upper is not None:
            held = np.minimum(held, self.kind.upper)
        if tally is not None:
            count_where((held != values) & ~np.isnan(values), self.fields, "out_of_range", tally)
        return held + 0.0

    def arrays(self) -> Arrays:
        """Return nothing."""
        return {}
