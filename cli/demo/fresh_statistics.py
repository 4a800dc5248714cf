"""Departures of the last hours at each origin, and of each carrier there: what a stream would push."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from likewise.cli.demo.entity_ticks import EntityTicks, TickView, hour_windows
from likewise.cli.demo.flights import LATE_AFTER, Flights
from likewise.cli.demo.rolling import Integers, Knowledge, ratio

FRESH_VIEWS = (
    TickView("fresh_delays", "fresh", ("origin",), hour_windows(1, 3), tick=15, lag=1),
    TickView(
        "fresh_carrier_delays",
        "fresh_carrier",
        ("carrier", "origin"),
        hour_windows(1, 3),
        tick=15,
        lag=1,
        only_changes=True,
    ),
)


def learn_departures(flights: Flights, codes: Integers) -> Mapping[str, Knowledge]:
    """Return what became known of each entity: departures, what was due, what of it is settled.

    A flight is settled when it has left or is known to be cancelled, but not before it was due.
    """
    delay = flights.departure_delay[flights.left].astype(np.int64)
    known = flights.departure_known
    amounts = {
        "departures": np.ones(len(delay), np.int64),
        "delay": delay,
        "delayed": (delay > LATE_AFTER).astype(np.int64),
    }
    return {
        "departures": Knowledge.of(codes[flights.left], known[flights.left], amounts),
        "due": Knowledge.of(codes, flights.departs, {}),
        "settled": Knowledge.of(codes, np.maximum(flights.departs, known), {}),
    }


def fresh_features(view: TickView, known: Mapping[str, Knowledge], rows: EntityTicks) -> pd.DataFrame:
    """Return the features of n rows: three for each window, and the flights overdue at the instant."""
    features: dict[str, Integers | npt.NDArray[np.float64]] = {}
    for window, minutes in view.windows.items():
        out = known["departures"].within(rows.entity, rows.instant, minutes)
        features |= {
            f"{view.prefix}_departures_{window}": out["departures"],
            f"{view.prefix}_dep_delay_mean_{window}": ratio(out["delay"], out["departures"]),
            f"{view.prefix}_delayed_share_{window}": ratio(out["delayed"], out["departures"]),
        }
    due, settled = (known[name].place(rows.entity, rows.instant) for name in ("due", "settled"))
    return pd.DataFrame({**features, f"{view.prefix}_overdue_flights": due - settled})
