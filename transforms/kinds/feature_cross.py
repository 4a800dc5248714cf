"""Kind `feature_cross/1`: several categories as one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from likewise.transforms.codes import label_of
from likewise.transforms.columns import Column
from likewise.transforms.counters import Counters
from likewise.transforms.kind import (
    SCALARS,
    Arrays,
    Field,
    Fields,
    FittedKind,
    Form,
    Kind,
    require,
    require_choice,
)
from likewise.transforms.logical_types import LogicalType


@dataclass(frozen=True, slots=True)
class FeatureCross(Kind):
    r"""The values of all columns of a row, joined to one text; an encoder or hasher follows.

    Learns nothing. A separator or backslash inside a value is escaped by a backslash, so different
    rows never join to one text. Missing values: the cross is missing, or the part reads `\N`.

    Parameters
    ----------
    separator
        One character between the values.
    missing
        "keep" (the cross is missing) or "category" (the part says so).

    Examples
    --------
    >>> from likewise.transforms.columns import column_from_values
    >>> from likewise.transforms.kind import Field
    >>> fields = (Field("origin", LogicalType.TEXT, "origin"), Field("month", LogicalType.NUMBER, "month"))
    >>> fitted = FeatureCross().restore(fields, {})
    >>> origin = column_from_values("origin", ["JFK", None], LogicalType.TEXT)
    >>> fitted.apply((origin, column_from_values("month", [7, 8], LogicalType.NUMBER)), None)[0].objects()
    ['JFK|7', None]
    """

    id: ClassVar[str] = "feature_cross/1"
    form: ClassVar[Form] = Form.COLUMNS
    accepts = SCALARS

    separator: str = "|"
    missing: Literal["keep", "category"] = "keep"

    def __post_init__(self) -> None:
        require(
            _is_separator(self.separator),
            "FeatureCross",
            "separator",
            "one character other than a backslash or N",
            self.separator,
        )
        require_choice("FeatureCross", "missing", self.missing, ("keep", "category"))

    def fitter(self, fields: Fields) -> None:
        """Return None: nothing is learned."""

    def restore(self, fields: Fields, arrays: Arrays) -> FittedFeatureCross:  # noqa: ARG002
        """Return the transformer."""
        return FittedFeatureCross(self, fields)


def _is_separator(value: object) -> bool:
    return isinstance(value, str) and len(value) == 1 and value not in "\\N"


@dataclass(frozen=True, slots=True, eq=False)
class FittedFeatureCross(FittedKind):
    """A `FeatureCross` over given fields."""

    kind: FeatureCross
    fields: Fields

    def outputs(self) -> Fields:
        """Return one text field."""
        name = "_x_".join(f.name for f in self.fields)
        return (Field(name, LogicalType.TEXT, self.fields[0].source),)

    def apply(self, values: tuple[Column, ...], tally: Counters | None) -> tuple[Column, ...]:  # noqa: ARG002
        """Return one column of joined text."""
        parts = [[self._part(v) for v in column.objects()] for column in values]
        joined = np.empty(len(values[0]), dtype=object)
        joined[:] = [self.kind.separator.join(row) for row in zip(*parts, strict=True)]
        missing = np.zeros(len(joined), np.bool_)
        if self.kind.missing == "keep":
            for column in values:
                missing |= column.is_missing()
        joined[missing] = None
        return (Column(LogicalType.TEXT, joined, missing if bool(missing.any()) else None),)

    def _part(self, value: object) -> str:
        if value is None:
            return "\\N"
        escaped = label_of(value).replace("\\", "\\\\")
        return escaped.replace(self.kind.separator, "\\" + self.kind.separator)

    def arrays(self) -> Arrays:
        """Return nothing."""
        return {}
