"""At which instants to compare, and which entity rows to look at from each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from likewise.cli.errors import SettingError, TooFewRowsError
from likewise.training.history_file import EVENT_TIME as EVENT_TIME

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to choose instants.

    Attributes
    ----------
    start, end
        Instants lie in [start, end), one in each of `count` equal parts, at a whole minute drawn by `seed`.
    window
        From an instant one looks at the entity rows with an event time in [instant, instant + window), as they
        would be asked for at the instant.
    least_instants, least_rows
        Fewest instants with an entity row, and fewest entity rows in all.
    """

    start: datetime
    end: datetime
    count: int = 30
    window: timedelta = timedelta(hours=3)
    least_instants: int = 1
    least_rows: int = 1
    seed: int = 20131101


@dataclass(frozen=True, slots=True)
class InstantRows:
    """Entity rows to look at from one instant; their `event_timestamp` is the instant."""

    instant: datetime
    rows: pa.Table


def choose(entities: pa.Table, sampling: Sampling) -> tuple[InstantRows, ...]:
    """Return the instants in time order, each with its rows; instants without any row are left out.

    Parameters
    ----------
    entities
        Entity rows with `event_timestamp`.

    Raises
    ------
    SettingError
        The span does not begin before it ends.
    TooFewRowsError
        Fewer instants or rows than asked for.
    """
    if sampling.start >= sampling.end:
        raise SettingError("the span of parity", f"a start before its end {sampling.end}", str(sampling.start))
    chosen = [_rows_at(entities, instant, sampling.window) for instant in _instants(sampling)]
    chosen = [one for one in chosen if one.rows.num_rows]
    total = sum(one.rows.num_rows for one in chosen)
    if total < sampling.least_rows or len(chosen) < sampling.least_instants:
        expected = f"{sampling.least_rows:,} entity rows at {sampling.least_instants} instants"
        span = f"{sampling.start:%Y-%m-%d %H:%M} to {sampling.end:%Y-%m-%d %H:%M} UTC"
        raise TooFewRowsError(expected, f"{total:,} at {len(chosen)}", span)
    return tuple(chosen)


def _instants(sampling: Sampling) -> Sequence[datetime]:
    minutes = (sampling.end - sampling.start) // MINUTE
    cuts = np.linspace(0, minutes, sampling.count + 1).astype(np.int64)
    draws = np.random.default_rng(sampling.seed).integers(cuts[:-1], np.maximum(cuts[1:], cuts[:-1] + 1))
    return [sampling.start + int(minute) * MINUTE for minute in draws]


def _rows_at(entities: pa.Table, instant: datetime, window: timedelta) -> InstantRows:
    times = entities[EVENT_TIME].cast(pa.timestamp("us", "UTC"))
    inside = pc.and_(pc.greater_equal(times, pa.scalar(instant)), pc.less(times, pa.scalar(instant + window)))
    rows = entities.filter(inside)
    moment = pa.array([instant] * rows.num_rows, pa.timestamp("us", "UTC"))
    return InstantRows(instant, rows.set_column(rows.column_names.index(EVENT_TIME), EVENT_TIME, moment))
