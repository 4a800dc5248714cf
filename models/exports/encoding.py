"""How raw columns are fed to a Keras export: names, dtypes, and what stands for a missing value.

| logical type    | tensor                                  | missing                          |
|-----------------|-----------------------------------------|----------------------------------|
| number, boolean | (n,) float64                            | NaN                              |
| number, as categories beyond 2**53 | (n,) int64           | -2**63                           |
| text, bytes     | (n,) string                             | U+FFFF, which is no character    |
| time            | (n,) int64, microseconds since 1970 UTC | -2**63, as in numpy's NaT        |
| list            | (n, L) as its items, any L, filled up with anything | length -1 (input `NAME__length`) |
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from likewise.models.exports.errors import ExportNameError, MissingMarkError
from likewise.transforms import FittedTransform, LogicalType
from likewise.transforms.columns import Column, InputSpec, beyond_floats
from likewise.transforms.list_columns import items_of

# A noncharacter: Unicode reserves it for uses like this one, and JSON can carry it.
MISSING_TEXT = "\uffff"
MISSING_INTEGER = -(2**63)
LENGTH = "__length"

DType = Literal["float64", "int64", "string"]


@dataclass(frozen=True, slots=True)
class FedInput:
    """One raw column as tensors.

    Parameters
    ----------
    column
        The transform's input column.
    type
        Its logical type.
    name
        The tensor's name: the column's, with `_` for what a name can't hold.
    dtype
        The tensor's dtype.
    """

    column: str
    type: LogicalType
    name: str
    dtype: DType

    @property
    def length_name(self) -> str | None:
        """Name of the tensor of lengths, of a list."""
        return self.name + LENGTH if self.type.is_list else None

    def describe(self) -> dict[str, Any]:
        """Return what a caller needs to know, as JSON values."""
        facts: dict[str, Any] = {"column": self.column, "type": self.type.value, "name": self.name, "dtype": self.dtype}
        if self.type.is_list:
            return facts | {"lengths": self.length_name, "missing": "length -1", "missing_item": self._mark()}
        return facts | {"missing": self._mark()}

    def _mark(self) -> str | int:
        marks: dict[DType, str | int] = {"float64": "NaN", "int64": MISSING_INTEGER, "string": MISSING_TEXT}
        return marks[self.dtype]


def fed_inputs(fitted: FittedTransform) -> tuple[FedInput, ...]:
    """Return how each input of a transform is fed.

    Raises
    ------
    ExportNameError
        When two columns would have one name.
    """
    exact, given = exact_integers(fitted), dict[str, str]()
    fed = []
    for spec in fitted.inputs:
        one = FedInput(spec.name, spec.type, re.sub(r"[^A-Za-z0-9_]", "_", spec.name), _dtype(spec, exact))
        for name in filter(None, (one.name, one.length_name)):
            if name in given:
                raise ExportNameError("Keras", given[name], spec.name)
            given[name] = spec.name
        fed.append(one)
    return tuple(fed)


def exact_integers(fitted: FittedTransform) -> frozenset[str]:
    """Return the number columns whose categories are integers that float64 can't tell apart."""
    found = set()
    for parts in fitted.steps.values():
        for steps in parts:
            for kind in steps.kinds:
                for name in kind.arrays():
                    part, _, rest = name.partition(".")
                    if part in ("vocabulary", "fill") and rest.endswith(".exact"):
                        found.add(kind.fields[int(rest.partition(".")[0])].source)
    numbers = {spec.name for spec in fitted.inputs if spec.type is LogicalType.NUMBER}
    return frozenset(found & numbers)


def _dtype(spec: InputSpec, exact: frozenset[str]) -> DType:
    element = spec.type.element
    if element in (LogicalType.TEXT, LogicalType.BYTES):
        return "string"
    return "int64" if element is LogicalType.TIME or spec.name in exact else "float64"


def feed(inputs: Sequence[FedInput], columns: Mapping[str, Column]) -> dict[str, npt.NDArray[Any]]:
    """Return columns as the tensors that an export takes.

    Raises
    ------
    MissingMarkError
        When a value is what stands for a missing one.
    """
    tensors = {}
    for one in inputs:
        column = columns[one.column]
        if one.length_name is None:
            tensors[one.name] = _scalars(one, column)
        else:
            items = items_of(column)
            lengths = np.where(column.is_missing(), -1, items.lengths)
            flat = _scalars(one, items.items)
            padded = np.full((len(column), max(int(items.lengths.max(initial=0)), 1)), _blank(one), flat.dtype)
            padded[items.row, items.position] = flat
            tensors[one.name], tensors[one.length_name] = padded, lengths
    return tensors


def _blank(one: FedInput) -> Any:
    return b"" if one.dtype == "string" else 0


def _scalars(one: FedInput, column: Column) -> npt.NDArray[Any]:
    missing = column.is_missing()
    if one.dtype == "float64":
        return np.asarray(column.values, dtype=np.float64)
    if one.dtype == "int64":
        with np.errstate(invalid="ignore"):
            integers = np.where(missing, 0, column.values).astype(np.int64)
        if column.integers is not None:
            integers = np.where(beyond_floats(column.integers), column.integers, integers)
        if bool((integers[~missing] == MISSING_INTEGER).any()):
            raise MissingMarkError(one.column, MISSING_INTEGER)
        return np.where(missing, MISSING_INTEGER, integers)
    texts = np.empty(len(column), dtype=object)
    for at, value in enumerate(column.objects()):
        text = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
        if text == MISSING_TEXT.encode():
            raise MissingMarkError(one.column, MISSING_TEXT)
        texts[at] = MISSING_TEXT.encode() if text is None else text
    return texts
