"""What each view's cadence allows the online store to hold for given entity rows."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import duckdb
import numpy as np
import pyarrow as pa

from likewise.cli.parity.cadence import EPOCH
from likewise.cli.parity.compare import Expected
from likewise.cli.parity.source_rows import EVENT, SourceRows
from likewise.transforms.columns import columns_from_arrow
from likewise.transforms.logical_types import LogicalType

ROW = "__row"


def expected_rows(
    rows: SourceRows, entities: pa.Table, run: datetime, instant: datetime, ttl: timedelta | None
) -> Expected:
    """Return the view's values for entity rows as a run at `run` left them, read at `instant`.

    Parameters
    ----------
    entities
        The join keys of n entity rows, under the view's names.
    ttl
        A row older than this at `instant` is missing; None: never.
    """
    numbered = entities.append_column(ROW, pa.array(range(entities.num_rows)))
    keys = ", ".join(f'"{key}"' for key in rows.keys)
    newest = rows.newest_sql(f"({keys}) IN (SELECT ({keys}) FROM numbered)" if keys else "TRUE")  # noqa: S608
    on = " AND ".join(f'e."{key}" = s."{key}"' for key in rows.keys) or "TRUE"
    features = ", ".join(f's."{name}"' for name in rows.features)
    query = f"SELECT {features}, s.{EVENT} FROM numbered e LEFT JOIN ({newest}) s ON {on} ORDER BY e.{ROW}"  # noqa: S608
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("numbered", numbered)
        found = connection.execute(
            query, [rows.path, instant - ttl if ttl else EPOCH, run, EPOCH, run]
        ).to_arrow_table()
    return Expected(columns_from_arrow(found, _schema(rows, found)), _microseconds(found[EVENT]))


def _schema(rows: SourceRows, table: pa.Table) -> Mapping[str, LogicalType]:
    return {name: LogicalType.from_arrow(table.schema.field(name).type) for name in rows.features}


def _microseconds(times: pa.ChunkedArray) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    utc = times.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).fill_null(-1)
    return np.asarray(utc.to_numpy(), np.int64)
