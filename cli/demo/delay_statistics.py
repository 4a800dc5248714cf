"""Delays and cancellations over 1, 7 and 28 days, for each carrier, origin, destination, route and plane."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from likewise.cli.demo.entity_ticks import EntityTicks, TickView, day_windows
from likewise.cli.demo.flights import LATE_AFTER, Flights
from likewise.cli.demo.local_time import DAY
from likewise.cli.demo.rolling import Integers, Knowledge, ratio

WINDOWS = day_windows(1, 7, 28)
DELAY_VIEWS = (
    TickView("carrier_delays", "carrier", ("carrier",), WINDOWS, tick=60, lag=5),
    TickView("origin_delays", "origin", ("origin",), WINDOWS, tick=60, lag=5),
    TickView("destination_delays", "dest", ("dest",), WINDOWS, tick=6 * 60, lag=10),
    TickView("route_delays", "route", ("origin", "dest"), WINDOWS, tick=6 * 60, lag=10),
    TickView("plane_delays", "plane", ("tailnum",), WINDOWS, tick=DAY, lag=15, offset=6 * 60, only_changes=True),
)


def learn_delays(flights: Flights, codes: Integers) -> Mapping[str, Knowledge]:
    """Return what became known of each entity: departures with cancellations, and arrivals.

    Parameters
    ----------
    codes
        (n,) the entity of each flight, -1 for none.
    """
    somebody = codes >= 0
    left = flights.left[somebody]
    departure = {
        "flights": np.ones(len(left), np.int64),
        "departed": left.astype(np.int64),
        "delay": np.where(left, flights.departure_delay[somebody], 0).astype(np.int64),
    }
    arrived = flights.arrived & somebody
    delay = flights.arrival_delay[arrived].astype(np.int64)
    arrival = {
        "arrived": np.ones(len(delay), np.int64),
        "delay": delay,
        "late": (delay > LATE_AFTER).astype(np.int64),
    }
    return {
        "departures": Knowledge.of(codes[somebody], flights.departure_known[somebody], departure),
        "arrivals": Knowledge.of(codes[arrived], flights.arrival_known[arrived], arrival),
    }


def delay_features(view: TickView, known: Mapping[str, Knowledge], rows: EntityTicks) -> pd.DataFrame:
    """Return the features of n rows: five for each window, over what became known within it."""
    features: dict[str, Integers | npt.NDArray[np.float64]] = {}
    for window, minutes in view.windows.items():
        out = known["departures"].within(rows.entity, rows.instant, minutes)
        back = known["arrivals"].within(rows.entity, rows.instant, minutes)
        features |= {
            f"{view.prefix}_flights_{window}": out["flights"],
            f"{view.prefix}_dep_delay_mean_{window}": ratio(out["delay"], out["departed"]),
            f"{view.prefix}_cancelled_share_{window}": ratio(out["flights"] - out["departed"], out["flights"]),
            f"{view.prefix}_arr_delay_mean_{window}": ratio(back["delay"], back["arrived"]),
            f"{view.prefix}_late_share_{window}": ratio(back["late"], back["arrived"]),
        }
    return pd.DataFrame(features)
