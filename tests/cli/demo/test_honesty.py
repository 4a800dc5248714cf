"""Stored statistics against a second, plain computation that uses only what was known."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from likewise.cli.demo.delay_statistics import DELAY_VIEWS
from likewise.cli.demo.entity_ticks import TickView
from likewise.cli.demo.fresh_statistics import FRESH_VIEWS
from likewise.cli.demo.prepare import Prepared
from tests.cli.demo.plain_flights import EntityFlights, PlainFlights

PAIRS = 300
INSTANT = pa.timestamp("us", "UTC")
Pair = tuple[tuple[str, ...], np.datetime64]
Values = dict[str, float | None]
Recompute = Callable[[EntityFlights, np.datetime64], Values]


def rolling(flights: EntityFlights, at: np.datetime64) -> Values:
    return flights.rolling(at, 1) | flights.rolling(at, 7) | flights.rolling(at, 28)


def fresh(flights: EntityFlights, at: np.datetime64) -> Values:
    return {**flights.fresh(at, 1), **flights.fresh(at, 3), "overdue_flights": flights.overdue(at)}


@pytest.mark.slow
@pytest.mark.parametrize("view", DELAY_VIEWS, ids=lambda view: view.name)
def test_stored_statistics_are_what_was_known(view: TickView, prepared: Prepared, plain_flights: PlainFlights) -> None:
    """For 300 random entities and times, the newest stored row says what a direct recomputation says."""
    check(view, prepared, plain_flights, rolling)


@pytest.mark.slow
@pytest.mark.parametrize("view", FRESH_VIEWS, ids=lambda view: view.name)
def test_pushed_statistics_are_what_was_known(view: TickView, prepared: Prepared, plain_flights: PlainFlights) -> None:
    """For 300 random entities and times, the newest pushed row says what a direct recomputation says."""
    check(view, prepared, plain_flights, fresh)


def check(view: TickView, prepared: Prepared, plain_flights: PlainFlights, recompute: Recompute) -> None:
    entities = plain_flights.of(view.keys)
    chance = random.Random(f"honest {view.name}")
    pairs = [(chance.choice(sorted(entities)), random_tick(view, chance)) for _ in range(PAIRS)]
    stored = 0
    for (entity, at), row in zip(pairs, newest(prepared.path(view.name), view.keys, pairs), strict=True):
        expected = recompute(entities[entity], at)
        if row is None:
            assert entity[0] == "UNKNOWN" or all(not value for value in expected.values())
            continue
        stored += 1
        got = {name.removeprefix(f"{view.prefix}_"): row[name] for name in row if name.startswith(f"{view.prefix}_")}
        assert got == expected, (entity, at)
    assert stored > PAIRS // 2


def random_tick(view: TickView, chance: random.Random) -> np.datetime64:
    """Return an instant of the year at which a row of the view is due."""
    ticks = range(view.offset, 365 * 24 * 60, view.tick)
    return np.datetime64("2013-01-01T00:00", "m") + np.timedelta64(chance.choice(ticks), "m")


def newest(path: Path, keys: Sequence[str], pairs: Sequence[Pair]) -> list[dict[str, float | None] | None]:
    """Return for each entity and instant the entity's last row with an event time by then."""
    asked = pa.table(
        {
            **{key: [entity[place] for entity, _ in pairs] for place, key in enumerate(keys)},
            "at": pa.array([at.astype("datetime64[us]") for _, at in pairs], pa.timestamp("us")).cast(INSTANT),
            "number": range(len(pairs)),
        }
    )
    on = " AND ".join(f"asked.{key} = stored.{key}" for key in keys)
    query = f"""
        SELECT stored.* FROM asked ASOF LEFT JOIN read_parquet(?) stored
        ON {on} AND asked.at >= stored.event_timestamp ORDER BY asked.number
    """
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("asked", asked)
        rows = connection.execute(query, [str(path)]).to_arrow_table().to_pylist()
    return [row if row["event_timestamp"] else None for row in rows]


@pytest.mark.slow
def test_last_flight_is_the_newest_report_of_the_plane(prepared: Prepared, plain_flights: PlainFlights) -> None:
    """At 300 random instants a plane's row tells of its newest departure or arrival by then, and no more."""
    planes = plain_flights.of(("tailnum",))
    chance = random.Random("last flight")
    start = np.datetime64("2013-01-01T00:00", "m")
    instants = (start + np.timedelta64(chance.randrange(365 * 24 * 60), "m") for _ in range(PAIRS))
    pairs = [(chance.choice(sorted(planes)), at) for at in instants]
    told = 0
    rows = newest(prepared.path("plane_last_flight"), ["tailnum"], pairs)
    for ((tailnum,), at), row in zip(pairs, rows, strict=True):
        flights = planes[(tailnum,)]
        reports = sorted(
            [
                (known, under_way, flights.dep_delay[i], None if under_way else flights.arr_delay[i])
                for under_way, times in ((0, flights.arrived), (1, flights.left))
                for i, known in enumerate(times)
                if known <= at
            ],
            key=lambda report: report[:2],
        )
        if tailnum == "UNKNOWN" or not reports:
            assert row is None
            continue
        told += 1
        _, under_way, dep_delay, arr_delay = reports[-1]
        assert row is not None
        assert row["plane_last_dep_delay"] == dep_delay
        assert row["plane_last_arr_delay"] == arr_delay
        assert row["plane_is_under_way"] == under_way
    assert told > PAIRS // 2
