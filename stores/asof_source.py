"""Data sources as SQL relations whose rows have a number, so that a join can carry the number alone."""

# ruff: noqa: S608 - SQL cannot take names as parameters; every name passes `quoted`, every text `literal`.
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
from feast.data_format import ParquetFormat
from feast.data_source import DataSource
from feast.infra.offline_stores.file_source import FileSource

from likewise.stores.asof_session import literal, quoted
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
        SQL of a BIGINT that numbers its rows: unique, the same at each scan, later in file order is larger.
    types
        DuckDB type by column.
    """

    name: str
    sql: str
    row: str
    types: Mapping[str, str]

    def require(self, columns: Sequence[str]) -> None:
        """Check that columns are there.

        Raises
        ------
        SourceColumnError
            One or more are not.
        """
        missing = [column for column in columns if column not in self.types]
        if missing:
            raise SourceColumnError(self.name, missing, list(self.types))


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


def resolve(path: str, repository: Path) -> str:
    """Return a path or URL with relative ones taken from the repository."""
    if is_url(path):
        return path
    local = Path(path.removeprefix("file://"))
    return str(local if local.is_absolute() else repository / local)


def is_url(path: str) -> bool:
    """Say whether a path names an object store or another remote place."""
    parsed = urlparse(path)
    return bool(parsed.netloc) or (parsed.scheme not in ("", "file") and len(parsed.scheme) > 1)


def open_relation(
    connection: duckdb.DuckDBPyConnection, source: FileSource, columns: Sequence[str], repository: Path
) -> Relation:
    """Return a source as a relation that has `columns`.

    Raises
    ------
    SourceError
        Nothing is there.
    SourceColumnError
        A column is missing.
    """
    path = resolve(source.path, repository)
    if is_url(path):
        return _staged(connection, source, columns, path)
    return local_relation(connection, source.name or source.path, path, columns)


def local_relation(
    connection: duckdb.DuckDBPyConnection, name: str, path: str, columns: Sequence[str] = ()
) -> Relation:
    """Return a Parquet file, folder or pattern as a relation."""
    files = parquet_files(path)
    if not files:
        raise SourceError(name, f"no Parquet file at {path}", "Write the data there or correct the path.")
    hive = any("=" in part for file in files for part in Path(file).relative_to(_root(path)).parts[:-1])
    listed = ", ".join(literal(file) for file in files)
    options = f"union_by_name = {str(len(files) > 1).lower()}, hive_partitioning = {str(hive).lower()}"
    sql = f"read_parquet([{listed}], {options})"
    row = "file_row_number"
    if len(files) > 1:
        row = f"(file_index::BIGINT * {1 << ROWS_PER_FILE_BITS} + file_row_number)"
    relation = Relation(name, sql, row, column_types(connection, sql))
    relation.require(columns)
    return relation


def column_types(connection: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    """Return DuckDB type by column of a relation."""
    described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    return {str(row[0]): str(row[1]) for row in described}


def parquet_files(path: str) -> list[str]:
    """Return the files that a local path means, in the order of their names."""
    local = Path(path)
    if local.is_file():
        return [path]
    if local.is_dir():
        return sorted(str(file) for file in local.rglob("*") if _is_data(file, local))
    if any(character in path for character in "*?["):
        root = _root(path)
        return sorted(str(file) for file in root.glob(str(local.relative_to(root))) if file.is_file())
    return []


def _is_data(file: Path, root: Path) -> bool:
    hidden = any(part.startswith((".", "_")) for part in file.relative_to(root).parts)
    return file.suffix in (".parquet", ".pq") and not hidden and file.is_file()


def _root(path: str) -> Path:
    local = Path(path)
    if not any(character in path for character in "*?["):
        return local if local.is_dir() else local.parent
    while any(character in str(local) for character in "*?["):
        local = local.parent
    return local


def _staged(connection: duckdb.DuckDBPyConnection, source: FileSource, columns: Sequence[str], path: str) -> Relation:
    """Copy the needed columns of a remote source into a table that spills; DuckDB alone would need an extension."""
    name = source.name or source.path
    filesystem, inside = FileSource.create_filesystem_and_path(
        path, source.s3_endpoint_override or "", resolved_credentials=source.resolve_credentials()
    )
    data = ds.dataset(inside, filesystem=filesystem, format="parquet", partitioning="hive")
    missing = [column for column in columns if column not in data.schema.names]
    if missing:
        raise SourceColumnError(name, missing, data.schema.names)
    table = f"staged_{abs(hash((path, tuple(columns)))):x}"
    schema = pa.schema([data.schema.field(column) for column in columns]).append(pa.field(STAGED_ROW, pa.int64()))
    reader = pa.RecordBatchReader.from_batches(schema, _numbered(data, list(columns), schema))
    connection.register("staged_reader", reader)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {quoted(table)} AS SELECT * FROM staged_reader")
    connection.unregister("staged_reader")
    return Relation(name, quoted(table), STAGED_ROW, column_types(connection, quoted(table)))


def _numbered(data: ds.Dataset, columns: list[str], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    row = 0
    for batch in data.to_batches(columns=columns):
        numbers = pa.array(range(row, row + batch.num_rows), pa.int64())
        row += batch.num_rows
        yield pa.RecordBatch.from_arrays([*batch.columns, numbers], schema=schema)
