from __future__ import annotations

from datetime import UTC, datetime

import pytest

from likewise.stores.clock import FixedClock, WallClock, clock_from_environment, parse_clock
from likewise.stores.errors import ClockError


def test_fixed_clock_stands_still_in_utc() -> None:
    """A clock given an instant of any zone says that instant, in UTC, for ever."""
    clock = parse_clock("2013-10-15T02:00:00-04:00")
    assert clock.now() == datetime(2013, 10, 15, 6, tzinfo=UTC)
    assert clock.now().tzinfo is UTC


@pytest.mark.parametrize("text", ["wall", "WALL", ""])
def test_wall_clock_is_the_machines(text: str) -> None:
    """`wall` is the machine's time, zone-aware."""
    before = datetime.now(UTC)
    assert before <= parse_clock(text).now() <= datetime.now(UTC)


@pytest.mark.parametrize("text", ["yesterday", "2013-10-15", "2013-10-15T06:00:00"])
def test_an_instant_without_a_zone_is_refused(text: str) -> None:
    """An instant that could mean two moments is an error that shows the right form."""
    with pytest.raises(ClockError, match="ISO 8601 instant with a zone"):
        parse_clock(text)


def test_fixed_clock_refuses_a_naive_instant() -> None:
    """A clock made in code is held to the same rule."""
    with pytest.raises(ClockError):
        FixedClock(datetime(2013, 1, 1))  # noqa: DTZ001 - the promise is about naive instants


def test_environment_names_the_clock() -> None:
    """`LIKEWISE_CLOCK` decides; without it, wall time."""
    assert clock_from_environment({}) == WallClock()
    assert clock_from_environment({"LIKEWISE_CLOCK": "2013-10-15T06:00:00Z"}).now().year == 2013
