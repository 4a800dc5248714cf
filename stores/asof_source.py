"""Data sources as SQL relations whose rows have a number, so that a join can carry the number alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from feast.data_format import ParquetFormat
from feast.data_source import DataSource
from feast.infra.offline_stores.file_source import FileSource

from likewise.stores.asof_paths import is_partitioned, is_url, parquet_files, resolve
from likewise.stores.asof_session import Session, literal, quoted
from likewise.stores.asof_times import Unit, unit_of
from likewise.stores.errors import SourceColumnError, SourceError

# Row number of a row in several files: file index above, row in its file below. 2**40 rows a file, 2**23 files.
ROWS_PER_FILE_BITS = 40
STAGED_ROW = "__likewise_row"


@dataclass(frozen=True, slots=True)
class Relation:
    """A source that SQL can select from.

    Parameters
    ----------
    name
        What messages call it.
    sql
        The relation, for a FROM clause.
    row
        SQL of a BIGINT that numbers its rows: unique, the same at each scan, larger later in file order.
    types
        DuckDB type by column.
    files
        Its Parquet files in the order of row numbers; None where it is none (a staged table).
    """

    name: str
    sql: str
    row: str
    types: Mapping[str, str]
    files: tuple[str, ...] | None = None

    def positions(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return row numbers as positions in the files, one after the other."""
        if self.files is None or len(self.files) == 1:
            return rows
        counts = [pq.read_metadata(file).num_rows for file in self.files]
        starts = np.cumsum([0, *counts[:-1]], dtype=np.int64)
        inside = rows & ((1 << ROWS_PER_FILE_BITS) - 1)
        found: npt.NDArray[np.int64] = starts[rows >> ROWS_PER_FILE_BITS] + inside
        return found


@dataclass(frozen=True, slots=True)
class SourceColumns:
    """The columns of a source that a retrieval reads.

    Parameters
    ----------
    names
        All of them; none means every column there is.
    times
        Those that are compared as instants.
    """

    names: tuple[str, ...]
    times: tuple[str, ...]


def file_source(source: DataSource | None, owner: str) -> FileSource:
    """Return a source as the file source it must be.

    Raises
    ------
    SourceError
        It is of another kind, or of a format other than Parquet.
    """
    if not isinstance(source, FileSource):
        raise SourceError(owner, f"expected a FileSource, got {type(source).__name__}", "Use the store of that source.")
    if source.file_format is not None and not isinstance(source.file_format, ParquetFormat):
        got = type(source.file_format).__name__
        raise SourceError(source.name or owner, f"expected Parquet, got {got}", "Export it as Parquet.")
    return source


def open_relation(session: Session, source: FileSource, columns: SourceColumns) -> Relation:
    """Return a source as a relation that has `columns`.

    Raises
    ------
    SourceError
        Nothing is there.
    SourceColumnError
        A column is missing.
    """
    name = source.name or source.path
    path = resolve(source.path, session.settings.repository)
    if is_url(path):
        return _staged(session, name, _remote(source, path), columns)
    files = parquet_files(path)
    if not files:
        raise SourceError(name, f"no Parquet file at {path}", "Write the data there or correct the path.")
    if _below_microsecond(files, columns.times):
        partitioning = "hive" if is_partitioned(path, files) else None
        return _staged(session, name, ds.dataset(files, format="parquet", partitioning=partitioning), columns)
    return _scanned(session, name, files, columns, hive=is_partitioned(path, files))


def _scanned(session: Session, name: str, files: Sequence[str], columns: SourceColumns, *, hive: bool) -> Relation:
    listed = ", ".join(literal(file) for file in files)
    options = f"union_by_name = {str(len(files) > 1).lower()}, hive_partitioning = {str(hive).lower()}"
    sql = f"read_parquet([{listed}], {options})"
    row = "file_row_number"
    if len(files) > 1:
        row = f"(file_index::BIGINT * {1 << ROWS_PER_FILE_BITS} + file_row_number)"
    types = session.types(sql)
    _require(name, columns.names, list(types))
    return Relation(name, sql, row, types, tuple(files))


def _require(name: str, wanted: Sequence[str], present: Sequence[str]) -> None:
    missing = [column for column in wanted if column not in present]
    if missing:
        raise SourceColumnError(name, missing, present)


def _below_microsecond(files: Sequence[str], times: Sequence[str]) -> bool:
    """Say whether a zoned time is finer than a microsecond: DuckDB 1.5 would cut it off."""
    for file in files:
        schema = pq.read_schema(file)
        fine = [name for name in times if name in schema.names and _zoned_nanoseconds(schema.field(name).type)]
        if fine and any(unit_of(column) is Unit.NANOSECOND for column in pq.read_table(file, columns=fine).columns):
            return True
    return False


def _zoned_nanoseconds(kind: pa.DataType) -> bool:
    return pa.types.is_timestamp(kind) and kind.unit == "ns" and kind.tz is not None


def _remote(source: FileSource, path: str) -> ds.Dataset:
    filesystem, inside = FileSource.create_filesystem_and_path(
        path, source.s3_endpoint_override or "", resolved_credentials=source.resolve_credentials()
    )
    # With a slash at the end pyarrow takes a folder for a file.
    inside = inside.rstrip("/")
    try:
        return ds.dataset(inside, filesystem=filesystem, format="parquet", partitioning="hive")
    except (OSError, pa.ArrowInvalid) as error:
        raise SourceError(source.name or path, str(error), "Check the address and the credentials.") from error


def _staged(session: Session, name: str, data: ds.Dataset, columns: SourceColumns) -> Relation:
    """Copy the needed columns into a table that spills: what DuckDB alone would read wrongly or not at all."""
    wanted = list(columns.names) or data.schema.names
    _require(name, wanted, data.schema.names)
    fields = [_exact(data.schema.field(column)) for column in wanted]
    schema = pa.schema([*fields, pa.field(STAGED_ROW, pa.int64())])
    table = quoted(f"staged {len(session.run('SHOW TABLES').fetchall())} {name}")
    session.connection.register("staged_reader", pa.RecordBatchReader.from_batches(schema, _numbered(data, schema)))
    session.run(f"CREATE TEMP TABLE {table} AS SELECT * FROM staged_reader")  # noqa: S608 - quoted above
    session.connection.unregister("staged_reader")
    types = session.types(table)
    types.pop(STAGED_ROW)
    return Relation(name, table, STAGED_ROW, types)


def _exact(field: pa.Field) -> pa.Field:
    """Return a zoned nanosecond field as a naive one: DuckDB keeps the nanoseconds of naive times only."""
    return field.with_type(pa.timestamp("ns")) if _zoned_nanoseconds(field.type) else field


def _numbered(data: ds.Dataset, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    row = 0
    for batch in data.to_batches(columns=schema.names[:-1]):
        numbers = pa.array(np.arange(row, row + batch.num_rows, dtype=np.int64))
        row += batch.num_rows
        columns = [column.cast(field.type) for column, field in zip(batch.columns, schema, strict=False)]
        yield pa.RecordBatch.from_arrays([*columns, numbers], schema=schema)
