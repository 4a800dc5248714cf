"""Entity rows: from a frame, an Arrow table, a Parquet path or SQL to two streams of the same order.

One stream is narrow (position, instant, join keys) and goes into the join; the other has all columns as they came
and is laid beside the join's result. Neither is held in memory when the rows are a file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from likewise.stores.asof_paths import is_url, parquet_files, resolve
from likewise.stores.asof_rows import ParquetRows, RemoteRows, RowSource, TableRows
from likewise.stores.asof_session import Session, literal
from likewise.stores.asof_times import Unit, as_utc, integers, unit_of, utc_type
from likewise.stores.errors import EntityFrameError

EVENT_TIMESTAMP = "event_timestamp"
EntityInput: TypeAlias = "pd.DataFrame | pa.Table | str | Path"


@dataclass(frozen=True, slots=True)
class EntityRows:
    """Entity rows in their order.

    Parameters
    ----------
    source
        Where they are read.
    event
        Name of the event time column.
    unit
        Unit that its values need.
    count
        How many they are.
    bounds
        Smallest and largest event time; None where there are no rows.
    """

    source: RowSource
    event: str
    unit: Unit
    count: int
    bounds: tuple[datetime, datetime] | None

    @property
    def schema(self) -> pa.Schema:
        """Their columns, the event time as zoned timestamps in UTC."""
        schema = self.source.schema.remove_metadata()
        position = schema.get_field_index(self.event)
        return schema.set(position, pa.field(self.event, utc_type(schema.field(position).type)))

    def require(self, columns: Sequence[str]) -> None:
        """Check that columns are there.

        Raises
        ------
        EntityFrameError
            One or more are not.
        """
        missing = sorted(set(columns) - set(self.schema.names))
        if missing:
            raise EntityFrameError(
                f"columns {missing} are missing; present are {self.schema.names}",
                "Every join key of the views asked for must be a column.",
            )

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield all columns."""
        schema = self.schema
        for batch in self.source.read(schema.names):
            columns = [
                as_utc("entity rows", name, column) if name == self.event else column
                for name, column in zip(schema.names, batch.columns, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    def load_chunks(self, session: Session, keys: Sequence[str], chunk_rows: int) -> Iterator[int]:
        """Make the table `entity` for one run of rows after another; yield how many it holds.

        Its columns: id (position in the chunk), t (instant in `unit`), and the key columns k0, k1 ...
        """
        fields = [pa.field(f"k{i}", _plain(self.schema.field(key).type)) for i, key in enumerate(keys)]
        schema = pa.schema([pa.field("id", pa.int64()), pa.field("t", pa.int64()), *fields])
        narrow = _cut(self.source.read([self.event, *keys]), chunk_rows)
        left = self.count
        while left > 0:
            batches, held = [], 0
            while held < min(chunk_rows, left):
                batches.append(self._narrow(next(narrow), schema, held))
                held += batches[-1].num_rows
            session.connection.register("entity_chunk", pa.Table.from_batches(batches, schema))
            session.run("CREATE OR REPLACE TEMP TABLE entity AS SELECT * FROM entity_chunk")
            session.connection.unregister("entity_chunk")
            yield held
            left -= held

    def _narrow(self, batch: pa.RecordBatch, schema: pa.Schema, position: int) -> pa.RecordBatch:
        ids = pa.array(np.arange(position, position + batch.num_rows, dtype=np.int64))
        times = integers(as_utc("entity rows", self.event, batch.column(0)), self.unit)
        columns = [column.cast(schema.field(i + 2).type) for i, column in enumerate(batch.columns[1:])]
        return pa.RecordBatch.from_arrays([ids, times, *columns], schema=schema)


def _cut(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield from (batch.slice(start, rows) for start in range(0, batch.num_rows, rows))


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def read_entities(rows: EntityInput, session: Session) -> EntityRows:
    """Return entity rows with their event time found and looked through.

    Raises
    ------
    EntityFrameError
        The rows are of no known form, or which column is the event time is not clear, or a time is missing.
    SourceTimeError
        The event times are no times.
    """
    return look_through(_source(rows, session))


def look_through(source: RowSource) -> EntityRows:
    """Return rows with their number and the range and unit of their event times."""
    twice = [name for name, count in Counter(source.schema.names).items() if count > 1]
    if twice:
        raise EntityFrameError(f"columns {twice} are there more than once", "Give each column one name.")
    event = event_column(source.schema)
    count, unit, bounds = 0, Unit.MICROSECOND, []
    for batch in source.read([event]):
        times = as_utc("entity rows", event, batch.column(0))
        if times.null_count:
            raise EntityFrameError(f"{times.null_count} rows have no {event}", "Every entity row needs its instant.")
        count += len(times)
        unit = max(unit, unit_of(times), key=lambda found: found.value)
        bounds += [_datetime(bound) for bound in pc.min_max(times).values() if bound.is_valid]
    return EntityRows(source, event, unit, count, (min(bounds), max(bounds)) if bounds else None)


def _datetime(scalar: pa.Scalar) -> datetime:
    # Without nanoseconds, which Python's datetime cannot hold.
    value: datetime = scalar.cast(pa.timestamp("us", "UTC"), safe=False).as_py()
    return value


def event_column(schema: pa.Schema) -> str:
    """Return the name of the event time column: `event_timestamp`, else the only time column.

    Raises
    ------
    EntityFrameError
        There is no such column, or several.
    """
    if EVENT_TIMESTAMP in schema.names:
        return EVENT_TIMESTAMP
    times = [str(field.name) for field in schema if pa.types.is_timestamp(field.type)]
    if len(times) != 1:
        raise EntityFrameError(
            f"expected a column {EVENT_TIMESTAMP!r} or exactly one time column, got {times or schema.names}",
            f"Rename the instant of each row to {EVENT_TIMESTAMP!r}.",
        )
    return times[0]


def _source(rows: object, session: Session) -> RowSource:
    size = session.settings.batch_rows
    if isinstance(rows, pa.Table):
        return TableRows(rows, size)
    if isinstance(rows, pd.DataFrame):
        return TableRows(_from_pandas(rows), size)
    if isinstance(rows, str | Path):
        return _from_text(str(rows), session)
    raise EntityFrameError(
        f"expected a pandas frame, an Arrow table, a Parquet path or SQL, got {type(rows).__name__}",
        "Convert it to one of those.",
    )


def _from_pandas(rows: pd.DataFrame) -> pa.Table:
    try:
        return pa.Table.from_pandas(rows, preserve_index=False)
    except (ValueError, pa.ArrowTypeError) as error:
        raise EntityFrameError(str(error), "Give each column one name and one type.") from error


def _from_text(text: str, session: Session) -> RowSource:
    size = session.settings.batch_rows
    if is_url(text):
        return RemoteRows(_remote(text), size)
    files = [] if "\n" in text else parquet_files(resolve(text, session.settings.repository))
    if files:
        return ParquetRows(tuple(files), size)
    if not text.strip() or text.split(maxsplit=1)[0].lower() not in ("select", "with", "from", "values"):
        raise EntityFrameError(f"{text!r} is neither an existing Parquet path nor a SQL query", "Correct it.")
    return rows_of_query(text, session)


def _remote(url: str) -> ds.Dataset:
    try:
        return ds.dataset(url, format="parquet")
    except (OSError, pa.ArrowInvalid) as error:
        raise EntityFrameError(f"{url!r} cannot be read: {error}", "Check the address and the credentials.") from error


def rows_of_query(sql: str, session: Session) -> RowSource:
    """Run a query once, into a file of the session's spill folder; its row order is the entity rows' order."""
    target = str(session.spill / "entities.parquet")
    session.run("SET preserve_insertion_order = true")
    session.run(f"COPY ({sql}) TO {literal(target)} (FORMAT parquet)")
    session.run("SET preserve_insertion_order = false")
    return ParquetRows((target,), session.settings.batch_rows)
