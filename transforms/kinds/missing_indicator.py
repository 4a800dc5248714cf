"""Kind `missing_indicator/1`: 1 where a value is missing, else 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from likewise.transforms.columns import Column
from likewise.transforms.counters import Counters
from likewise.transforms.kind import Arrays, Fields, FittedKind, Fitter, Floats, Form, Kind, frozen, require_choice
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.packed_values import array_of
from likewise.transforms.policies import indicator_fields


@dataclass(frozen=True, slots=True)
class MissingIndicator(Kind):
    """1.0 where a value is missing, 0.0 elsewhere, in a column `NAME_missing`.

    Takes columns of any type; an empty text or list is a value. Infinities are values. A constant
    column gives zeros. Empty fit: an error of the transform.

    Parameters
    ----------
    features
        "missing-only" for the columns that had a missing value in the fit, or "all".

    Examples
    --------
    >>> from likewise.transforms.testing import fit_values
    >>> fitted = fit_values(MissingIndicator(features="all"), LogicalType.TEXT, ["a"])
    >>> [f.name for f in fitted.outputs()]
    ['x_missing']
    """

    id: ClassVar[str] = "missing_indicator/1"
    form: ClassVar[Form] = Form.COLUMNS
    accepts = frozenset(LogicalType)

    features: Literal["missing-only", "all"] = "missing-only"

    def __post_init__(self) -> None:
        require_choice("MissingIndicator", "features", self.features, ("missing-only", "all"))

    def fitter(self, fields: Fields) -> Fitter:
        """Return a fitter; one pass."""
        return _MissingIndicatorFitter(self, fields)

    def restore(self, fields: Fields, arrays: Arrays) -> FittedMissingIndicator:
        """Return the fitted indicator."""
        chosen = array_of(arrays, "chosen", np.bool_, (len(fields),))
        return FittedMissingIndicator(self, fields, frozen(chosen, np.bool_))


class _MissingIndicatorFitter(Fitter):
    __slots__ = ("_chosen", "_fields", "_kind")

    def __init__(self, kind: MissingIndicator, fields: Fields) -> None:
        self._kind, self._fields = kind, fields
        self._chosen = np.full(len(fields), kind.features == "all")

    def update(self, values: tuple[Column, ...]) -> None:
        """Note which columns hold missing values."""
        self._chosen |= np.array([bool(c.is_missing().any()) for c in values])

    def merge(self, other: _MissingIndicatorFitter) -> None:
        """Note what another part held."""
        self._chosen |= other._chosen

    def part(self) -> _MissingIndicatorFitter:
        """Return an empty fitter."""
        return _MissingIndicatorFitter(self._kind, self._fields)

    def finish(self) -> FittedKind:
        """Return the fitted indicator."""
        return self._kind.restore(self._fields, {"chosen": self._chosen})


@dataclass(frozen=True, slots=True, eq=False)
class FittedMissingIndicator(FittedKind):
    """A fitted `MissingIndicator`; chosen is (k,) bool."""

    kind: MissingIndicator
    fields: Fields
    chosen: npt.NDArray[np.bool_]

    def outputs(self) -> Fields:
        """Return one indicator a chosen column."""
        return indicator_fields(self.fields, self.chosen)

    def apply(self, values: tuple[Column, ...], tally: Counters | None) -> Floats:  # noqa: ARG002
        """Return (d, n) of 0 and 1."""
        kept = [c.is_missing() for c, chosen in zip(values, self.chosen.tolist(), strict=True) if chosen]
        return np.array(kept, dtype=np.float64).reshape(len(kept), len(values[0]))

    def arrays(self) -> Arrays:
        """Return which columns were chosen."""
        return {"chosen": self.chosen}
