"""Local time in a zone, from microseconds since 1970 UTC.

Offsets come from the IANA database as `zoneinfo` finds it (the system's, else the package tzdata), so
they hold for rows and batches alike. Days follow the proleptic Gregorian calendar.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

Ticks = npt.NDArray[np.int64]

_MINUTE = 60_000_000
_BLOCK = 15 * _MINUTE
_DAY = 24 * 60 * _MINUTE
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What `datetime` can hold, less a day, for offsets.
FIRST, LAST = -62135510400000000, 253402214399999999


def local_ticks(ticks: Ticks, zone: ZoneInfo) -> Ticks:
    """Return (n,) microseconds of local wall-clock time; ticks lie from FIRST to LAST.

    A zone's offset is looked up once a quarter of an hour: where both ends of one have the same
    offset, no change lies within.
    """
    if zone.key == "UTC":
        return ticks
    blocks, place = np.unique(ticks // _BLOCK, return_inverse=True)
    begin = np.array([_offset(b * _BLOCK, zone) for b in blocks.tolist()], dtype=np.int64)
    end = np.array([_offset((b + 1) * _BLOCK - 1, zone) for b in blocks.tolist()], dtype=np.int64)
    offsets = begin[place]
    for at in np.flatnonzero((begin != end)[place]).tolist():
        offsets[at] = _offset(int(ticks[at]), zone)
    return ticks + offsets


def _offset(tick: int, zone: ZoneInfo) -> int:
    moment = (_EPOCH + timedelta(microseconds=tick)).astimezone(zone)
    offset = moment.utcoffset() or timedelta()
    return offset // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, eq=False)
class Calendar:
    """Fields of local times; each an (n,) array of whole numbers."""

    ticks: Ticks

    def part(self, name: str) -> npt.NDArray[Any]:
        """Return one field by name."""
        days = self.ticks // _DAY
        rest = self.ticks - days * _DAY
        if name in _OF_DAY:
            unit, most = _OF_DAY[name]
            part: npt.NDArray[Any] = rest // unit % most
            return part
        return np.asarray(_of_date(name, days))


_OF_DAY = {
    "hour": (60 * _MINUTE, 24),
    "minute": (_MINUTE, 60),
    "second": (1_000_000, 60),
    "minute_of_day": (_MINUTE, 1440),
}


def _of_date(name: str, days: Ticks) -> Any:
    weekday = (days + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
    if name == "day_of_week":
        return weekday
    if name == "is_weekend":
        return weekday >= 5
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    years = dates.astype("datetime64[Y]")
    month = months.astype(np.int64) % 12
    if name == "year":
        return years.astype(np.int64) + 1970
    if name == "month":
        return month + 1
    if name == "quarter":
        return month // 3 + 1
    if name == "day":
        return (dates - months.astype("datetime64[D]")).astype(np.int64) + 1
    day_of_year = (dates - years.astype("datetime64[D]")).astype(np.int64) + 1
    return day_of_year if name == "day_of_year" else _iso_week(days, weekday)


def _iso_week(days: Ticks, weekday: Ticks) -> Ticks:
    """Return the ISO 8601 week: that of the year in which the week's Thursday lies."""
    thursday = (days - weekday + 3).astype("datetime64[D]")
    first = thursday.astype("datetime64[Y]").astype("datetime64[D]")
    week: Ticks = (thursday - first).astype(np.int64) // 7 + 1
    return week


PARTS = (
    "year",
    "quarter",
    "month",
    "week",
    "day",
    "day_of_year",
    "day_of_week",
    "is_weekend",
    "hour",
    "minute",
    "second",
    "minute_of_day",
)
