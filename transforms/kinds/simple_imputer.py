"""Kind `simple_imputer/1`: put a fitted or given value where one is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from likewise.transforms.category_counts import CategoryCounts, CategoryFitter, CategoryKind
from likewise.transforms.columns import EXACT_INTEGER, Column, column_from_values
from likewise.transforms.counters import Counters
from likewise.transforms.errors import AllMissingError, ArtifactError, SettingError, StepError
from likewise.transforms.kind import (
    SCALARS,
    Arrays,
    Fields,
    FittedKind,
    Fitter,
    Floats,
    Form,
    Values,
    frozen,
    require,
    require_choice,
    require_finite,
)
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.number_fitter import Needs, NumberFitter, NumberKind, NumberStatistics
from likewise.transforms.packed_values import array_of, pack, unpack
from likewise.transforms.policies import indicator_fields

Strategy = Literal["mean", "median", "most_frequent", "constant"]
_ADVICE = "Use SimpleImputer('constant', fill_value=...), or leave the column out."


@dataclass(frozen=True, slots=True)
class SimpleImputer(NumberKind, CategoryKind):
    """The mean, the median, the most frequent value or a constant, where a value is missing.

    Numbers and booleans take every strategy; text, bytes and times take "most_frequent" and
    "constant". The median of an even count is the mean of the two in the middle; of several most
    frequent values the smallest is taken. Infinities: an error for "mean" and "median". Constant
    column: that constant. All-missing column: an error, except for "constant". Unseen values pass.
    An imputer costs no pass over the data: what follows it is fitted in the same one.

    Parameters
    ----------
    strategy
        "mean", "median", "most_frequent" or "constant".
    fill_value
        The constant: a number, or text for text columns.
    add_indicator
        Whether columns that had a missing value in the fit get a column `NAME_missing` of 0 and 1,
        which passes by later steps and comes last.

    Examples
    --------
    >>> from likewise.transforms.testing import fit_numbers
    >>> fit_numbers(SimpleImputer("median"), [1.0, 2.0, 9.0]).apply(np.array([[np.nan, 5.0]]), None)
    array([[2., 5.]])
    """

    id: ClassVar[str] = "simple_imputer/1"
    form: ClassVar[Form] = Form.EITHER
    only_fills: ClassVar[bool] = True
    accepts = SCALARS
    advice: ClassVar[str] = _ADVICE

    strategy: Strategy = "mean"
    fill_value: float | str | None = None
    add_indicator: bool = False

    def __post_init__(self) -> None:
        choices = ("mean", "median", "most_frequent", "constant")
        require_choice("SimpleImputer", "strategy", self.strategy, choices)
        require_choice("SimpleImputer", "add_indicator", self.add_indicator, (True, False))
        constant = self.strategy == "constant"
        given = self.fill_value is not None
        require(given == constant, "SimpleImputer", "fill_value", "given for 'constant' only", self.fill_value)
        if given and not isinstance(self.fill_value, str):
            require_finite("SimpleImputer", "fill_value", self.fill_value)

    def needs(self) -> Needs:
        """Return the sum, or the order statistic in the middle, or nothing."""
        half = (Fraction(1, 2),) if self.strategy == "median" else ()
        return Needs(sums=self.strategy == "mean", fractions=half)

    def fitter(self, fields: Fields) -> Fitter:
        """Return a fitter; one pass, shared with the next step."""
        if self.takes_numbers(fields) and self.strategy != "most_frequent":
            if isinstance(self.fill_value, str):
                raise SettingError("SimpleImputer", "fill_value", "a number for number columns", self.fill_value)
            return _NumberImputerFitter(self, fields) if self.strategy == "constant" else NumberFitter(self, fields)
        if self.strategy in ("mean", "median"):
            text = next(f for f in fields if not f.type.is_numeric)
            raise StepError(f"SimpleImputer({self.strategy!r})", "number columns", f"{text.type} {text.source!r}")
        return CategoryFitter(self, fields)

    def solve(self, *given: Any) -> Arrays:
        """Return the filling values and which columns get an indicator."""
        if len(given) == 1:
            return self._solve_numbers(given[0])
        return self._solve_categories(given[0], given[1])

    def _solve_numbers(self, statistics: Sequence[NumberStatistics]) -> Arrays:
        by_mean = self.strategy == "mean"
        fill = [s.mean() if by_mean else s.quantiles()[0] for s in statistics]
        return {"fill": np.array(fill), "had_missing": np.array([s.missing > 0 for s in statistics])}

    def _solve_categories(self, fields: Fields, counts: Sequence[CategoryCounts]) -> Arrays:
        arrays: dict[str, npt.NDArray[Any]] = {"had_missing": np.array([c.missing > 0 for c in counts])}
        fill = []
        for at, (field, counted) in enumerate(zip(fields, counts, strict=True)):
            if self.strategy == "constant":
                fill.append(column_from_values(field.source, [self.fill_value], field.type).objects()[0])
            elif not counted.counts:
                raise AllMissingError(field.source, "SimpleImputer", _ADVICE)
            else:
                fill.append(counted.most_frequent())
            if not self.takes_numbers(fields):
                arrays |= pack(f"fill.{at}", field.type, fill[-1:])
        return arrays | {"fill": np.array(fill)} if self.takes_numbers(fields) else arrays

    def restore(self, fields: Fields, arrays: Arrays) -> FittedKind:
        """Return the fitted imputer."""
        had_missing = array_of(arrays, "had_missing", np.bool_, (len(fields),))
        indicated = frozen(had_missing & self.add_indicator, np.bool_)
        if not self.takes_numbers(fields):
            fill = [unpack(f"fill.{at}", field.type, arrays) for at, field in enumerate(fields)]
            if any(len(f) != 1 for f in fill):
                raise ArtifactError("an imputer needs one filling value a column")
            return FittedCategoryImputer(self, fields, tuple(f[0] for f in fill), had_missing, indicated)
        numbers = array_of(arrays, "fill", np.float64, (len(fields),))
        if not bool(np.isfinite(numbers).all()):
            raise ArtifactError("a filling value is not finite")
        return FittedNumberImputer(self, fields, frozen(numbers[:, None]), had_missing, indicated)


class _NumberImputerFitter(Fitter):
    """Fits a constant for numbers: only which columns had missing values is learned."""

    fills: ClassVar[bool] = False

    __slots__ = ("_fields", "_had_missing", "_kind")

    def __init__(self, kind: SimpleImputer, fields: Fields) -> None:
        self._kind, self._fields = kind, fields
        self._had_missing = np.zeros(len(fields), np.bool_)

    def update(self, values: Floats) -> None:
        """Note which columns hold missing values."""
        self._had_missing |= np.isnan(values).any(axis=1)

    def merge(self, other: _NumberImputerFitter) -> None:
        """Note what another part held."""
        self._had_missing |= other._had_missing

    def part(self) -> _NumberImputerFitter:
        """Return an empty fitter."""
        return _NumberImputerFitter(self._kind, self._fields)

    def finish(self) -> FittedKind:
        """Return the fitted imputer."""
        value = float(self._kind.fill_value or 0.0)
        fill = np.full(len(self._fields), value)
        return self._kind.restore(self._fields, {"fill": fill, "had_missing": self._had_missing})


@dataclass(frozen=True, slots=True, eq=False)
class FittedNumberImputer(FittedKind):
    """A fitted `SimpleImputer` of numbers; fill is (k, 1) float64."""

    elementwise: ClassVar[bool] = True

    kind: SimpleImputer
    fields: Fields
    fill: Floats
    had_missing: npt.NDArray[np.bool_]
    indicated: npt.NDArray[np.bool_]

    def outputs(self) -> Fields:
        """Return the same fields."""
        return self.fields

    def apply(self, values: Floats, tally: Counters | None) -> Floats:  # noqa: ARG002
        """Return (k, n) numbers without NaN."""
        return np.where(np.isnan(values), self.fill, values)

    def side_outputs(self) -> Fields:
        """Return the indicators."""
        return indicator_fields(self.fields, self.indicated)

    def side(self, values: Floats) -> Floats:
        """Return 1 where missing, for the columns that had missing values in the fit."""
        return np.isnan(values[self.indicated]).astype(np.float64)

    def fill_values(self) -> list[Any]:
        """Return the filling values."""
        return list(self.fill[:, 0].tolist())

    def arrays(self) -> Arrays:
        """Return the filling values and which columns had missing values."""
        return {"fill": self.fill[:, 0], "had_missing": self.had_missing}


@dataclass(frozen=True, slots=True, eq=False)
class FittedCategoryImputer(FittedKind):
    """A fitted `SimpleImputer` of text, bytes or times, or of mixed columns."""

    kind: SimpleImputer
    fields: Fields
    fill: tuple[Any, ...]
    had_missing: npt.NDArray[np.bool_]
    indicated: npt.NDArray[np.bool_]

    def outputs(self) -> Fields:
        """Return the same fields."""
        return self.fields

    def apply(self, values: tuple[Column, ...], tally: Counters | None) -> tuple[Column, ...]:  # noqa: ARG002
        """Return the columns with nothing missing."""
        return tuple(_filled(c, v) for c, v in zip(values, self.fill, strict=True))

    def side_outputs(self) -> Fields:
        """Return the indicators."""
        return indicator_fields(self.fields, self.indicated)

    def side(self, values: tuple[Column, ...]) -> Floats:
        """Return 1 where missing, for the columns that had missing values in the fit."""
        chosen = [c.is_missing() for c, i in zip(values, self.indicated.tolist(), strict=True) if i]
        return np.array(chosen, dtype=np.float64)

    def fill_values(self) -> list[Any]:
        """Return the filling values."""
        return list(self.fill)

    def arrays(self) -> Arrays:
        """Return the filling values and which columns had missing values."""
        packed: dict[str, npt.NDArray[Any]] = {"had_missing": self.had_missing}
        for at, (field, value) in enumerate(zip(self.fields, self.fill, strict=True)):
            packed |= pack(f"fill.{at}", field.type, [value])
        return packed


def _filled(column: Column, value: Any) -> Column:
    missing = column.is_missing()
    if not bool(missing.any()):
        return column
    if isinstance(column.values, pa.Array):
        plain = column.values
        if pa.types.is_dictionary(plain.type):
            plain = plain.dictionary_decode()
        return Column(column.type, plain.fill_null(value))
    values: Values = column.values.copy()
    values[missing] = value
    return Column(column.type, values, None, _filled_integers(column, missing, value))


def _filled_integers(column: Column, missing: npt.NDArray[np.bool_], value: Any) -> npt.NDArray[np.int64] | None:
    """Return the exact integers beside the values; 0 where a float is filled in."""
    whole = value if isinstance(value, int) and column.type is LogicalType.NUMBER else 0
    if column.integers is None and abs(whole) <= EXACT_INTEGER:
        return None
    integers = np.zeros(len(column), np.int64) if column.integers is None else column.integers
    return np.where(missing, np.int64(whole), integers)
