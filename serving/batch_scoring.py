"""Scores a Parquet file with a release: the code that serves, batch after batch, in bounded memory."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from likewise.serving.entity_rows import EVENT_TIMESTAMP, EntityRows, check_key_values
from likewise.serving.errors import (
    MissingKeyError,
    StoreUnavailableError,
    UnsupportedError,
    WrongShapeError,
    WrongTypeError,
)
from likewise.serving.loaded_release import Answer, LoadedRelease
from likewise.serving.online import STATUS_NAMES
from likewise.serving.plan import FeaturePlan
from likewise.transforms.columns import LogicalType, column_from_arrow

BATCH_ROWS = 8_192
# A long run outlives a restart of the store.
PATIENCE_SECONDS, PAUSE_SECONDS = 60.0, 1.0
PREDICTION = "prediction"
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Scored:
    """What was written: the file, its rows, and the release that scored them."""

    path: Path
    rows: int
    release: str


def score_file(
    release: LoadedRelease, source: Path, target: Path, progress: Progress | None = None, batch_rows: int = BATCH_ROWS
) -> Scored:
    """Return what was written to `target`: the rows of `source`, in order, each with its prediction.

    The file appears whole or not at all; one that was there is replaced at the very end.

    Parameters
    ----------
    release
        Reads the features of the store as it is now, transforms and predicts.
    source, target
        Parquet files; the source has the join keys and request fields of the release as columns.
    progress
        Called with (rows done, rows in all) after each batch.
    batch_rows
        Rows at a time; memory follows it.

    Raises
    ------
    MissingKeyError, WrongShapeError, LikewiseError
        A column is absent or of another type. A target that was begun is removed.
    StoreUnavailableError
        The store was away for a minute.
    """
    if release.predictor is None:
        raise UnsupportedError("scoring by a release without a model", "name a release with one")
    file = _open(source)
    _check_columns(release.reader.plan, file.schema_arrow)
    schema = _schema(release, file.schema_arrow)
    total, done = file.metadata.num_rows, 0
    with _written_whole(source, target) as partial, pq.ParquetWriter(partial, schema) as writer:
        for batch in file.iter_batches(batch_size=batch_rows):
            rows = _rows_from(release.reader.plan, batch, done)
            answer = _patiently(lambda rows=rows: release.predict(rows))  # type: ignore[misc]
            writer.write_batch(_with_answer(release, batch, answer))
            done += batch.num_rows
            if progress is not None:
                progress(done, total)
    return Scored(target, done, release.identity.reference)


@contextlib.contextmanager
def _written_whole(source: Path, target: Path) -> Iterator[Path]:
    """Yield where to write; the file takes its place when the block ends well, else nothing stays."""
    if target.resolve() == source.resolve():
        raise WrongShapeError(f"{target}", "another file than the input", "the input itself", "name another --output")
    if not target.parent.is_dir() or target.is_dir():
        raise WrongShapeError(f"{target}", "a file in a folder that is there", "no such folder, or a folder itself")
    # Its own name for each process: two runs into one target must not write into one file.
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(target)
    except OSError as error:
        raise WrongShapeError(f"{target}", "a file that can be written", error.strerror or str(error)) from error
    finally:
        partial.unlink(missing_ok=True)


def _patiently(predict: Callable[[], Answer]) -> Answer:
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return predict()
        except StoreUnavailableError:
            if time.monotonic() > end:
                raise
            time.sleep(PAUSE_SECONDS)


def _rows_from(plan: FeaturePlan, batch: pa.RecordBatch, first: int) -> EntityRows:
    """Return the rows of a batch that begins at row `first` of its file; errors name the file's row."""
    try:
        return rows_of_batch(plan, batch)
    except WrongTypeError as error:
        where = f"{error.name!r} at row {first + error.row:,} of the file"
        raise WrongShapeError(where, error.expected or "", error.got or "", error.advice) from error


def rows_of_batch(plan: FeaturePlan, batch: pa.RecordBatch) -> EntityRows:
    """Return the rows of an Arrow record batch, checked as those of a request are."""
    keys = {field.name: check_key_values(field, _key_values(batch.column(field.name))) for field in plan.join_keys}
    request = {
        field.name: column_from_arrow(field.name, batch.column(field.name), field.type) for field in plan.request_fields
    }
    if EVENT_TIMESTAMP in batch.schema.names:
        times = batch.column(batch.schema.get_field_index(EVENT_TIMESTAMP))
        request[EVENT_TIMESTAMP] = column_from_arrow(EVENT_TIMESTAMP, times, LogicalType.TIME)
    return EntityRows(batch.num_rows, keys, request)


def _key_values(column: pa.Array) -> list[object]:
    """Return join keys; whole numbers that nulls made floats are whole numbers with nulls again."""
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    values: list[object] = column.to_pylist()
    return values


def _open(source: Path) -> pq.ParquetFile:
    try:
        # Read in pieces: a row group of any size must not fill the memory.
        return pq.ParquetFile(source, buffer_size=2**20, pre_buffer=False)
    except (OSError, pa.ArrowException) as error:
        raise WrongShapeError(str(source), "a Parquet file", str(error)[:200]) from error


def _check_columns(plan: FeaturePlan, schema: pa.Schema) -> None:
    wanted = [field.name for field in (*plan.join_keys, *plan.request_fields)]
    missing = [name for name in wanted if name not in schema.names]
    if missing:
        raise MissingKeyError(missing, "the file's columns", schema.names)
    doubled = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if doubled:
        raise WrongShapeError("the file", "columns of different names", f"several called {', '.join(doubled)}")


def _added(release: LoadedRelease) -> list[pa.Field]:
    views = [
        pa.field(f"status__{view.name}", pa.dictionary(pa.int8(), pa.string())) for view in release.reader.plan.stored
    ]
    return [pa.field(PREDICTION, pa.float32()), pa.field("release", pa.dictionary(pa.int8(), pa.string())), *views]


def _schema(release: LoadedRelease, schema: pa.Schema) -> pa.Schema:
    added = _added(release)
    taken = sorted({field.name for field in added} & set(schema.names))
    if taken:
        raise WrongShapeError("the file", "no columns named as those that are added", ", ".join(taken))
    return pa.schema([*schema, *added])


def _with_answer(release: LoadedRelease, batch: pa.RecordBatch, answer: Answer) -> pa.RecordBatch:
    names = pa.array(STATUS_NAMES)
    reference = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(batch.num_rows, np.int8)), pa.array([release.identity.reference])
    )
    statuses = [
        pa.DictionaryArray.from_arrays(pa.array(stored.statuses.astype(np.int8)), names)
        for stored in answer.rows.stored.values()
    ]
    columns = [*batch.columns, pa.array(answer.predictions, pa.float32()), reference, *statuses]
    return pa.RecordBatch.from_arrays(columns, schema=_schema(release, batch.schema))
