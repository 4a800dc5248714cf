"""Follows aliases and the Feast registry while the worker serves."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from likewise.serving.guarded_read import CircuitBreaker
from likewise.serving.metrics import Metrics
from likewise.serving.off_loop import OffLoop
from likewise.serving.ports import FeatureSource
from likewise.serving.resident import ResidentReleases

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refresher:
    """Polls in the background: loading and proving a release never holds up requests.

    Attributes
    ----------
    breaker
        Tells whether the online store answers.
    heal
        Looks where the online store is now.
    poll_seconds
        Between two looks at the aliases.
    definitions_seconds
        Between two looks at the Feast registry.
    """

    resident: ResidentReleases
    source: FeatureSource | None
    metrics: Metrics
    breaker: CircuitBreaker
    heal: Callable[[], object]
    poll_seconds: float
    definitions_seconds: float

    def look(self) -> None:
        """Look once, by the calling thread, and bring the gauges up to date."""
        for reference in self.resident.refresh():
            self.metrics.swaps.labels(reference).inc()
        for slot in self.resident.slots:
            self.metrics.refused.labels(slot.reference).set(slot.problem is not None)
            if slot.current is not None:
                self.metrics.version.labels(slot.reference).set(slot.current.identity.version)
                self.metrics.definitions_moved.labels(slot.reference).set(len(slot.moved))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look once before anything is served, then again and again until the end."""
        pool = OffLoop(threads=1)  # its own: loading a release may take seconds
        await pool(self._look_safely)
        task = asyncio.create_task(self._loop(pool))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            pool.close()

    async def _loop(self, pool: OffLoop) -> None:
        looked = time.monotonic()
        while True:
            await asyncio.sleep(self.poll_seconds)
            if self.breaker.failures:
                await pool(self._heal_safely)
            await pool(self._look_safely)
            if time.monotonic() - looked > self.definitions_seconds:
                await pool(self._refresh_source)
                looked = time.monotonic()

    def _look_safely(self) -> None:
        try:
            self.look()
            self.metrics.post()
        except Exception:  # the edge of a background task: what serves now goes on
            logger.exception("looking for releases failed; what serves now goes on")

    def _heal_safely(self) -> None:
        try:
            self.heal()
        except Exception:  # the edge of a background task: requests go on trying
            logger.exception("looking for the online store failed")

    def _refresh_source(self) -> None:
        try:
            if self.source is not None:
                self.source.refresh()
            self.resident.look_for_moved_definitions()
        except Exception:  # the edge of a background task: the definitions known so far go on
            logger.exception("reading the Feast registry failed; the definitions known so far go on")
