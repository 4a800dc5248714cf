"""Tables as feature sources: event time and created time in microseconds, rows in time order."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

EVENT, CREATED = "event_timestamp", "created"
INSTANT = pa.timestamp("us", "UTC")
MINUTE_MICROSECONDS = 60_000_000


def year_start() -> int:
    """Return the start of 2013 UTC, five hours before any airport of the data: minutes since 1970."""
    return int(pd.Timestamp(2013, 1, 1).timestamp()) // 60


def instants(minutes: npt.ArrayLike, known: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """Return (n,) minutes since 1970 UTC as instants; null where not `known`."""
    microseconds = np.asarray(minutes, np.int64) * MINUTE_MICROSECONDS
    return pa.array(microseconds, mask=None if known is None else ~known).cast(INSTANT)


def source_table(columns: pd.DataFrame, event: npt.ArrayLike, lag: int) -> pa.Table:
    """Return a feature source of n rows, in time order.

    Parameters
    ----------
    columns
        Join keys and features; NaN becomes null.
    event
        (n,) event times, minutes since 1970 UTC.
    lag
        Minutes from the event time until the row became known: its created time.
    """
    minutes = np.asarray(event, np.int64)
    table = pa.Table.from_pandas(columns, preserve_index=False).replace_schema_metadata()
    table = table.append_column(EVENT, instants(minutes)).append_column(CREATED, instants(minutes + lag))
    order = np.argsort(minutes, kind="stable")
    return table if (order[1:] > order[:-1]).all() else table.take(order)
