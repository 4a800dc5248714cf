"""Airport clocks to UTC, on real flights picked by hand and on all flights at once."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from likewise.cli.demo.errors import FlightTimesError
from likewise.cli.demo.flights import Flights, destination_zones
from likewise.cli.demo.local_time import MISSING_ZONES, clock_minutes, from_minutes, next_showing
from likewise.cli.demo.package_files import find_package_files
from tests.cli.demo.plain_flights import PlainFlights

# (month, day, carrier, flight, origin) -> scheduled departure and arrival, actual departure and arrival; all UTC.
PICKED = {
    # A winter morning to another zone: 05:15 EST, 08:19 CST.
    (1, 1, "UA", 1545, "EWR"): ("01-01 10:15", "01-01 14:19", "01-01 10:17", "01-01 14:30"),
    # Summer: 10:25 EDT, 12:22 in Phoenix, which keeps standard time.
    (7, 1, "US", 604, "EWR"): ("07-01 14:25", "07-01 19:22", "07-01 14:21", "07-01 19:28"),
    # 09:00 EST, 15:30 the same day in Honolulu.
    (1, 1, "HA", 51, "JFK"): ("01-01 14:00", "01-02 01:30", "01-01 13:57", "01-02 01:16"),
    # The same flight eight days later, 21 hours late: the clock showed 06:41 on the next day.
    (1, 9, "HA", 51, "JFK"): ("01-09 14:00", "01-10 01:30", "01-10 11:41", "01-10 22:42"),
    # Due at 23:59 EST, left after midnight; airports.csv does not have San Juan (AST).
    (1, 2, "B6", 707, "JFK"): ("01-03 04:59", "01-03 08:42", "01-03 05:42", "01-03 09:18"),
    # In the air when New York's clocks went forward. It landed at 03:03 EDT; the file says 02:03, which was no time.
    (3, 9, "B6", 35, "JFK"): ("03-10 02:45", "03-10 05:34", "03-10 04:06", "03-10 07:03"),
    # In the air at that hour too, landed in Denver before its own clocks went forward.
    (3, 9, "B6", 97, "JFK"): ("03-10 02:28", "03-10 06:55", "03-10 03:44", "03-10 07:48"),
    # The evening after: 21:00 and 22:57 EDT, both after midnight in the end.
    (3, 10, "EV", 4368, "EWR"): ("03-11 01:00", "03-11 02:57", "03-11 04:41", "03-11 06:30"),
    # In the air when New York's clocks went back, to Puerto Rico, where they never do.
    (11, 2, "B6", 745, "JFK"): ("11-03 03:59", "11-03 07:45", "11-03 03:46", "11-03 07:53"),
    # In the air at that hour too, landed in Los Angeles before its own clocks went back.
    (11, 2, "B6", 523, "JFK"): ("11-03 00:40", "11-03 06:59", "11-03 00:38", "11-03 07:10"),
    # The morning after: 05:20 EST, 08:00 CST.
    (11, 3, "UA", 322, "EWR"): ("11-03 10:20", "11-03 14:00", "11-03 10:19", "11-03 13:51"),
}


@pytest.mark.parametrize("picked", PICKED, ids=str)
def test_picked_flights(picked: tuple[int, int, str, int, str], flights: Flights) -> None:
    """Scheduled and actual times of a flight are those worked out by hand."""
    table = flights.table
    names = ("month", "day", "carrier", "flight", "origin")
    (row,) = np.flatnonzero((table[list(names)] == picked).all(axis=1))
    times = (flights.departs, flights.arrives, flights.departure_known, flights.arrival_known)
    assert tuple(instant(minutes[row]) for minutes in times) == PICKED[picked]


def instant(minutes: int) -> str:
    return datetime.fromtimestamp(int(minutes) * 60, UTC).strftime("%m-%d %H:%M")


@pytest.mark.slow
def test_all_times_agree_with_a_second_reading(flights: Flights, plain_flights: PlainFlights) -> None:
    """Every scheduled departure and arrival is the one that zoneinfo gives."""
    assert [instants.isoformat() for instants in seconds(flights.departs)] == [
        flight.departs.isoformat() for flight in plain_flights.flights
    ]
    assert [instants.isoformat() for instants in seconds(flights.arrives)] == [
        flight.arrives.isoformat() for flight in plain_flights.flights
    ]


def seconds(minutes: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> list[datetime]:
    return [datetime.fromtimestamp(minute * 60, UTC) for minute in minutes.tolist()]


def test_actual_times_show_on_the_airports_clocks(flights: Flights) -> None:
    """Scheduled time plus delay is what the file's own clock readings say, but for one that no clock showed."""
    left, arrived = flights.left, flights.arrived
    zones = flights.table["dest"].map(destination_zones(find_package_files()))
    origins = pd.Series("America/New_York", index=zones.index)
    assert (shown(flights.departure_known, origins) != reading(flights.table["dep_time"]))[left].sum() == 0
    differs = (shown(flights.arrival_known, zones) != reading(flights.table["arr_time"])) & arrived
    (odd,) = np.flatnonzero(differs)
    assert flights.table.loc[odd, ["carrier", "flight", "arr_time"]].tolist() == ["B6", 35, 203.0]


def shown(minutes: "np.ndarray[tuple[int], np.dtype[np.int64]]", zones: pd.Series) -> "np.ndarray":
    found = np.zeros(len(minutes), np.int64)
    instants = from_minutes(minutes)
    for zone in zones.unique():
        rows = (zones == zone).to_numpy()
        local = instants[rows].dt.tz_convert(zone)
        found[rows] = local.dt.hour * 60 + local.dt.minute
    return found


def reading(hhmm: pd.Series) -> "np.ndarray":
    return (clock_minutes(hhmm.fillna(0)) % (24 * 60)).to_numpy(np.int64)


def test_durations_are_plausible(flights: Flights) -> None:
    """No flight is scheduled or took less than its time in the air allows; docs/flights.md states these figures."""
    scheduled = flights.arrives - flights.departs
    assert (scheduled.min(), scheduled.max()) == (50, 700)
    on_ground = (flights.arrival_known - flights.departure_known)[flights.arrived] - flights.table["air_time"].dropna()
    assert (on_ground.min(), on_ground.max()) == (5, 235)
    speed = flights.table["distance"] / scheduled * 60
    assert speed.max() < 500


def test_time_hour_of_flights_is_the_scheduled_hour_in_utc(flights: Flights) -> None:
    """The file's `time_hour` says UTC and is UTC, for every flight."""
    claimed = pd.to_datetime(flights.table["time_hour"], utc=True)
    assert (claimed == from_minutes(flights.departs // 60 * 60)).all()


def test_time_hour_of_weather_is_the_local_hour_in_utc() -> None:
    """The weather's `time_hour` shows its columns on New York's clocks, also in the hour that came twice."""
    weather = pd.read_csv(find_package_files().weather)
    local = pd.to_datetime(weather["time_hour"], utc=True).dt.tz_convert("America/New_York")
    for column in ("year", "month", "day", "hour"):
        assert (getattr(local.dt, column) == weather[column]).all()
    assert not weather.duplicated(["origin", "time_hour"]).any()
    assert weather.duplicated(["origin", "year", "month", "day", "hour"]).sum() == 3
    # Coolest before dawn, warmest in the afternoon: hours that were shifted by the zone would not be.
    by_hour = weather.groupby("hour")["temp"].mean()
    assert by_hour.idxmin() in (4, 5, 6)
    assert by_hour.idxmax() in (13, 14, 15)


def test_every_destination_has_a_zone(flights: Flights) -> None:
    """Only the four airports given by constants lack one in the package."""
    zones = destination_zones(find_package_files())
    assert set(flights.table["dest"]) <= set(zones)
    packaged = pd.read_csv(find_package_files().airports)
    without = set(flights.table["dest"]) - set(packaged.dropna(subset=["tzone"])["faa"])
    assert without == set(MISSING_ZONES)


@pytest.mark.parametrize(
    ("after", "minute", "zone", "expected"),
    [
        ("2013-03-10T06:00Z", 150, "America/New_York", "2013-03-10T07:00Z"),  # 02:30 was left out: end of the gap
        ("2013-11-03T04:30Z", 90, "America/New_York", "2013-11-03T05:30Z"),  # 01:30 came twice: its first showing
        ("2013-06-01T12:00Z", 8 * 60, "America/New_York", "2013-06-02T12:00Z"),  # the same reading: a day later
        ("2013-06-01T12:00Z", 8 * 60 + 1, "America/New_York", "2013-06-01T12:01Z"),
    ],
)
def test_next_showing_at_edges(after: str, minute: int, zone: str, expected: str) -> None:
    """Gaps, repeated hours and equal readings have one stated answer."""
    start, answer = (np.array([int(pd.Timestamp(text).timestamp()) // 60]) for text in (after, expected))
    assert next_showing(start, np.array([minute]), zone).tolist() == answer.tolist()


def test_a_showing_that_is_no_answer_is_refused() -> None:
    """When only the second showing of a repeated hour would do, the times are refused, not guessed."""
    start = np.array([int(pd.Timestamp("2013-11-03T06:10Z").timestamp()) // 60])
    with pytest.raises(FlightTimesError, match="America/New_York"):
        next_showing(start, np.array([70 + 5]), "America/New_York")
