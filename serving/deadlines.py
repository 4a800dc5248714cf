"""Deadlines of one length share one timer: they end in the order in which they began."""

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class _Wait:
    """A task that waits for something, until when."""

    __slots__ = ("due", "has_ended", "is_late", "task")

    def __init__(self, task: "asyncio.Task[object]", due: float) -> None:
        self.task, self.due = task, due
        self.has_ended = self.is_late = False


class Deadlines:
    """What `asyncio.timeout` does, without a timer for each wait.

    Parameters
    ----------
    seconds
        How long anything may take.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waits: deque[_Wait] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_timer_set = False

    async def keep(self, work: Awaitable[T]) -> T:
        """Return what work gives; it is cancelled at its deadline.

        Raises
        ------
        TimeoutError
            It did not end in time.
        """
        wait = self._begin()
        cancelled = wait.task.cancelling()
        try:
            return await work
        except asyncio.CancelledError as error:
            # Somebody else may have cancelled this task as well, who must not be told of a deadline.
            if wait.is_late and wait.task.cancelling() - 1 <= cancelled:
                raise TimeoutError from error
            raise
        finally:
            if wait.is_late:
                wait.task.uncancel()
            wait.has_ended = True
            self._forget_ended()

    def _begin(self) -> _Wait:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is None:
            raise RuntimeError("a deadline needs a task to cancel")
        if self._loop is not loop:  # a timer of another loop may never come
            self._loop, self._waits, self._is_timer_set = loop, deque(), False
        wait = _Wait(task, loop.time() + self._seconds)
        self._waits.append(wait)
        if not self._is_timer_set:
            self._set_timer(loop, wait.due)
        return wait

    def _set_timer(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self._is_timer_set = True
        loop.call_at(due, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel what is late; look again when the next one would be."""
        if loop is not self._loop:
            return
        self._is_timer_set = False
        now = loop.time()
        self._forget_ended()
        for wait in self._waits:
            if wait.due > now:
                self._set_timer(loop, wait.due)
                return
            if not wait.has_ended and not wait.is_late:
                wait.is_late = True
                wait.task.cancel()

    def _forget_ended(self) -> None:
        waits = self._waits
        while waits and waits[0].has_ended:
            waits.popleft()
