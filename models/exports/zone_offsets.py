"""A time zone's offsets as a step function of the instant, so that a target needs no zone database.

Offsets change at instants; from 2100 on, every zone follows a yearly rule, and the Gregorian calendar repeats
after 400 years to the day of the week. So a table to the year 2500 holds for all later years.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 1_000_000
_DAY = 86_400
FOLD_FROM = int((datetime(2100, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds()) * _SECOND
FOLD_TICKS = 146_097 * _DAY * _SECOND
# Before the first railway time every zone is on its local mean time.
_FIRST_DAY = (datetime(1800, 1, 1, tzinfo=UTC) - _EPOCH).days
_LAST_DAY = FOLD_FROM // _SECOND // _DAY + 146_097


@dataclass(frozen=True, slots=True, eq=False)
class OffsetSteps:
    """Offsets in microseconds: entry i holds from `since[i - 1]` to before `since[i]`, both microseconds UTC."""

    since: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]


@lru_cache(maxsize=8)
def offsets_of(zone: str) -> OffsetSteps:
    """Return the offsets of a zone as `zoneinfo` finds them; each day is looked at twice (0.5 s a zone)."""
    info = ZoneInfo(zone)
    marks = range(_FIRST_DAY * _DAY, _LAST_DAY * _DAY, _DAY // 2)
    since, offsets = list[int](), [_offset(marks[0], info)]
    for mark in marks[1:]:
        offset = _offset(mark, info)
        if offset != offsets[-1]:
            since.append(_change(mark - _DAY // 2, mark, info))
            offsets.append(offset)
    to_ticks = np.int64(_SECOND)
    return OffsetSteps(np.array(since, dtype=np.int64) * to_ticks, np.array(offsets, dtype=np.int64) * to_ticks)


def _offset(second: int, zone: ZoneInfo) -> int:
    moment = (_EPOCH + timedelta(seconds=second)).astimezone(zone)
    return round((moment.utcoffset() or timedelta()).total_seconds())


def _change(low: int, high: int, zone: ZoneInfo) -> int:
    """Return the first second from which the offset is that of `high`."""
    new = _offset(high, zone)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _offset(middle, zone) == new else (middle, high)
    return high
