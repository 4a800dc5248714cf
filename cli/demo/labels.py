"""Entity rows with labels: each flight two hours before its scheduled departure."""

import numpy as np
import pandas as pd
import pyarrow as pa

from likewise.cli.demo.flights import LATE_AFTER, Flights
from likewise.cli.demo.local_time import clock_minutes
from likewise.cli.demo.source_tables import EVENT, instants

PREDICTED_BEFORE = 2 * 60


def label_table(flights: Flights) -> pa.Table:
    """Return the entity rows of n flights, by event time.

    Join keys and the request data that a caller would send, then `late` (0 or 1; null when the flight was
    cancelled or diverted, for then it has no arrival delay) and `arrived_at` (when that became known).
    """
    table, arrived = flights.table, flights.arrived
    dates = pd.to_datetime(table[["year", "month", "day"]])
    minute = clock_minutes(table["sched_dep_time"])
    columns = pd.DataFrame(
        {
            "carrier": table["carrier"],
            "origin": table["origin"],
            "dest": table["dest"],
            "tailnum": table["tailnum"],
            "dep_month": dates.dt.month.astype("int64"),
            "dep_day_of_year": dates.dt.dayofyear.astype("int64"),
            "dep_weekday": dates.dt.isocalendar().day.astype("int64"),
            "dep_hour": minute // 60,
            "dep_minute": minute % 60,
            "distance_miles": table["distance"].astype("int64"),
            "scheduled_minutes": flights.arrives - flights.departs,
        }
    )
    rows = pa.Table.from_pandas(columns, preserve_index=False).replace_schema_metadata()
    late = np.where(arrived, flights.arrival_delay, 0) > LATE_AFTER
    rows = rows.append_column("late", pa.array(late.astype(np.int64), mask=~arrived))
    rows = rows.append_column("arrived_at", instants(flights.arrival_known, arrived))
    event = flights.departs - PREDICTED_BEFORE
    rows = rows.append_column(EVENT, instants(event))
    rows = rows.append_column("flight", pa.array(table["flight"].to_numpy(np.int64)))
    return rows.take(np.argsort(event, kind="stable"))
