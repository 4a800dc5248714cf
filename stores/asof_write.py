"""Writing Parquet: batches of features, logged features, saved datasets."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs
import pyarrow.parquet as pq
from feast.feature_logging import LoggingConfig
from feast.infra.offline_stores.file_source import FileLoggingDestination, FileSource

from likewise.stores.asof_paths import is_single_file, resolve
from likewise.stores.errors import OfflineWriteError

Progress = Callable[[int], Any] | None


def persist_batches(batches: pa.RecordBatchReader, target: FileSource, repository: Path, *, overwrite: bool) -> None:
    """Stream a result into a Parquet file, or a folder when the path has no `.parquet` ending.

    Raises
    ------
    OfflineWriteError
        Something is there and `overwrite` is not set.
    """
    filesystem, path = filesystem_of(resolve(target.path, repository), target.s3_endpoint_override)
    if filesystem.get_file_info(path).type is not pyarrow.fs.FileType.NotFound and not overwrite:
        raise OfflineWriteError(target.path, "it exists", "Allow overwriting (allow_overwrite=True) or name another.")
    if is_single_file(path):
        _write_file(batches, filesystem, path)
    else:
        ds.write_dataset(
            batches,
            path,
            format="parquet",
            filesystem=filesystem,
            existing_data_behavior="delete_matching" if overwrite else "error",
        )


def _write_file(batches: pa.RecordBatchReader, filesystem: pyarrow.fs.FileSystem, path: str) -> None:
    """Write beside the target and move over it: a reader, or a crash, never meets half a file."""
    filesystem.create_dir(str(Path(path).parent), recursive=True)
    beside = f"{Path(path).parent}/.{Path(path).name}.{uuid.uuid4().hex}"
    try:
        with pq.ParquetWriter(beside, batches.schema, filesystem=filesystem) as writer:
            for batch in batches:
                writer.write_batch(batch)
        filesystem.move(beside, path)
    except BaseException:
        if filesystem.get_file_info(beside).type is not pyarrow.fs.FileType.NotFound:
            filesystem.delete_file(beside)
        raise


def append_rows(table: pa.Table, target: FileSource, repository: Path, progress: Progress) -> None:
    """Append rows to a source: a new file in a folder; a rewritten file where the source is one file.

    Raises
    ------
    OfflineWriteError
        The columns differ from the source's.
    """
    filesystem, path = filesystem_of(resolve(target.path, repository), target.s3_endpoint_override)
    kind = filesystem.get_file_info(path).type
    if kind is pyarrow.fs.FileType.NotFound:
        _new_file(table, filesystem, path)
    else:
        existing = ds.dataset(path, filesystem=filesystem, format="parquet", partitioning="hive")
        table = conform(table, existing.schema, target.path)
        if kind is pyarrow.fs.FileType.Directory:
            _into_folder(table, filesystem, path, existing)
        else:
            _rewrite(table, filesystem, path)
    if progress:
        progress(table.num_rows)


def conform(table: pa.Table, schema: pa.Schema, target: str) -> pa.Table:
    """Return a table with the columns, order and types of `schema`.

    Raises
    ------
    OfflineWriteError
        A column is missing or too many, or a value does not fit its type.
    """
    if set(table.column_names) != set(schema.names):
        raise OfflineWriteError(
            target,
            f"expected the columns {schema.names}, got {table.column_names}",
            "Write exactly the columns of the source.",
        )
    try:
        return table.select(schema.names).cast(schema.remove_metadata())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise OfflineWriteError(target, str(error), "Convert the column to the source's type first.") from error


def _new_file(table: pa.Table, filesystem: pyarrow.fs.FileSystem, path: str) -> None:
    single = is_single_file(path)
    _write_file(_reader(table), filesystem, path if single else f"{path}/part-{uuid.uuid4().hex}.parquet")


def _into_folder(table: pa.Table, filesystem: pyarrow.fs.FileSystem, path: str, existing: ds.FileSystemDataset) -> None:
    # By the folders' names: `existing.partitioning` lists every column of the files.
    below = [part for part in existing.files[0].split("/") if "=" in part] if existing.files else []
    partitions = [part.split("=", 1)[0] for part in below if part.split("=", 1)[0] in existing.schema.names]
    ds.write_dataset(
        table,
        path,
        format="parquet",
        filesystem=filesystem,
        partitioning=partitions or None,
        partitioning_flavor="hive" if partitions else None,
        basename_template=f"part-{uuid.uuid4().hex}-{{i}}.parquet",
        existing_data_behavior="overwrite_or_ignore",
    )


def _rewrite(table: pa.Table, filesystem: pyarrow.fs.FileSystem, path: str) -> None:
    with filesystem.open_input_file(path) as handle:
        old = pq.ParquetFile(handle)
        schema = old.schema_arrow
        batches = (batch for part in (old.iter_batches(), table.to_batches()) for batch in part)
        _write_file(
            pa.RecordBatchReader.from_batches(schema, (batch.cast(schema) for batch in batches)), filesystem, path
        )


def _reader(table: pa.Table) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(table.schema, table.to_batches())


def write_logs(data: pa.Table | Path, config: LoggingConfig, repository: Path) -> None:
    """Append logged features to their destination, a folder, partitioned as it says."""
    destination = config.destination
    if not isinstance(destination, FileLoggingDestination):
        raise OfflineWriteError(type(destination).__name__, "expected a FileLoggingDestination", "Log to files.")
    rows = ds.dataset(data, format="parquet") if isinstance(data, Path) else data
    filesystem, path = filesystem_of(resolve(destination.path, repository), destination.s3_endpoint_override)
    ds.write_dataset(
        rows,
        path,
        format="parquet",
        filesystem=filesystem,
        partitioning=destination.partition_by or None,
        partitioning_flavor="hive" if destination.partition_by else None,
        basename_template=f"{uuid.uuid4().hex}-{{i}}.parquet",
        existing_data_behavior="overwrite_or_ignore",
    )


def filesystem_of(path: str, endpoint: str | None) -> tuple[pyarrow.fs.FileSystem, str]:
    """Return the file system of a resolved path or URL and the path inside it."""
    filesystem, inside = FileSource.create_filesystem_and_path(path, endpoint or "")
    if filesystem is not None:
        return filesystem, inside
    found: tuple[pyarrow.fs.FileSystem, str] = pyarrow.fs.FileSystem.from_uri(path)
    return found
