"""Kind `datetime_features/1`: year, month, hour ... of a time, on the clocks of a zone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from likewise.transforms.columns import Column
from likewise.transforms.counters import Counters
from likewise.transforms.errors import MissingValueError
from likewise.transforms.kind import Arrays, Fields, FittedKind, Floats, Form, Kind, require, require_choice
from likewise.transforms.local_time import FIRST, LAST, PARTS, Calendar, local_ticks
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.policies import KEEP_OR_ERROR


@dataclass(frozen=True, slots=True)
class DatetimeFeatures(Kind):
    """Parts of the local date and time as numbers, in columns `NAME_part`.

    Daylight saving and historic offsets are those of the IANA zone. day_of_week is 0 on Monday,
    week is ISO 8601's. Learns nothing. Missing values: stay missing, or an error. Times before the
    year 1 or after 9999: counted as out of range and made missing.

    Parameters
    ----------
    parts
        Any of year, quarter, month, week, day, day_of_year, day_of_week, is_weekend, hour, minute,
        second, minute_of_day.
    zone
        The name of an IANA time zone.
    missing
        "keep" or "error".

    Examples
    --------
    >>> from likewise.transforms.columns import column_from_values
    >>> from likewise.transforms.testing import fit_values
    >>> kind = DatetimeFeatures(("hour", "day_of_week"), zone="America/New_York")
    >>> fitted = fit_values(kind, LogicalType.TIME, ["2013-03-10T07:30:00Z"])
    >>> fitted.apply((column_from_values("x", ["2013-03-10T07:30:00Z"], LogicalType.TIME),), None)
    array([[3.],
           [6.]])
    """

    id: ClassVar[str] = "datetime_features/1"
    form: ClassVar[Form] = Form.COLUMNS
    accepts = frozenset({LogicalType.TIME})

    parts: tuple[str, ...] = ("month", "day_of_week", "hour")
    zone: str = "UTC"
    missing: str = "keep"

    def __post_init__(self) -> None:
        require(
            _are_parts(self.parts), "DatetimeFeatures", "parts", "a tuple of any of " + ", ".join(PARTS), self.parts
        )
        require(_is_zone(self.zone), "DatetimeFeatures", "zone", "the name of an IANA time zone", self.zone)
        require_choice("DatetimeFeatures", "missing", self.missing, KEEP_OR_ERROR)

    def fitter(self, fields: Fields) -> None:
        """Return None: nothing is learned."""

    def restore(self, fields: Fields, arrays: Arrays) -> FittedDatetimeFeatures:  # noqa: ARG002
        """Return the transformer."""
        return FittedDatetimeFeatures(self, fields, ZoneInfo(self.zone))


def _are_parts(parts: object) -> bool:
    return isinstance(parts, tuple) and len(parts) > 0 and set(PARTS).issuperset(parts)


def _is_zone(name: object) -> bool:
    try:
        return isinstance(name, str) and ZoneInfo(name).key == name
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False


@dataclass(frozen=True, slots=True, eq=False)
class FittedDatetimeFeatures(FittedKind):
    """A `DatetimeFeatures` over given fields."""

    kind: DatetimeFeatures
    fields: Fields
    zone: ZoneInfo

    def outputs(self) -> Fields:
        """Return one number field a part, input after input."""
        return tuple(f.renamed(f"{f.name}_{part}") for f in self.fields for part in self.kind.parts)

    def apply(self, values: tuple[Column, ...], tally: Counters | None) -> Floats:
        """Return (d, n) numbers."""
        return np.concatenate([self._parts(at, column, tally) for at, column in enumerate(values)])

    def _parts(self, at: int, column: Column, tally: Counters | None) -> Floats:
        missing = column.is_missing()
        if self.kind.missing == "error" and bool(missing.any()):
            raise MissingValueError(self.fields[at].source, "DatetimeFeatures")
        outside = ((column.values < FIRST) | (column.values > LAST)) & ~missing
        if tally is not None and bool(outside.any()):
            tally.add(self.fields[at].source, "out_of_range", int(np.count_nonzero(outside)))
        unknown = missing | outside
        calendar = Calendar(local_ticks(np.where(unknown, 0, column.values), self.zone))
        parts = np.array([calendar.part(name) for name in self.kind.parts], dtype=np.float64)
        parts[:, unknown] = np.nan
        return parts

    def arrays(self) -> Arrays:
        """Return nothing."""
        return {}
