"""The request log: every (or every so many) answered row as Parquet, complete enough to compute it again.

Writing happens on a thread of its own, from a bounded queue: a slow disk loses log rows (and counts them), never
requests.
"""

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
from likewise.serving.loaded_release import Answer, LoadedRelease
from likewise.serving.online import STATUS_NAMES
from likewise.serving.plan import Field
from likewise.transforms.columns import Column, LogicalType

QUEUE_REQUESTS = 4_096
FLUSH_ROWS = 20_000
FLUSH_SECONDS = 5.0
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
    """

    def __init__(self, folder: Path, share: float, count_lost: Callable[[], object]) -> None:
        self._folder, self._share, self._count_lost = folder, share, count_lost
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
        waiting: list[Logged] = []
        flushed, ended = time.monotonic(), False
        while not ended:
            try:
                item = self._queue.get(timeout=max(0.0, flushed + FLUSH_SECONDS - time.monotonic()))
            except queue.Empty:
                item = None
            else:
                ended = item is None
            if item is not None:
                waiting.append(item)
            full = sum(logged.answer.rows.n for logged in waiting) >= FLUSH_ROWS
            if waiting and (ended or full or time.monotonic() - flushed >= FLUSH_SECONDS):
                self._flush_safely(waiting)
                waiting = []
            if not waiting:
                flushed = time.monotonic()

    def _flush_safely(self, waiting: list[Logged]) -> None:
        try:
            self._flush(waiting)
        except Exception:  # the edge of a background thread: serving goes on without its log
            logger.exception("%d requests could not be written to the request log", len(waiting))
            for _ in waiting:
                self._count_lost()

    def _flush(self, waiting: list[Logged]) -> None:
        by_release: dict[int, list[Logged]] = {}
        for logged in waiting:
            by_release.setdefault(id(logged.release), []).append(logged)
        for group in by_release.values():
            identity = group[0].release.identity
            place = self._folder / identity.name / str(identity.version)
            place.mkdir(parents=True, exist_ok=True)
            self._files += 1
            path = place / f"{time.time_ns()}-{os.getpid()}-{self._files}.parquet"
            table = pa.Table.from_batches([batch_of(logged) for logged in group])
            hidden = path.with_name(f".{path.name}")  # readers see whole files only
            pq.write_table(table, hidden, compression="zstd")
            hidden.replace(path)


def batch_of(logged: Logged) -> pa.RecordBatch:
    """Return a request as rows: its id, the clock, what was read with status and time, tensors' digest, predictions."""
    rows, plan = logged.answer.rows, logged.release.reader.plan
    arrays: dict[str, pa.Array] = {
        "request_id": pa.array([logged.request_id] * rows.n, pa.string()),
        "row": pa.array(np.arange(rows.n, dtype=np.int32)),
        "now": pa.array(np.full(rows.n, rows.now_microseconds)).cast(TIME),
        "transform": pa.array([logged.release.identity.transform] * rows.n, pa.string()),
        "tensors_digest": pa.array([tensors_digest(logged.answer.tensors)] * rows.n, pa.string()),
        "prediction": _predictions(logged.answer, rows.n),
    }
    event_times = Field("event_timestamp", LogicalType.TIME, "UNIX_TIMESTAMP")
    sent = [(field.name, field) for field in (*plan.join_keys, *plan.request_fields, event_times)]
    for name, field in [*sent, *((item.column, item.field) for item in plan.served)]:
        arrays[f"value__{name}"] = _array(rows.columns[name], field)
    for view, stored in rows.stored.items():
        arrays[f"status__{view}"] = pa.array(STATUS_NAMES).take(pa.array(stored.statuses.astype(np.int8)))
        times = stored.event_times
        arrays[f"event_time__{view}"] = pa.array(times, mask=times < 0).cast(TIME)
    return pa.RecordBatch.from_pydict(arrays)


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


def _array(column: Column, field: Field) -> pa.Array:
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
