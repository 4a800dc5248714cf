"""Whatever holds rows, as batches that can be read again for every pass of a fit."""

from __future__ import annotations

import itertools
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from likewise.transforms.errors import ColumnMissingError, ColumnTypeError, EmptyFitError, LikewiseError, SettingError
from likewise.transforms.frames import is_pandas, table_of_frame
from likewise.transforms.logical_types import LogicalType

# Small batches are joined up to this many rows, large ones are cut: one array call serves many rows.
BLOCK_ROWS = 32_768
_READ_AHEAD_BYTES = 1 << 16  # of every column of a file


class Batches(Protocol):
    """Rows that can be read again."""

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema."""

    @property
    def rows(self) -> int | None:
        """How many rows there are, when that is known."""

    @property
    def is_streamed(self) -> bool:
        """Whether rows come from outside, a batch at a time, so that memory must not grow with them."""

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read all batches anew; at least these columns."""

    def close(self) -> None:
        """Remove what was spilled."""


class _InMemory:
    is_streamed = False

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.schema = table.schema
        self.rows: int | None = table.num_rows

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        yield from self._table.select(list(columns)).to_batches(max_chunksize=BLOCK_ROWS)

    def close(self) -> None:
        """Nothing was spilled."""


class _Dataset:
    is_streamed = True

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self.schema = dataset.schema
        self.rows: int | None = dataset.count_rows()

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        fragments = list(self._dataset.get_fragments())
        if _are_plain_parquet(self._dataset, fragments, columns):
            for fragment in fragments:
                yield from _batches_of_file(fragment, columns)
            return
        yield from self._dataset.to_batches(
            columns=list(columns), batch_size=BLOCK_ROWS, batch_readahead=2, fragment_readahead=1
        )

    def close(self) -> None:
        """Nothing was spilled."""


def _are_plain_parquet(dataset: Any, fragments: Sequence[Any], columns: Sequence[str]) -> bool:
    """Whether the files hold all columns themselves, as the dataset's schema has them, and no filter stands between."""
    if getattr(getattr(dataset, "format", None), "default_extname", None) != "parquet":
        return False
    is_filtered = bool(getattr(dataset, "_scan_options", None))
    return not is_filtered and all(_holds(f.physical_schema, dataset.schema, columns) for f in fragments)


def _holds(held: pa.Schema, declared: pa.Schema, columns: Sequence[str]) -> bool:
    return set(columns) <= set(held.names) and all(
        _reads_alike(held.field(name).type, declared.field(name).type) for name in columns if name in declared.names
    )


def _reads_alike(held: pa.DataType, declared: pa.DataType) -> bool:
    """Whether a file's values are those the dataset gives; a schema may ask for texts of numbers, or less precision."""
    if held == declared or pa.types.is_null(held):
        return True
    try:
        alike = LogicalType.from_arrow(held) is LogicalType.from_arrow(declared)
    except TypeError:
        return False
    # Integers may be floats in files with nulls: that changes no value, and a cast to the first file's type may fail.
    is_narrowed = pa.types.is_floating(held) and pa.types.is_floating(declared) and declared.bit_width < held.bit_width
    return alike and not is_narrowed


def _batches_of_file(fragment: Any, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    # Arrow's dataset scanner reads ahead without regard to memory (700 MB for 3,000,000 rows of 30 columns,
    # whatever its read-ahead settings; pyarrow 26, 2026-11); a file read in order holds one row group.
    import pyarrow.parquet  # 0.2 s and pandas, which only who reads Parquet shall pay

    with fragment.filesystem.open_input_file(fragment.path) as opened:
        # Pages in memory, not whole column chunks; text as the dictionary it was written with, not spelled out.
        texts = [f.name for f in fragment.physical_schema if f.name in columns and pa.types.is_string(f.type)]
        file = pyarrow.parquet.ParquetFile(
            opened, pre_buffer=False, buffer_size=_READ_AHEAD_BYTES, read_dictionary=texts
        )
        groups = [group.id for group in fragment.row_groups]
        yield from file.iter_batches(BLOCK_ROWS, row_groups=groups, columns=list(columns))


class _Listed:
    """Batches of a list, each of its own schema: one chunk's integers are floats in the next, where nulls came."""

    is_streamed = False

    def __init__(self, batches: Sequence[pa.RecordBatch]) -> None:
        self._batches = batches
        self.schema = batches[0].schema
        self.rows: int | None = sum(batch.num_rows for batch in batches)

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for batch in self._batches:
            yield _chosen(batch, columns)

    def close(self) -> None:
        """Nothing was spilled."""


class _OneShot:
    """A stream that is written to temporary Arrow files while it is first read, if it will be read again."""

    is_streamed = True

    def __init__(self, batches: Iterator[pa.RecordBatch], schema: pa.Schema, *, again: bool) -> None:
        self._batches: Iterator[pa.RecordBatch] | None = batches
        self._folder = tempfile.TemporaryDirectory(prefix="likewise-fit-") if again else None
        self._files: list[str] = []
        self.schema = schema
        self.rows: int | None = None

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        first, self._batches = self._batches, None
        if first is None:
            for path in self._files:
                with pa.memory_map(path) as file:
                    yield from pa.ipc.open_stream(file)
            return
        chosen = (_chosen(batch, columns) for batch in first)
        yield from chosen if self._folder is None else self._spilled(chosen, Path(self._folder.name))

    def _spilled(self, batches: Iterator[pa.RecordBatch], folder: Path) -> Iterator[pa.RecordBatch]:
        """Write each run of batches of one schema to a file: as a stream, whose dictionaries may change."""
        for schema, alike in itertools.groupby(batches, lambda batch: batch.schema):
            self._files.append(str(folder / f"{len(self._files)}.arrow"))
            with pa.ipc.new_stream(self._files[-1], schema) as writer:
                for batch in alike:
                    writer.write_batch(batch)
                    yield batch

    def close(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()


def _chosen(batch: pa.RecordBatch, columns: Sequence[str]) -> pa.RecordBatch:
    for name in columns:
        if name not in batch.schema.names:
            raise ColumnMissingError(name, batch.schema.names)
    return batch.select(list(columns))


def batches_of(data: Any, columns: Sequence[str], *, again: bool = True) -> Batches:
    """Return the batches of a table, dataset, reader, iterable of batches, or data frame.

    Parameters
    ----------
    columns
        Those that will be read; whether they exist is for the reader to see.
    again
        Whether they can be read more than once; a stream is then spilled to a file.

    Raises
    ------
    SettingError
        For anything else.
    """
    if isinstance(data, pa.Table):
        return _InMemory(data)
    if isinstance(data, pa.RecordBatch):
        return _InMemory(pa.Table.from_batches([data]))
    if _is_dataset(data):
        return _Dataset(data)
    if isinstance(data, pa.RecordBatchReader):
        return _OneShot(iter(data), data.schema, again=again)
    if is_pandas(data):
        return _InMemory(_table_of_frame(data, columns))
    if hasattr(data, "__arrow_c_stream__"):  # polars and other frames
        return _InMemory(pa.table(data))
    if isinstance(data, Iterable) and not isinstance(data, (str, bytes, dict)):
        return _batches_of_iterable(data, again=again)
    raise SettingError(
        "fit" if again else "apply",
        "data",
        "a pyarrow Table, dataset, reader or batches, or a pandas or polars frame",
        type(data),
    )


def _table_of_frame(frame: Any, columns: Sequence[str]) -> pa.Table:
    try:
        return table_of_frame(frame, columns)
    except (pa.ArrowException, ValueError, TypeError) as error:
        name = next((n for n in columns if f"column {n} " in str(error)), None)
        if name is None:
            raise SettingError("fit", "data", "a frame that Arrow can hold", str(error)) from error
        raise ColumnTypeError(name, "values of one type", str(error.args[0])) from error


def _batches_of_iterable(data: Iterable[Any], *, again: bool) -> Batches:
    iterator = iter(data)
    first = next(iterator, None)
    if first is None:
        raise _no_batch(again=again)
    rest = _record_batches(itertools.chain([first], iterator))
    begin = next(rest, None)
    if begin is None:
        raise _no_batch(again=again)
    if isinstance(data, Sequence):
        return _Listed([begin, *rest])
    return _OneShot(itertools.chain([begin], rest), begin.schema, again=again)


def _no_batch(*, again: bool) -> LikewiseError:
    if again:
        return EmptyFitError("fit")
    return SettingError("apply", "data", "at least one batch, if of no rows, to tell the columns", "none")


def _record_batches(items: Iterable[Any]) -> Iterator[pa.RecordBatch]:
    for item in items:
        if isinstance(item, pa.RecordBatch):
            yield item
        elif isinstance(item, pa.Table) or hasattr(item, "__arrow_c_stream__"):
            yield from (item if isinstance(item, pa.Table) else pa.table(item)).to_batches()
        else:
            raise SettingError("fit", "data", "an iterable of pyarrow batches, tables or frames", type(item))


def blocks(batches: Iterable[pa.RecordBatch], most: int = BLOCK_ROWS) -> Iterator[pa.RecordBatch]:
    """Join small batches and cut large ones; results never depend on it, speed does."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in map(_widely_indexed, batches):
        if held and held[0].schema != batch.schema:
            yield pa.concat_batches(held)
            held, rows = [], 0
        for start in range(0, batch.num_rows, most):
            piece = batch.slice(start, most)
            held.append(piece)
            rows += piece.num_rows
            if rows >= most // 2:
                yield held[0] if len(held) == 1 else pa.concat_batches(held)
                held, rows = [], 0
    if held:
        yield held[0] if len(held) == 1 else pa.concat_batches(held)


def _widely_indexed(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch whose dictionaries have 32-bit indices: joined, pandas categories outgrow their 8 bits."""
    narrow = [
        at for at, f in enumerate(batch.schema) if pa.types.is_dictionary(f.type) and f.type.index_type.bit_width < 32
    ]
    for at in narrow:
        column = batch.column(at)
        wide = pa.DictionaryArray.from_arrays(column.indices.cast(pa.int32()), column.dictionary)
        batch = batch.set_column(at, batch.schema.field(at).name, wide)
    return batch


def _is_dataset(data: Any) -> bool:
    """Tell a pyarrow dataset without importing its module, which brings pandas (0.3 s) with it."""
    module = sys.modules.get("pyarrow.dataset")
    return module is not None and isinstance(data, module.Dataset)
