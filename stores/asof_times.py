"""Instants as integers: what a join compares, exact to the nanosecond where the data are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum

import pyarrow as pa
import pyarrow.compute as pc

from likewise.stores.asof_session import quoted
from likewise.stores.errors import SourceTimeError

_MICROSECOND_TYPES = ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_S", "TIMESTAMP_MS", "DATE")
# Microseconds beyond which nanoseconds leave 64 bits (years 1677 to 2262): later instants compare as equal there.
_NANOSECOND_RANGE_US = 9_223_372_036_854_775


EARLIEST = datetime.min.replace(tzinfo=UTC)


class Unit(Enum):
    """What one step of an integer instant is."""

    MICROSECOND = 1
    NANOSECOND = 1000

    def span(self, duration: timedelta) -> int:
        """Return a duration in this unit."""
        return (duration // timedelta(microseconds=1)) * self.value

    def instant(self, when: datetime) -> int:
        """Return a zone-aware instant in this unit."""
        return self.span(when - datetime.fromisoformat("1970-01-01T00:00:00+00:00"))


def finest_unit(types: Mapping[str, str], column: str) -> Unit:
    """Return the unit that a column's type needs."""
    return Unit.NANOSECOND if types[column] == "TIMESTAMP_NS" else Unit.MICROSECOND


def instant_sql(source: str, types: Mapping[str, str], column: str, unit: Unit) -> str:
    """Return SQL for a time column as BIGINT in `unit` since 1970, naive times taken as UTC.

    Raises
    ------
    SourceTimeError
        The column holds no times.
    """
    kind, name = types[column], quoted(column)
    if kind == "TIMESTAMP_NS":
        return f"epoch_ns({name})" if unit is Unit.NANOSECOND else f"(epoch_ns({name}) // 1000)"
    if kind == "VARCHAR":
        name = f"{name}::TIMESTAMPTZ"
    elif kind not in _MICROSECOND_TYPES:
        raise SourceTimeError(source, column, kind)
    if unit is Unit.MICROSECOND:
        return f"epoch_us({name})"
    return _to_nanoseconds(f"epoch_us({name})")


def between_sql(types: Mapping[str, str], column: str, first: datetime | None, last: datetime | None) -> str:
    """Return a condition on the bare column, a microsecond wide of the range, or nothing for other than timestamps.

    It holds for every instant in the range, so it may only narrow a scan; row groups are skipped by it.
    """
    make = {"TIMESTAMP": "make_timestamp", "TIMESTAMP WITH TIME ZONE": "make_timestamptz"}.get(types[column])
    if make is None:
        return ""
    parts = []
    if first is not None:
        parts.append(f"{quoted(column)} >= {make}({Unit.MICROSECOND.instant(first) - 1})")
    if last is not None:
        parts.append(f"{quoted(column)} <= {make}({Unit.MICROSECOND.instant(last) + 1})")
    return " AND ".join(parts)


def rescaled_sql(sql: str, have: Unit, want: Unit) -> str:
    """Return SQL of an integer instant in `want`, which is no coarser than `have`."""
    return sql if have is want else _to_nanoseconds(sql)


def _to_nanoseconds(sql: str) -> str:
    # `least` and `greatest` pass over nulls: without the CASE a missing time would be the farthest one.
    clamped = f"greatest(least({sql}, {_NANOSECOND_RANGE_US}), -{_NANOSECOND_RANGE_US}) * 1000"
    return f"(CASE WHEN {sql} IS NOT NULL THEN {clamped} END)"


def utc_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of `as_utc` of a column."""
    return pa.timestamp(kind.unit if pa.types.is_timestamp(kind) else "us", "UTC")


def as_utc(owner: str, column: str, values: pa.Array) -> pa.Array:
    """Return a time column as zoned timestamps in UTC; its unit stays, naive times are taken as UTC.

    Raises
    ------
    SourceTimeError
        The column holds no times.
    """
    kind = values.type
    if pa.types.is_timestamp(kind):
        return values.cast(pa.timestamp(kind.unit, "UTC"))
    if pa.types.is_date(kind):
        return values.cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _parsed(owner, column, values)
    raise SourceTimeError(owner, column, str(kind))


def _parsed(owner: str, column: str, values: pa.Array) -> pa.Array:
    zoned = pc.match_substring_regex(values, r"(Z|[+-]\d\d:?\d\d)$")
    try:
        aware = pc.if_else(zoned, values, None).cast(pa.timestamp("us", "UTC"))
        naive = pc.if_else(zoned, None, values).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
    except pa.ArrowInvalid as error:
        raise SourceTimeError(owner, column, str(error)) from error
    return pc.coalesce(aware, naive)


def unit_of(values: pa.Array) -> Unit:
    """Return nanoseconds when UTC timestamps have a part below the microsecond, else microseconds."""
    if values.type.unit != "ns":
        return Unit.MICROSECOND
    numbers = values.cast(pa.int64())
    below = pc.subtract(numbers, pc.multiply(pc.divide(numbers, 1000), 1000))
    return Unit.NANOSECOND if pc.any(pc.not_equal(below, 0)).as_py() else Unit.MICROSECOND


def integers(values: pa.Array, unit: Unit) -> pa.Array:
    """Return UTC timestamps as int64 in `unit`; one that leaves the range is an error of Arrow's."""
    name = "ns" if unit is Unit.NANOSECOND else "us"
    return values.cast(pa.timestamp(name, "UTC")).cast(pa.int64())
