"""Several worker processes from one parent that has everything imported: forked, watched, ended together."""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

from likewise.serving.errors import WorkersFailedError

POLL_SECONDS = 0.1
# A worker that ends sooner has not served; so many in a row, and the fault is not a passing one.
SHORT_LIFE_SECONDS = 10.0
SHORT_LIVES = 3
FAILED = 3

logger = logging.getLogger(__name__)


class Workers:
    """Forks workers and keeps their number until told to end.

    The parent must own no thread, event loop or connection when it forks: a child would get them half alive.
    Forking after the imports saves each worker their 5 s, and shares their 200 MB.

    Parameters
    ----------
    count
        How many.
    work
        Serves until SIGTERM; runs in each child.
    end_seconds
        How long workers may take to end before they are killed.
    """

    def __init__(self, count: int, work: Callable[[], None], end_seconds: float) -> None:
        self._count, self._work, self._end_seconds = count, work, end_seconds
        self._started: dict[int, float] = {}
        self._short_lives = 0
        self._ending = False

    def run(self, each_poll: Callable[[], None]) -> None:
        """Run workers until SIGINT or SIGTERM.

        Parameters
        ----------
        each_poll
            Called about ten times a second by the parent.

        Raises
        ------
        WorkersFailedError
            Workers end before they serve, again and again.
        """
        before = {number: signal.signal(number, self._end) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            while not self._ending:
                self._fill()
                each_poll()
                time.sleep(POLL_SECONDS)
                self._reap()
        finally:
            self._end_all()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end(self, _: int, __: FrameType | None) -> None:
        self._ending = True

    def _fill(self) -> None:
        while len(self._started) < self._count:
            child = os.fork()
            if child == 0:
                self._be_worker()
            self._started[child] = time.monotonic()

    def _be_worker(self) -> None:
        """Run the work and leave without the parent's clean-up."""
        status = 0
        try:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            self._work()
        except Exception:  # the process edge: what went wrong is logged, the parent decides
            logger.exception("a worker failed")
            status = FAILED
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _reap(self) -> None:
        for child in tuple(self._started):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended and not self._ending:
                self._note_end(child, status)

    def _note_end(self, child: int, status: int) -> None:
        lived = time.monotonic() - self._started.pop(child)
        self._short_lives = self._short_lives + 1 if lived < SHORT_LIFE_SECONDS else 0
        logger.error("worker %d ended after %.0f s (%s)", child, lived, os.waitstatus_to_exitcode(status))
        if self._short_lives >= SHORT_LIVES:
            raise WorkersFailedError(self._short_lives)

    def _end_all(self) -> None:
        end = time.monotonic() + self._end_seconds
        for child in self._started:
            _signal(child, signal.SIGTERM)
        while self._started and time.monotonic() < end:
            self._forget_ended()
            time.sleep(0.02)
        for child in self._started:
            _signal(child, signal.SIGKILL)
            os.waitpid(child, 0)
        self._started.clear()

    def _forget_ended(self) -> None:
        for child in tuple(self._started):
            try:
                ended, _ = os.waitpid(child, os.WNOHANG)
            except ChildProcessError:
                ended = child
            if ended:
                del self._started[child]


def _signal(child: int, number: signal.Signals) -> None:
    try:
        os.kill(child, number)
    except ProcessLookupError:
        logger.debug("worker %d had ended", child)
