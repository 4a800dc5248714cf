"""The last flight of each plane, as its departure and arrival are reported: what a stream would push."""

import numpy as np
import pandas as pd
import pyarrow as pa

from likewise.cli.demo.flights import UNKNOWN_PLANE, Flights
from likewise.cli.demo.source_tables import source_table

LAST_FLIGHT_VIEW = "plane_last_flight"
REPORT_LAG = 2


def last_flight_table(flights: Flights) -> pa.Table:
    """Return a row for each departure and each arrival of a known plane, at that instant.

    A departure's row has no arrival delay yet. Of two reports of a plane in one minute the departure counts:
    it is the one after which nothing else can have happened.
    """
    known = (flights.table["tailnum"] != UNKNOWN_PLANE).to_numpy()
    out, back = flights.left & known, flights.arrived & known
    rows = pd.DataFrame(
        {
            "tailnum": np.concatenate([flights.table["tailnum"][back], flights.table["tailnum"][out]]),
            "plane_last_dep_delay": np.concatenate([flights.departure_delay[back], flights.departure_delay[out]]),
            "plane_last_arr_delay": np.concatenate([flights.arrival_delay[back], np.full(out.sum(), np.nan)]),
            "plane_is_under_way": np.repeat(np.array([0, 1], np.int64), [back.sum(), out.sum()]),
            "minute": np.concatenate([flights.arrival_known[back], flights.departure_known[out]]),
        }
    ).drop_duplicates(["tailnum", "minute"], keep="last")
    return source_table(rows.drop(columns="minute"), rows["minute"].to_numpy(np.int64), REPORT_LAG)
