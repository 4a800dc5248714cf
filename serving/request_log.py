"""The request log: every (or every so many) answered row as Parquet, complete enough to compute it again.

Writing happens on a thread of its own, from a bounded queue: a slow disk loses log rows (and counts them), never
requests, nor does it hold up the end of the process. A file appears whole or not at all; the oldest files go when the
folder is full.
"""

import contextlib
import logging
import os
import queue
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from likewise.serving.loaded_release import Answer, LoadedRelease, ReleaseIdentity
from likewise.serving.logged_rows import Logged, shape_of, table_of

QUEUE_REQUESTS = 4_096
FLUSH_ROWS = 20_000
FLUSH_SECONDS = 5.0
# A hidden file so old was left by a process that was killed.
ABANDONED_SECONDS = 600.0

logger = logging.getLogger(__name__)


class RequestLog:
    """Keeps answered requests below a folder: `NAME/VERSION/*.parquet`, one row for each row answered.

    Parameters
    ----------
    folder
        Where files go.
    share
        Of requests, 0 to 1.
    most_bytes
        Of all files together; the oldest are removed beyond it.
    count_lost
        Called with a number of requests that were not kept: the queue was full, the disk failed or was too slow.
    """

    def __init__(self, folder: Path, share: float, most_bytes: int, count_lost: Callable[[int], object]) -> None:
        self._folder, self._share, self._count_lost, self._most_bytes = folder, share, count_lost, most_bytes
        self._queue: queue.Queue[Logged | None] = queue.Queue(QUEUE_REQUESTS)
        self._files = 0
        self._is_closing = self._is_given_up = False
        folder.mkdir(parents=True, exist_ok=True)
        self._thread = threading.Thread(target=self._work, name="likewise-request-log", daemon=True)
        self._thread.start()

    def offer(self, request_id: str, release: LoadedRelease, answer: Answer) -> None:
        """Keep an answer if it is its turn and there is room; never blocks."""
        if self._share < 1.0 and random.random() >= self._share:  # noqa: S311  sampling, not secrets
            return
        if self._is_closing:
            self._count_lost(1)
            return
        try:
            # Of those that were read together few are sampled, and each would keep all of them.
            kept = answer if self._share >= 1.0 else answer.apart()
            self._queue.put_nowait(Logged(request_id, release, kept))
        except queue.Full:
            self._count_lost(1)

    def close(self, seconds: float) -> None:
        """Write what is waiting and end.

        Parameters
        ----------
        seconds
            How long that may take. What is not written by then is given up, counted, and said to be lost.
        """
        self._is_closing = True
        wakes = 0
        with contextlib.suppress(queue.Full):  # with a full queue it is awake
            self._queue.put_nowait(None)
            wakes = 1
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._is_given_up = True  # first: what appears from now on is not in the count
            lost = self._queue.unfinished_tasks - wakes
            logger.error(
                "%d answers are not in the request log: writing took longer than the %.1f s left to it", lost, seconds
            )
            self._count_lost(lost)

    def _work(self) -> None:
        _remove_abandoned(self._folder)
        waiting: list[Logged] = []
        rows, flushed, is_last = 0, time.monotonic(), False
        while not is_last and not self._is_given_up:
            item = self._next(flushed + FLUSH_SECONDS)
            if item is not None:
                waiting.append(item)
                rows += item.answer.rows.n
            is_last = self._is_closing and self._queue.empty()
            if waiting and (is_last or rows >= FLUSH_ROWS or time.monotonic() - flushed >= FLUSH_SECONDS):
                self._flush(waiting)
                waiting, rows = [], 0
            if not waiting:
                flushed = time.monotonic()

    def _next(self, until: float) -> Logged | None:
        """Return the next answer; None when there is none until then, or the end begins."""
        try:
            return self._queue.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            return None

    def _flush(self, waiting: list[Logged]) -> None:
        groups: dict[tuple[int, tuple[str, ...]], list[Logged]] = {}
        for logged in waiting:
            groups.setdefault((id(logged.release), _shape_or_own(logged)), []).append(logged)
        for group in groups.values():
            self._write_safely(group)
            for _ in group:
                self._queue.task_done()
        try:
            _remove_oldest(self._folder, self._most_bytes)
        except OSError:  # what was written is not lost
            logger.exception("the oldest files of the request log can't be removed")

    def _write_safely(self, group: list[Logged]) -> None:
        try:
            self._write(group[0].release.identity, table_of(group))
        except Exception:  # the edge of a background thread: serving goes on without its log
            if self._is_given_up:  # they are counted
                return
            logger.exception("%d answers could not be written to the request log", len(group))
            self._count_lost(len(group))

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
            if not self._is_given_up:  # else it is counted as lost
                hidden.replace(path)
        finally:
            hidden.unlink(missing_ok=True)


def log_files(folder: Path) -> list[Path]:
    """Return the files of a log, the oldest first."""
    return sorted(
        (path for path in folder.glob("*/*/*.parquet") if not path.name.startswith(".")), key=lambda path: path.name
    )


def _shape_or_own(logged: Logged) -> tuple[str, ...]:
    """Return a request's shape; one that has none goes into a file of its own, and fails, if at all, alone."""
    try:
        return shape_of(logged)
    except Exception:  # told and counted where it is written
        return ("no shape", logged.request_id)


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
