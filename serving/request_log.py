"""The request log: every (or every so many) answered row as Parquet, complete enough to compute it again.

Writing happens on a thread of its own, from a bounded queue: a slow disk loses log rows (and counts them), never
requests. A file appears whole or not at all; the oldest files go when the folder is full.
"""

import contextlib
import hashlib
import logging
import os
import queue
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from likewise.serving.feast_types import is_integer
from likewise.serving.loaded_release import Answer, LoadedRelease, ReleaseIdentity
from likewise.serving.online import STATUS_NAMES, FeatureRows
from likewise.serving.plan import FeaturePlan, Field
from likewise.transforms.columns import Column, LogicalType

VALUE, INPUT = "value__", "input__"
QUEUE_REQUESTS = 4_096
FLUSH_ROWS = 20_000
FLUSH_SECONDS = 5.0
MOST_BYTES = 20 * 2**30
# A hidden file so old was left by a process that was killed.
ABANDONED_SECONDS = 600.0
TIME = pa.timestamp("us", tz="UTC")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Logged:
    """One answered request."""

    request_id: str
    release: LoadedRelease
    answer: Answer


class RequestLog:
    """Keeps answered requests below a folder: `NAME/VERSION/*.parquet`, one row for each row answered.

    Parameters
    ----------
    folder
        Where files go.
    share
        Of requests, 0 to 1.
    count_lost
        Called when a request was not kept because the queue was full.
    most_bytes
        Of all files together; the oldest are removed beyond it.
    """

    def __init__(
        self, folder: Path, share: float, count_lost: Callable[[], object], most_bytes: int = MOST_BYTES
    ) -> None:
        self._folder, self._share, self._count_lost, self._most_bytes = folder, share, count_lost, most_bytes
        self._queue: queue.Queue[Logged | None] = queue.Queue(QUEUE_REQUESTS)
        self._files = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._thread = threading.Thread(target=self._work, name="likewise-request-log", daemon=True)
        self._thread.start()

    def offer(self, request_id: str, release: LoadedRelease, answer: Answer) -> None:
        """Keep an answer if it is its turn and there is room; never blocks."""
        if self._share < 1.0 and random.random() >= self._share:  # noqa: S311  sampling, not secrets
            return
        try:
            self._queue.put_nowait(Logged(request_id, release, answer))
        except queue.Full:
            self._count_lost()

    def close(self) -> None:
        """Write what is waiting and end."""
        self._queue.put(None)
        self._thread.join(30)

    def _work(self) -> None:
        _remove_abandoned(self._folder)
        waiting: list[Logged] = []
        rows, flushed, ended = 0, time.monotonic(), False
        while not ended:
            try:
                item = self._queue.get(timeout=max(0.0, flushed + FLUSH_SECONDS - time.monotonic()))
            except queue.Empty:
                item = None
            else:
                ended = item is None
            if item is not None:
                waiting.append(item)
                rows += item.answer.rows.n
            if waiting and (ended or rows >= FLUSH_ROWS or time.monotonic() - flushed >= FLUSH_SECONDS):
                self._flush_safely(waiting)
                waiting, rows = [], 0
            if not waiting:
                flushed = time.monotonic()

    def _flush_safely(self, waiting: list[Logged]) -> None:
        try:
            self._flush(waiting)
            _remove_oldest(self._folder, self._most_bytes)
        except Exception:  # the edge of a background thread: serving goes on without its log
            logger.exception("%d requests could not be written to the request log", len(waiting))
            for _ in waiting:
                self._count_lost()

    def _flush(self, waiting: list[Logged]) -> None:
        groups: dict[tuple[int, pa.Schema], list[pa.RecordBatch]] = {}
        for logged in waiting:
            batch = batch_of(logged)
            # By schema too: an integer feature that is infinite once is a float there, and must not stop the rest.
            groups.setdefault((id(logged.release), batch.schema), []).append(batch)
        identities = {id(logged.release): logged.release.identity for logged in waiting}
        for (release, _), batches in groups.items():
            self._write(identities[release], pa.Table.from_batches(batches))

    def _write(self, identity: ReleaseIdentity, table: pa.Table) -> None:
        """Write a file that readers see whole or not at all, also after a loss of power."""
        place = self._folder / identity.name / str(identity.version)
        place.mkdir(parents=True, exist_ok=True)
        self._files += 1
        path = place / f"{time.time_ns()}-{os.getpid()}-{self._files}.parquet"
        hidden = path.with_name(f".{path.name}")
        try:
            with hidden.open("wb") as file:
                pq.write_table(table, file, compression="zstd")
                file.flush()
                os.fsync(file.fileno())
            hidden.replace(path)
        finally:
            hidden.unlink(missing_ok=True)


def log_files(folder: Path) -> list[Path]:
    """Return the files of a log, the oldest first."""
    return sorted(
        (path for path in folder.glob("*/*/*.parquet") if not path.name.startswith(".")), key=lambda path: path.name
    )


def _remove_oldest(folder: Path, most_bytes: int) -> None:
    """Remove the oldest files until the rest fits; another worker may do the same."""
    sizes = {path: _size(path) for path in log_files(folder)}
    beyond = sum(sizes.values()) - most_bytes
    for path, size in sizes.items():
        if beyond <= 0:
            return
        path.unlink(missing_ok=True)
        beyond -= size


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # another worker was faster
        return 0


def _remove_abandoned(folder: Path) -> None:
    before = time.time() - ABANDONED_SECONDS
    for path in folder.glob("*/*/.*.parquet"):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < before:
                path.unlink()


def batch_of(logged: Logged) -> pa.RecordBatch:
    """Return a request as rows: its id, the clock, what was read with status and time, tensors' digest, predictions.

    Stored features that are not served, only read by on-demand code, are there as `input__VIEW__FEATURE`.
    """
    rows, identity = logged.answer.rows, logged.release.identity
    raw = raw_arrays(logged.release.reader.plan, rows)
    same = {
        "transform": identity.transform,
        "release_digest": identity.digest,
        "definitions_moved": ", ".join(identity.moved),
        "raw_digest": raw_digest(raw),
        "tensors_digest": tensors_digest(logged.answer.tensors),
    }
    arrays: dict[str, pa.Array] = {
        "request_id": pa.array([logged.request_id] * rows.n, pa.string()),
        "row": pa.array(np.arange(rows.n, dtype=np.int32)),
        "now": pa.array(np.full(rows.n, rows.now_microseconds)).cast(TIME),
        **{name: pa.array([value] * rows.n, pa.string()) for name, value in same.items()},
        "prediction": _predictions(logged.answer, rows.n),
        **raw,
    }
    for view, stored in rows.stored.items():
        arrays[f"status__{view}"] = pa.array(STATUS_NAMES).take(pa.array(stored.statuses.astype(np.int8)))
        times = stored.event_times
        arrays[f"event_time__{view}"] = pa.array(times, mask=times < 0).cast(TIME)
    return pa.RecordBatch.from_pydict(arrays)


def raw_arrays(plan: FeaturePlan, rows: FeatureRows) -> dict[str, pa.Array]:
    """Return every raw value of n rows by its column in the log: what was sent, read and computed."""
    event_times = Field("event_timestamp", LogicalType.TIME, "UNIX_TIMESTAMP")
    sent = [(field.name, field) for field in (*plan.join_keys, *plan.request_fields, event_times)]
    named = [*sent, *((item.column, item.field) for item in plan.served)]
    arrays = {VALUE + name: array_of(rows.columns[name], field) for name, field in named}
    for view, field in unserved_inputs(plan):
        arrays[f"{INPUT}{view}__{field.name}"] = array_of(rows.stored[view].columns[field.name], field)
    return arrays


def unserved_inputs(plan: FeaturePlan) -> list[tuple[str, Field]]:
    """Return (view, feature) of what is read for on-demand code only."""
    served = {(item.view, item.field.name) for item in plan.served}
    return [
        (view.name, field) for view in plan.stored for field in view.fields if (view.name, field.name) not in served
    ]


def raw_digest(arrays: Mapping[str, pa.Array]) -> str:
    """Return the digest of raw values: names, and values as Python spells them exactly."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name}{array.to_pylist()!r}".encode("utf-8", "surrogatepass"))
    return f"sha256:{digest.hexdigest()}"


def tensors_digest(tensors: Mapping[str, Any]) -> str:
    """Return the digest of tensors: names, shapes and bits."""
    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        digest.update(f"{name}{tensor.dtype}{tensor.shape}".encode())
        digest.update(np.ascontiguousarray(tensor).tobytes())
    return f"sha256:{digest.hexdigest()}"


def _predictions(answer: Answer, n: int) -> pa.Array:
    if answer.predictions is None:
        return pa.nulls(n, pa.float32())
    return pa.array(np.asarray(answer.predictions, np.float32))


def array_of(column: Column, field: Field) -> pa.Array:
    """Return a column in an Arrow type that is the same for every request."""
    if column.type is LogicalType.NUMBER:
        missing = column.is_missing()
        if not is_integer(field.feast_type) or np.isinf(column.values).any():
            return pa.array(column.values, mask=missing)
        values = column.integers if column.integers is not None else np.where(missing, 0.0, column.values)
        return pa.array(values, mask=missing).cast(pa.int64(), safe=False)
    array = column.arrow()
    kind = column.type.to_arrow()
    return array if array.type == kind else array.cast(kind)
