"""Fresh delay statistics of the last hours at each origin: what a stream would push."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from likewise.cli.demo.flights import LATE_AFTER, Flights
from likewise.cli.demo.rolling import Knowledge, ratio
from likewise.cli.demo.statistics import EntityKnowledge, EntityTicks, RollingView

FRESH_VIEW = RollingView("fresh_delays", "fresh", ("origin",), tick=15, lag=1)
WINDOW_HOURS = (1, 3)


def fresh_features(flights: Flights, knowledge: EntityKnowledge, rows: EntityTicks) -> pd.DataFrame:
    """Return the features of n rows: departures of the last hours, and flights overdue at the instant."""
    origins = {name: code for code, name in enumerate(knowledge.names["origin"])}
    entity = flights.table["origin"].map(origins).to_numpy(np.int64)
    left, known = flights.left, flights.departure_known
    delay = np.where(left, flights.departure_delay, 0).astype(np.int64)
    departures = Knowledge.of(
        entity[left],
        known[left],
        {
            "departures": np.ones(int(left.sum()), np.int64),
            "delay": delay[left],
            "delayed": (delay[left] > LATE_AFTER).astype(np.int64),
        },
    )
    features: dict[str, npt.NDArray[np.int64] | npt.NDArray[np.float64]] = {}
    for hours in WINDOW_HOURS:
        out = departures.within(rows.entity, rows.instant, hours * 60)
        features[f"fresh_departures_{hours}h"] = out["departures"]
        features[f"fresh_dep_delay_mean_{hours}h"] = ratio(out["delay"], out["departures"])
        features[f"fresh_delayed_share_{hours}h"] = ratio(out["delayed"], out["departures"])
    # A flight is overdue from its scheduled departure until it is known to have left or to be cancelled.
    due = Knowledge.of(entity, flights.departs, {})
    settled = Knowledge.of(entity, np.maximum(flights.departs, known), {})
    features["fresh_overdue_flights"] = due.place(rows.entity, rows.instant) - settled.place(rows.entity, rows.instant)
    return pd.DataFrame(features)
