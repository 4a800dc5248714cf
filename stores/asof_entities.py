"""Entity rows: from a frame, an Arrow table, a Parquet path or SQL to what the join needs, order kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from likewise.stores.asof_source import parquet_files, resolve
from likewise.stores.asof_times import Unit, as_utc, integers, unit_of
from likewise.stores.errors import EntityFrameError

EVENT_TIMESTAMP = "event_timestamp"
EntityInput: TypeAlias = "pd.DataFrame | pa.Table | str | Path"


@dataclass(frozen=True, slots=True)
class EntityRows:
    """n entity rows in their order.

    Parameters
    ----------
    table
        All their columns; the event time as zoned timestamps in UTC.
    event
        Name of the event time column.
    unit
        Unit that its values need.
    """

    table: pa.Table
    event: str
    unit: Unit

    def require(self, columns: Iterable[str]) -> None:
        """Check that columns are there.

        Raises
        ------
        EntityFrameError
            One or more are not.
        """
        missing = sorted(set(columns) - set(self.table.column_names))
        if missing:
            raise EntityFrameError(
                f"columns {missing} are missing; present are {self.table.column_names}",
                "Every join key of the views asked for must be a column.",
            )

    def register(self, connection: duckdb.DuckDBPyConnection, keys: Sequence[str]) -> None:
        """Make the table `entity`: id (position), t (instant in `unit`), and the key columns by number."""
        columns = {
            "id": pa.array(np.arange(self.table.num_rows, dtype=np.int64)),
            "t": integers(self.table[self.event], self.unit),
        }
        columns |= {f"k{i}": _plain(self.table[key]) for i, key in enumerate(keys)}
        connection.register("entity_frame", pa.table(columns))
        connection.execute("CREATE TEMP TABLE entity AS SELECT * FROM entity_frame")
        connection.unregister("entity_frame")


def _plain(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values


def read_entities(rows: EntityInput, repository: Path, connection: duckdb.DuckDBPyConnection) -> EntityRows:
    """Return entity rows with their event time found and in UTC.

    Raises
    ------
    EntityFrameError
        The rows are of no known form, or which column is the event time is not clear, or a time is null.
    """
    table = _as_table(rows, repository, connection)
    event = event_column(table.schema)
    times = as_utc("entity rows", event, table[event])
    if times.null_count:
        raise EntityFrameError(f"{times.null_count} rows have no {event}", "Every entity row needs its instant.")
    position = table.column_names.index(event)
    return EntityRows(table.set_column(position, event, times), event, unit_of(times))


def event_column(schema: pa.Schema) -> str:
    """Return the name of the event time column: `event_timestamp`, else the only time column.

    Raises
    ------
    EntityFrameError
        There is no such column, or several.
    """
    if EVENT_TIMESTAMP in schema.names:
        return EVENT_TIMESTAMP
    times = [field.name for field in schema if pa.types.is_timestamp(field.type)]
    if len(times) != 1:
        raise EntityFrameError(
            f"expected a column {EVENT_TIMESTAMP!r} or exactly one time column, got {times or schema.names}",
            f"Rename the instant of each row to {EVENT_TIMESTAMP!r}.",
        )
    return str(times[0])


def _as_table(rows: object, repository: Path, connection: duckdb.DuckDBPyConnection) -> pa.Table:
    if isinstance(rows, pa.Table):
        return rows
    if isinstance(rows, pd.DataFrame):
        return pa.Table.from_pandas(rows, preserve_index=False)
    if isinstance(rows, str | Path):
        return _from_text(str(rows), repository, connection)
    raise EntityFrameError(
        f"expected a pandas frame, an Arrow table, a Parquet path or SQL, got {type(rows).__name__}",
        "Convert it to one of those.",
    )


def _from_text(text: str, repository: Path, connection: duckdb.DuckDBPyConnection) -> pa.Table:
    files = [] if "\n" in text else parquet_files(resolve(text, repository))
    if files:
        return pa.concat_tables([pq.read_table(file, memory_map=True) for file in files])
    if text.strip().split(maxsplit=1)[0].lower() not in ("select", "with", "from", "values"):
        raise EntityFrameError(f"{text!r} is neither an existing Parquet path nor SQL", "Correct it.")
    return connection.execute(text).to_arrow_table()
