"""Several worker processes from one parent that has everything imported: forked, watched, replaced, ended together."""

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from likewise.serving.errors import WorkersFailedError
from likewise.serving.rolling_reload import RollingReload

POLL_SECONDS = 0.1
# A worker that ends sooner has not served; so many in a row, and the fault is not a passing one.
SHORT_LIFE_SECONDS = 10.0
SHORT_LIVES = 3
FAILED = 3

logger = logging.getLogger(__name__)

Report = Mapping[str, Any]
Tell = Callable[[Report], None]


@dataclass(slots=True)
class _Worker:
    """What the parent knows of a worker; `reports` is the end of the pipe that it reads."""

    reports: int
    started: float = field(default_factory=time.monotonic)
    is_ready: bool = False


class Workers:
    """Forks workers and keeps their number until told to end; at SIGHUP they are replaced one by one.

    The parent must own no thread, event loop or connection when it forks: a child would get them half alive.
    Forking after the imports saves each worker their 5 s, and shares their 200 MB.

    Parameters
    ----------
    count
        How many.
    work
        Serves until SIGTERM; runs in each child, and tells how ready it is: `{"status": "ready", ...}`.
    end_seconds
        How long workers may take to end before they are killed.
    """

    def __init__(self, count: int, work: Callable[[Tell], None], end_seconds: float) -> None:
        self._count, self._work, self._end_seconds = count, work, end_seconds
        self._workers: dict[int, _Worker] = {}
        self._reload = RollingReload(self._start, lambda worker: _signal(worker, signal.SIGTERM))
        self._short_lives = 0
        self._ending = self._is_reload_wanted = False

    def run(self, hear: Tell) -> None:
        """Run workers until SIGINT or SIGTERM.

        Parameters
        ----------
        hear
            Called by the parent with every report of a worker.

        Raises
        ------
        WorkersFailedError
            Workers end before they serve, again and again.
        """
        hang_up = self._hang_up if hangup_reloads() else self._end
        handlers = {signal.SIGINT: self._end, signal.SIGTERM: self._end, signal.SIGHUP: hang_up}
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            while not self._ending:
                self._look(hear)
                time.sleep(POLL_SECONDS)
        finally:
            self._end_all()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _look(self, hear: Tell) -> None:
        while len(self._workers) < self._count + self._reload.extra:
            self._start()
        for worker in self._workers.values():
            for report in _read(worker.reports):
                worker.is_ready = report.get("status") == "ready"
                hear(report)
        self._reap()
        if self._is_reload_wanted:
            self._is_reload_wanted = False
            self._reload.begin(self._workers)
        self._reload.step(lambda worker: self._workers[worker].is_ready)

    def _end(self, _: int, __: FrameType | None) -> None:
        self._ending = True

    def _hang_up(self, _: int, __: FrameType | None) -> None:
        self._is_reload_wanted = True

    def _start(self) -> int:
        reads, writes = os.pipe()
        child = os.fork()
        if child == 0:
            self._be_worker(writes)
        os.close(writes)
        os.set_blocking(reads, False)
        self._workers[child] = _Worker(reads)
        return child

    def _be_worker(self, reports: int) -> None:
        """Run the work and leave without the parent's clean-up."""
        status = 0
        try:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            # A terminal that closes tells the whole group; only the parent knows what to do about it.
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            for worker in self._workers.values():
                os.close(worker.reports)
            self._work(lambda report: _write(reports, report))
        except Exception:  # the process edge: what went wrong is logged, the parent decides
            logger.exception("a worker failed")
            status = FAILED
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _reap(self) -> None:
        for child in tuple(self._workers):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                worker = self._forget(child)
                if not self._reload.note_end(child):
                    self._note_end(child, worker, status)

    def _note_end(self, child: int, worker: _Worker, status: int) -> None:
        lived = time.monotonic() - worker.started
        self._short_lives = self._short_lives + 1 if lived < SHORT_LIFE_SECONDS else 0
        logger.error("worker %d ended after %.0f s (%s)", child, lived, os.waitstatus_to_exitcode(status))
        if self._short_lives >= SHORT_LIVES:
            raise WorkersFailedError(self._short_lives)

    def _forget(self, child: int) -> _Worker:
        worker = self._workers.pop(child)
        os.close(worker.reports)
        return worker

    def _end_all(self) -> None:
        end = time.monotonic() + self._end_seconds
        for child in self._workers:
            _signal(child, signal.SIGTERM)
        while self._workers and time.monotonic() < end:
            self._forget_ended()
            time.sleep(0.02)
        for child in tuple(self._workers):
            _signal(child, signal.SIGKILL)
            os.waitpid(child, 0)
            self._forget(child)

    def _forget_ended(self) -> None:
        for child in tuple(self._workers):
            try:
                ended, _ = os.waitpid(child, os.WNOHANG)
            except ChildProcessError:
                ended = child
            if ended:
                self._forget(child)


def hangup_reloads() -> bool:
    """Whether SIGHUP means a reload: at a terminal it means that the terminal closed, and ends the process."""
    return not (sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty())


def _write(reports: int, report: Report) -> None:
    try:
        os.write(reports, json.dumps(report).encode() + b"\n")
    except BrokenPipeError:
        logger.error("the parent process is gone; this worker goes on alone")


def _read(reports: int) -> list[Report]:
    """Return the reports that came; each is far smaller than what a pipe takes at once."""
    try:
        return [json.loads(line) for line in os.read(reports, 65_536).splitlines()]
    except BlockingIOError:
        return []


def _signal(child: int, number: signal.Signals) -> None:
    try:
        os.kill(child, number)
    except ProcessLookupError:
        logger.debug("worker %d had ended", child)
