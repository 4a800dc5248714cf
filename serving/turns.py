"""How long the event loop has been at its present turn: who comes late in a long one is better told at once."""

import asyncio

# A turn starts what the sockets brought; each request started costs as much again once the store answers. So a
# turn of 0.05 s keeps answers within some 0.2 s of their arrival (measured 2026-11: `docs/serving.md`).
LONG_TURN_SECONDS = 0.05
# Few requests in a long turn: something else held the loop up (a collection, a release being loaded).
MANY_REQUESTS = 16


class Turns:
    """Bounds the work that one turn of an event loop takes on.

    A limit on requests under way alone does not: those that wait in the sockets are not under way yet, and when
    each turn starts all of them, answers come seconds late. Time is looked at when a request starts, which costs
    nothing.
    """

    def __init__(self) -> None:
        self._started: float | None = None
        self._requests = 0

    def takes_another(self, now: float) -> bool:
        """Whether this turn has time for another request.

        Parameters
        ----------
        now
            `time.perf_counter()`.
        """
        if self._started is None:
            self._started, self._requests = now, 0
            asyncio.get_running_loop().call_soon(self._end)
        self._requests += 1
        return self._requests <= MANY_REQUESTS or now - self._started < LONG_TURN_SECONDS

    def _end(self) -> None:
        self._started = None
