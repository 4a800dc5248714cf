"""Steps over columns, declared and fitted, and the outputs they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from likewise.transforms.errors import SettingError, StepError, listing
from likewise.transforms.kind import Field, Fields, FittedKind, Kind
from likewise.transforms.logical_types import LogicalType

DType: TypeAlias = Literal["float32", "int32"]


@dataclass(frozen=True, slots=True, init=False)
class Steps:
    """Kinds applied one after the other to the same columns.

    Parameters
    ----------
    columns
        Names of the features, in the order of the output.
    kinds
        The kinds with their settings; none passes numbers as they are.

    Examples
    --------
    >>> from likewise.transforms import kinds as K
    >>> Steps(["distance"], [K.StandardScaler()]).columns
    ('distance',)
    """

    columns: tuple[str, ...]
    kinds: tuple[Kind, ...]

    def __init__(self, columns: Sequence[str], kinds: Sequence[Kind] = ()) -> None:
        if isinstance(columns, str):
            raise SettingError("Steps", "columns", "a list of names", columns)
        if not columns or not all(isinstance(c, str) for c in columns):
            raise SettingError("Steps", "columns", "one column name or more", columns)
        for kind in kinds:
            if not isinstance(kind, Kind):
                raise SettingError("Steps", "kinds", "kinds, as K.StandardScaler()", kind)
        object.__setattr__(self, "columns", tuple(columns))
        object.__setattr__(self, "kinds", tuple(kinds))


@dataclass(frozen=True, slots=True)
class FittedSteps:
    """Fitted kinds over the same columns."""

    fields: Fields
    kinds: tuple[FittedKind, ...]

    def outputs(self) -> Fields:
        """Return the fields after the last step, without indicators."""
        return self.kinds[-1].outputs() if self.kinds else self.fields

    def side_outputs(self) -> Fields:
        """Return the indicator fields of all steps, which come last."""
        return tuple(f for kind in self.kinds for f in kind.side_outputs())


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """A tensor a transform makes.

    Parameters
    ----------
    name
        Its name.
    dtype
        "float32", or "int32" for codes.
    width
        None for one column of codes, of shape (n,); else d, for shape (n, d).
    columns
        Names of its d columns.
    cardinality
        For codes: they lie in 0 .. cardinality-1 (the largest of the columns'). None for floats.
    """

    name: str
    dtype: DType
    width: int | None
    columns: tuple[str, ...]
    cardinality: int | None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one row."""
        return () if self.width is None else (self.width,)


def first_fields(columns: Sequence[str], types: Mapping[str, LogicalType]) -> Fields:
    """Return the fields before the first step."""
    return tuple(Field(name, types[name], name) for name in columns)


def check_accepted(where: str, kind: Kind, fields: Fields) -> None:
    """Raise StepError unless a kind takes these fields."""
    for field in fields:
        if field.type not in kind.accepts:
            accepted = " or ".join(sorted(t.value for t in kind.accepts))
            got = f"{field.type.value} in column {field.source!r}"
            raise StepError(f"{where}: {type(kind).__name__}", accepted, got)


def output_spec(name: str, steps: Sequence[FittedSteps]) -> OutputSpec:
    """Return the spec of an output made of these steps, side by side.

    Raises
    ------
    StepError
        When a step ends in text or the like, when codes and numbers are mixed, or when nothing is left.
    """
    fields = [f for part in steps for f in (*part.outputs(), *part.side_outputs())]
    where = f"output {name!r}"
    for field in fields:
        if not field.type.is_numeric:
            raise StepError(where, "numbers or codes after the last step", f"{field.type.value} {field.name!r}")
    codes = [f.cardinality for f in fields if f.cardinality is not None]
    if codes and len(codes) != len(fields):
        mixed = next(f.name for f in fields if f.cardinality is None)
        raise StepError(where, "codes only or numbers only", f"both (numbers in {mixed!r}); make two outputs")
    names = _distinct([f.name for f in fields])
    if not names:
        sources = listing([f.source for part in steps for f in part.fields])
        raise StepError(where, "one column or more", f"none; the fit found nothing to make columns of in {sources}")
    if not codes:
        return OutputSpec(name, "float32", len(names), tuple(names), None)
    return OutputSpec(name, "int32", None if len(names) == 1 else len(names), tuple(names), max(codes))


def _distinct(names: Sequence[str]) -> list[str]:
    """Return the names, the second "x" as "x#2" and so on: a column may be used in several ways."""
    given: dict[str, None] = {}
    uses: dict[str, int] = {}  # so that many columns of one name cost no search each
    for name in names:
        unique, times = name, uses.get(name, 1)
        while unique in given:
            times += 1
            unique = f"{name}#{times}"
        given[unique], uses[name] = None, times
    return list(given)


def spec_as_json(spec: OutputSpec) -> dict[str, Any]:
    """Return an output spec as plain JSON."""
    return {
        "name": spec.name,
        "dtype": spec.dtype,
        "width": spec.width,
        "columns": list(spec.columns),
        "cardinality": spec.cardinality,
    }
