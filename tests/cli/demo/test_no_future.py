"""Nothing that became known later may change an earlier row."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from likewise.cli.demo.flights import Flights, read_flights
from likewise.cli.demo.last_flight import last_flight_table
from likewise.cli.demo.package_files import find_package_files
from likewise.cli.demo.prepare import TICK_VIEWS, tick_table
from likewise.cli.demo.source_tables import CREATED, EVENT, MINUTE_MICROSECONDS, year_start

DAYS = 12
CUT = year_start() + 9 * 24 * 60 + 17 * 60 + 30
NEVER = 10**6


@pytest.fixture(scope="module")
def world() -> Flights:
    return read_flights(find_package_files(), DAYS)


@pytest.fixture(scope="module")
def world_until_cut(world: Flights) -> Flights:
    """Keep the schedule, but what became known after the cut never did."""
    departure_delay = np.where(world.left & (world.departure_known > CUT), NEVER, world.departure_delay)
    arrival_delay = np.where(world.arrived & (world.arrival_known > CUT), np.nan, world.arrival_delay)
    return replace(world, departure_delay=departure_delay, arrival_delay=arrival_delay)


@pytest.mark.parametrize("view", TICK_VIEWS, ids=lambda view: view.name)
def test_rows_by_an_instant_do_not_depend_on_what_came_later(
    view: object, world: Flights, world_until_cut: Flights
) -> None:
    """Rows by an instant are equal whether or not the world went on after it."""
    first, last = year_start(), year_start() + (DAYS + 1) * 24 * 60
    whole, ended = (tick_table(view, flights, first, last) for flights in (world, world_until_cut))
    assert until_cut(whole).num_rows > 0
    assert until_cut(whole).equals(until_cut(ended))
    assert not whole.equals(ended)


def test_last_flights_by_an_instant_do_not_depend_on_what_came_later(world: Flights, world_until_cut: Flights) -> None:
    """Reports of planes by an instant are equal whether or not the world went on after it."""
    whole, ended = last_flight_table(world), last_flight_table(world_until_cut)
    assert until_cut(whole).num_rows > 0
    assert until_cut(whole).equals(until_cut(ended))


def until_cut(table: pa.Table) -> pa.Table:
    by_cut = pc.less_equal(table[EVENT].cast(pa.int64()), CUT * MINUTE_MICROSECONDS)
    return table.filter(by_cut).sort_by([(name, "ascending") for name in (*keys(table), EVENT)])


def keys(table: pa.Table) -> list[str]:
    return [name for name in ("carrier", "origin", "dest", "tailnum") if name in table.column_names]


def test_created_never_precedes_the_event(world: Flights) -> None:
    """A row becomes known after the instant it speaks of, by its view's lag."""
    first, last = year_start(), year_start() + (DAYS + 1) * 24 * 60
    for view in TICK_VIEWS:
        table = tick_table(view, world, first, last)
        lag = pc.subtract(table[CREATED].cast(pa.int64()), table[EVENT].cast(pa.int64()))
        assert set(lag.unique().to_pylist()) == {view.lag * MINUTE_MICROSECONDS}
        assert view.lag > 0
