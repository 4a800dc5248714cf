"""Reads of the online store under a deadline, with the declared choice for trouble."""

import asyncio
import random
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from likewise.serving.deadlines import Deadlines
from likewise.serving.entity_rows import EntityRows
from likewise.serving.errors import DeadlineExceededError, StoreUnavailableError
from likewise.serving.metrics import Metrics
from likewise.serving.online import PRESENT, STATUS_NAMES, OnlineReader, StoredRows
from likewise.serving.settings import OnTrouble
from likewise.stores.packed_answer import ReadAnswer

T = TypeVar("T")
# Of a deadline so much is kept for the refusal itself: under load it is written some turns of the loop later.
_KEPT_SHARE, _KEPT_MS = 0.1, 50.0


class CircuitBreaker:
    """Stops asking a store that does not answer: after some failures in a row, one trial a while.

    The pause is drawn anew each time, from half of it to all of it, so that the workers of many machines do not
    all try at once.

    Attributes
    ----------
    failures
        Failures in a row.
    """

    def __init__(self, after_failures: int = 5, pause_seconds: float = 0.25) -> None:
        self._after, self._pause = after_failures, pause_seconds
        self._open_until = 0.0
        self.failures = 0

    def allows(self) -> bool:
        """Whether a read may be tried now; while open, one caller in each pause may."""
        if self.failures < self._after:
            return True
        now = time.monotonic()
        if now < self._open_until:
            return False
        self._open_until = now + self._drawn_pause()
        return True

    def succeeded(self) -> None:
        """Close: the store answers."""
        self.failures = 0

    def failed(self) -> None:
        """Count a failure; from the limit on, open."""
        self.failures += 1
        if self.failures >= self._after:
            self._open_until = time.monotonic() + self._drawn_pause()

    def _drawn_pause(self) -> float:
        return self._pause * random.uniform(0.5, 1.0)  # noqa: S311  spreading, not secrets


@dataclass(frozen=True, slots=True)
class GuardedReads:
    """How every route reads.

    Attributes
    ----------
    deadline_ms
        Time for an answer; None: no limit.
    on_trouble
        `fail`, or answer as if the store knew nothing (`defaults`).
    metrics
        Counts statuses and default answers.
    breaker
        Shared by all routes of a worker.
    deadlines
        Ends reads that take longer.
    """

    deadline_ms: float | None
    on_trouble: OnTrouble
    metrics: Metrics
    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)
    deadlines: Deadlines | None = field(init=False)

    def __post_init__(self) -> None:
        seconds = self._seconds_to_try()
        object.__setattr__(self, "deadlines", None if seconds is None else Deadlines(seconds))

    def _seconds_to_try(self) -> float | None:
        """Return after which time a request gives up, so that its refusal too is there before the deadline."""
        if self.deadline_ms is None:
            return None
        return (self.deadline_ms - min(_KEPT_SHARE * self.deadline_ms, _KEPT_MS)) / 1000

    async def fetch(self, reader: OnlineReader, rows: EntityRows) -> Sequence[StoredRows]:
        """Return what the store holds of n rows, one answer per view of the plan.

        Raises
        ------
        StoreUnavailableError, DeadlineExceededError
            The store does not answer (in time) and the choice is `fail`.
        """
        try:
            found = await self._try(reader, rows)
        except (StoreUnavailableError, DeadlineExceededError):
            if self.on_trouble == "fail":
                raise
            self.metrics.defaults.inc()
            found = reader.absent(rows)
        self._count(reader, found)
        return found

    async def in_time(self, work: Awaitable[T], started: float) -> T:
        """Return what work on a thread gives, if it comes before the deadline of a request that began at `started`.

        The thread goes on to its end; only the answer is not waited for.

        Raises
        ------
        DeadlineExceededError
            It did not come in time.
        """
        seconds = self._seconds_to_try()
        if seconds is None:
            return await work
        try:
            async with asyncio.timeout(seconds - (time.monotonic() - started)):
                return await work
        except TimeoutError:
            raise DeadlineExceededError(self.deadline_ms or 0.0) from None

    async def _try(self, reader: OnlineReader, rows: EntityRows) -> Sequence[StoredRows]:
        if not self.breaker.allows():
            raise StoreUnavailableError("the last tries failed")
        try:
            fetched = reader.fetch(rows)
            found = await (fetched if self.deadlines is None else self.deadlines.keep(fetched))
        except TimeoutError:
            self.breaker.failed()
            raise DeadlineExceededError(self.deadline_ms or 0.0) from None
        except StoreUnavailableError:
            self.breaker.failed()
            raise
        self.breaker.succeeded()
        return found

    def _count(self, reader: OnlineReader, found: Sequence[StoredRows]) -> None:
        if isinstance(found, ReadAnswer) and found.is_all_present:  # nearly always
            return
        for view, stored in zip(reader.plan.stored, found, strict=True):
            codes = stored.statuses.tobytes()
            if codes.count(PRESENT) == len(codes):
                continue
            for code in set(codes) - {PRESENT}:
                self.metrics.count_status(view.name, STATUS_NAMES[code], codes.count(code))
