"""Rows that can be read again and again in one order: in memory, in Parquet files, in an object store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from likewise.stores.errors import EntityFrameError


class RowSource(Protocol):
    """Rows that can be read again and again in one order."""

    @property
    def schema(self) -> pa.Schema:
        """Their columns."""
        ...

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield some of their columns."""
        ...


@dataclass(frozen=True, slots=True)
class TableRows:
    """Rows in memory."""

    table: pa.Table
    batch_rows: int

    @property
    def schema(self) -> pa.Schema:
        """Their columns."""
        return self.table.schema

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield some of their columns."""
        yield from self.table.select(list(columns)).to_batches(max_chunksize=self.batch_rows)


@dataclass(frozen=True, slots=True)
class ParquetRows:
    """Rows of one or more Parquet files, one after the other."""

    files: tuple[str, ...]
    batch_rows: int

    @property
    def schema(self) -> pa.Schema:
        """Their columns, as the first file has them."""
        return pq.read_schema(self.files[0])

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield some of their columns.

        Raises
        ------
        EntityFrameError
            A file has other columns than the first.
        """
        schema = pa.schema([self.schema.field(name) for name in columns])
        for file in self.files:
            with pq.ParquetFile(file) as opened:
                for batch in opened.iter_batches(self.batch_rows, columns=list(columns)):
                    yield _as_first(file, batch, schema)


def _as_first(file: str, batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    try:
        return batch.select(schema.names).cast(schema)
    except (KeyError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise EntityFrameError(
            f"{file!r} does not match the first file: {error}", "Give every file the same columns and types."
        ) from error


@dataclass(frozen=True, slots=True)
class RemoteRows:
    """Rows of Parquet in an object store, read through pyarrow."""

    dataset: ds.Dataset
    batch_rows: int

    @property
    def schema(self) -> pa.Schema:
        """Their columns."""
        return self.dataset.schema

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield some of their columns, file by file."""
        yield from self.dataset.to_batches(columns=list(columns), batch_size=self.batch_rows)
