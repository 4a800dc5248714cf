"""The three interfaces of a kind: its settings, its fitter, its frozen result.

Between two steps travel *values* of one of three forms, for k fields and n rows:

- numbers: (k, n) float64, NaN where missing;
- codes: (k, n) int32, each field with a cardinality;
- columns: a tuple of k `Column`, for text, bytes, times and lists, and for kinds that take categories
  of any type.

Values are never written to by who receives them. Rows never influence each other: the result for
a row is the same bits alone as within any batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from likewise.transforms.counters import Counters
from likewise.transforms.errors import SettingError
from likewise.transforms.logical_types import LogicalType

Floats: TypeAlias = npt.NDArray[np.float64]
Codes: TypeAlias = npt.NDArray[np.int32]
Values: TypeAlias = Any  # Floats | Codes | tuple[Column, ...]; each kind narrows it to its own form
Arrays: TypeAlias = Mapping[str, npt.NDArray[Any]]
TextLookup: TypeAlias = "Callable[[Sequence[object], int], Values | None]"


class Form(Enum):
    """In which form a kind takes its values."""

    NUMBERS = "numbers"
    COLUMNS = "columns"
    EITHER = "numbers when every field is a number or boolean, else columns"


@dataclass(frozen=True, slots=True)
class Field:
    """One column between two steps.

    Parameters
    ----------
    name
        The name of the output column it becomes if this is the last step.
    type
        Its logical type; NUMBER for codes.
    cardinality
        For codes: they lie in 0 .. cardinality-1. None otherwise.
    source
        The input column that counters and errors name.
    """

    name: str
    type: LogicalType
    source: str
    cardinality: int | None = None

    def renamed(self, name: str) -> Field:
        """Return a number field of the same source under another name."""
        return Field(name, LogicalType.NUMBER, self.source)


Fields: TypeAlias = tuple[Field, ...]


class FittedKind(ABC):
    """A frozen, pure function of values; made by a fitter or restored from its arrays, never fitted again."""

    __slots__ = ()

    # Whether output i depends on input i alone and every state array has one leading entry a field:
    # equal neighbours can then run as one array operation.
    elementwise: ClassVar[bool] = False

    # For kinds of text that can: what `apply` returns for few rows of plain values, all n of the first column,
    # then those of the next; or None where something must be counted or refused. (values, n) -> (k, n) result
    look_up: TextLookup | None = None

    kind: Kind
    fields: Fields

    @abstractmethod
    def outputs(self) -> Fields:
        """Return the fields of the result."""

    @abstractmethod
    def apply(self, values: Values, tally: Counters | None) -> Values:
        """Return the transformed values; count what met a policy."""

    @abstractmethod
    def arrays(self) -> Arrays:
        """Return the fitted state: plain numeric arrays by name."""

    def side_outputs(self) -> Fields:
        """Return indicator fields that pass by later steps and come last."""
        return ()

    def side(self, values: Values) -> Floats:
        """Return the (s, n) indicators of `side_outputs`, from the values before this step."""
        raise NotImplementedError

    def fill_values(self) -> list[Any]:
        """Return the k constants this step puts where values are missing; of kinds that only fill."""
        raise NotImplementedError

    def inverse(self, values: Values) -> Values:
        """Return the values that `apply` turned into these, where that is defined."""
        raise NotImplementedError


class Fitter(ABC):
    """Learns one kind's state from batches; mutable and short-lived, merges with its like."""

    # Whether `fill` works, so that an imputer before it costs no pass of its own.
    fills: ClassVar[bool] = False

    @abstractmethod
    def update(self, values: Values) -> None:
        """Learn from a batch."""

    @abstractmethod
    def merge(self, other: Any) -> None:
        """Take over what another fitter of the same kind and fields learned in this pass."""

    @abstractmethod
    def part(self) -> Fitter:
        """Return an empty fitter for the same pass, to be filled elsewhere and merged into this one."""

    @abstractmethod
    def finish(self) -> FittedKind:
        """Return the fitted kind; statistics are rounded here, once."""

    def end_pass(self) -> bool:
        """Close a pass over the data; return whether another one is needed."""
        return False

    def expect(self, rows: int | None, room: int) -> None:  # noqa: B027
        """Take note of how many rows are to come, if known, and how many values a column may keep of them.

        Called before the first row; speed and memory may depend on it, results not.
        """

    def fill(self, values: list[Any]) -> None:
        """Treat every missing value seen so far as the k constants an imputer decided on."""
        raise NotImplementedError


class Kind(ABC):
    """The settings of an elementary transform; a frozen dataclass whose constructor checks them."""

    __slots__ = ()

    id: ClassVar[str]
    form: ClassVar[Form]
    # Whether the fitted kind leaves all but missing values alone: the next fitter then shares its pass.
    only_fills: ClassVar[bool] = False
    accepts: ClassVar[frozenset[LogicalType]]

    @abstractmethod
    def fitter(self, fields: Fields) -> Fitter | None:
        """Return a new fitter over these fields, or None when nothing is learned."""

    @abstractmethod
    def restore(self, fields: Fields, arrays: Arrays) -> FittedKind:
        """Return the fitted kind with this state, checked; the only way one is built."""

    def settings(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}  # type: ignore[arg-type]

    def columns_asked(self, given: Fields) -> int:  # noqa: ARG002
        """Return how many columns the settings alone ask for, if they do: a reader checks it before any is made."""
        return 0

    def takes_numbers(self, given: Fields) -> bool:
        """Return whether these fields reach the kind as one matrix of numbers."""
        if self.form is Form.EITHER:
            return all(f.type.is_numeric for f in given)
        return self.form is Form.NUMBERS


NUMERIC = frozenset({LogicalType.NUMBER, LogicalType.BOOLEAN})
SCALARS = frozenset(t for t in LogicalType if not t.is_list)


def _plain(value: Any) -> Any:
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def require(met: bool, kind: str, setting: str, expected: str, got: object) -> None:  # noqa: FBT001
    """Raise SettingError unless a setting is as expected."""
    if not met:
        raise SettingError(kind, setting, expected, got)


def require_choice(kind: str, setting: str, value: object, choices: tuple[object, ...]) -> None:
    """Raise SettingError unless `value` is one of `choices`."""
    require(value in choices, kind, setting, "one of " + ", ".join(map(repr, choices)), value)


def require_finite(kind: str, setting: str, value: object) -> None:
    """Raise SettingError unless `value` is a finite number."""
    met = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(float(value)) < np.inf
    require(met, kind, setting, "a finite number", value)


def frozen(array: npt.ArrayLike, dtype: npt.DTypeLike = np.float64) -> npt.NDArray[Any]:
    """Return a read-only copy, as fitted state is kept."""
    copy = np.array(array, dtype=dtype)
    copy.flags.writeable = False
    return copy


def source_columns(fields: Fields) -> tuple[str, ...]:
    """Return the input column behind each field."""
    return tuple(f.source for f in fields)


def require_integer(kind: str, setting: str, value: object, low: int, high: int) -> None:
    """Raise SettingError unless `value` is an integer from `low` to `high`."""
    met = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    require(met, kind, setting, f"an integer from {low:,} to {high:,}", value)


def require_pair(kind: str, setting: str, value: object) -> None:
    """Raise SettingError unless `value` is a pair (a, b) of finite numbers with a < b."""
    if not isinstance(value, tuple) or len(value) != 2:
        raise SettingError(kind, setting, "a pair (a, b)", value)
    for bound in value:
        require_finite(kind, setting, bound)
    require(value[0] < value[1], kind, setting, "a pair (a, b) with a < b", value)
