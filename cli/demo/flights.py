"""Flights with instants in place of airport clocks."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from likewise.cli.demo.local_time import (
    MISSING_ZONES,
    Minutes,
    clock_minutes,
    next_showing,
    scheduled_departures,
)
from likewise.cli.demo.package_files import PackageFiles

# The data does not say when a flight was called off. Of those that flew 99.93 % had left within 6 hours
# (docs/flights.md).
CANCELLATION_KNOWN_AFTER = 6 * 60
LATE_AFTER = 15
UNKNOWN_PLANE = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Flights:
    """n flights in the order of the file.

    Attributes
    ----------
    table
        The file's columns; `tailnum` is `UNKNOWN` where the file has none.
    departs, arrives
        (n,) scheduled departure and arrival, minutes since 1970 UTC.
    departure_delay, arrival_delay
        (n,) float64, minutes; NaN where the flight never left, or never arrived where it was bound.
    """

    table: pd.DataFrame
    departs: Minutes
    arrives: Minutes
    departure_delay: npt.NDArray[np.float64]
    arrival_delay: npt.NDArray[np.float64]

    @property
    def left(self) -> npt.NDArray[np.bool_]:
        """Tell which flights took off; the others were cancelled."""
        return ~np.isnan(self.departure_delay)

    @property
    def arrived(self) -> npt.NDArray[np.bool_]:
        """Tell which flights reached their destination; of the others some were cancelled, some diverted."""
        return ~np.isnan(self.arrival_delay)

    @property
    def departure_known(self) -> Minutes:
        """Say when it was known whether and how late each flight left, minutes since 1970 UTC."""
        delay = np.where(self.left, self.departure_delay, CANCELLATION_KNOWN_AFTER)
        return self.departs + delay.astype(np.int64)

    @property
    def arrival_known(self) -> Minutes:
        """Say when each flight arrived, minutes since 1970 UTC; only of those that arrived."""
        return self.arrives + np.where(self.arrived, self.arrival_delay, 0).astype(np.int64)


def read_flights(files: PackageFiles, days: int = 365) -> Flights:
    """Return the flights scheduled to leave on the first `days` days of 2013.

    Raises
    ------
    FlightTimesError
        A scheduled arrival is not within a day of its departure.
    """
    table = pd.read_csv(files.flights, keep_default_na=False, na_values=dict.fromkeys(NULLABLE, "NA"))
    table = table[pd.to_datetime(table[["year", "month", "day"]]) < pd.Timestamp(2013, 1, 1) + pd.Timedelta(days=days)]
    table = table.reset_index(drop=True)
    table["tailnum"] = table["tailnum"].fillna(UNKNOWN_PLANE)
    departs = scheduled_departures(
        pd.to_datetime(table[["year", "month", "day"]]), clock_minutes(table["sched_dep_time"])
    )
    return Flights(
        table=table,
        departs=departs,
        arrives=_scheduled_arrivals(table, departs, destination_zones(files)),
        departure_delay=table["dep_delay"].to_numpy(np.float64),
        arrival_delay=table["arr_delay"].to_numpy(np.float64),
    )


NULLABLE = ("tailnum", "dep_time", "dep_delay", "arr_time", "arr_delay", "air_time")


def destination_zones(files: PackageFiles) -> dict[str, str]:
    """Return the IANA time zone of each airport."""
    airports = pd.read_csv(files.airports).dropna(subset=["tzone"])
    return {**dict(zip(airports["faa"], airports["tzone"], strict=True)), **MISSING_ZONES}


def _scheduled_arrivals(table: pd.DataFrame, departs: Minutes, zones: dict[str, str]) -> Minutes:
    zone_of = table["dest"].map(zones)
    shown = clock_minutes(table["sched_arr_time"]).to_numpy(np.int64)
    arrives = np.zeros(len(table), np.int64)
    for zone in zone_of.unique():
        rows = (zone_of == zone).to_numpy()
        arrives[rows] = next_showing(departs[rows], shown[rows], zone)
    return arrives
