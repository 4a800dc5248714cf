"""Workers replaced one by one: the next one leaves only when its successor is ready, so that answers never stop."""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

logger = logging.getLogger(__name__)

READY_SECONDS = 120.0


@dataclass(slots=True)
class RollingReload:
    """Where a reload stands. It is told what happens to workers and says what to do next.

    Attributes
    ----------
    start
        Starts a worker and returns its process id.
    end
        Tells a worker to end gracefully.
    waiting
        Workers yet to be replaced.
    newcomer, leaving
        The worker that is not ready yet; the one that answers its last requests.
    """

    start: Callable[[], int]
    end: Callable[[int], None]
    waiting: list[int] = field(default_factory=list)
    newcomer: int | None = None
    leaving: int | None = None
    since: float = 0.0
    is_given_up: bool = False

    @property
    def extra(self) -> int:
        """How many workers there are beyond the usual number."""
        return int(self.newcomer is not None) + int(self.leaving is not None)

    def begin(self, workers: Iterable[int]) -> None:
        """Replace these workers; a reload under way is taken up into this one."""
        self.is_given_up = False
        self.waiting = [worker for worker in workers if worker not in (self.newcomer, self.leaving)]
        logger.info("reloading: %d workers are replaced one by one", len(self.waiting))

    def step(self, ready: Callable[[int], bool]) -> None:
        """Do what can be done now; never waits."""
        if self.leaving is not None:
            return
        if self.newcomer is None:
            if self.waiting:
                self.newcomer, self.since = self.start(), time.monotonic()
        elif ready(self.newcomer):
            self._hand_over(self.newcomer)
        elif time.monotonic() - self.since > READY_SECONDS:
            self.end(self.newcomer)
            self._give_up(f"the new worker was not ready within {READY_SECONDS:g} s (see its log lines)")

    def _hand_over(self, newcomer: int) -> None:
        self.newcomer = None
        if not self.waiting:  # the one it was to replace has died meanwhile: it simply stays
            return
        self.leaving = self.waiting.pop(0)
        logger.info("worker %d is ready; worker %d answers what it has and ends", newcomer, self.leaving)
        self.end(self.leaving)

    def _give_up(self, why: str) -> None:
        self.leaving, self.newcomer = self.newcomer, None
        self.waiting.clear()
        self.is_given_up = True
        logger.error("reload given up, the workers that served before go on: %s", why)

    def note_end(self, worker: int) -> bool:
        """Take note that a worker ended; return whether that was the reload's doing."""
        if worker in self.waiting:
            self.waiting.remove(worker)
        if worker == self.newcomer:
            self._give_up("the new worker ended before it was ready (see its log lines)")
        if worker != self.leaving:
            return False
        self.leaving = None
        if not self.waiting and not self.is_given_up:
            logger.info("reload done")
        return True
