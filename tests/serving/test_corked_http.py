# ruff: noqa: D102 (a transport's methods)
"""A cork in a transport changes when bytes leave, never which, nor their order."""

import asyncio
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from likewise.serving.corked_http import Cork, CorkedHttp


class Wire(asyncio.Transport):
    """A transport that remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.is_closed = False

    def write(self, data: Any) -> None:
        assert not self.is_closed
        self.writes.append(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        for data in list_of_data:
            self.write(data)

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed


def corked(use: Callable[[Cork], None]) -> Wire:
    """Return the wire after one turn of a loop in which a cork was used."""

    async def run() -> Wire:
        wire = Wire()
        use(Cork(wire, asyncio.get_running_loop()))
        await asyncio.sleep(0)
        return wire

    return asyncio.run(run())


def test_writes_of_one_turn_leave_as_one() -> None:
    """Head and body of an answer are one write, in their order."""

    def use(cork: Cork) -> None:
        cork.write(b"head ")
        cork.write(b"body")

    assert corked(use).writes == [b"head body"]


def test_a_large_body_is_not_held_or_copied() -> None:
    """A body of megabytes goes on at once, behind its head and before what comes after it."""
    body = b"x" * 1_000_000

    def use(cork: Cork) -> None:
        cork.write(b"head")
        cork.write(body)
        cork.write(b"next")

    assert corked(use).writes == [b"head", body, b"next"]


def test_closing_loses_nothing() -> None:
    """What was written before a close is sent before it."""

    def use(cork: Cork) -> None:
        cork.write(b"last words")
        cork.close()

    wire = corked(use)
    assert wire.writes == [b"last words"]
    assert wire.is_closed


class Clock:
    """A loop of which only time and timers are used."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, look: Callable[[], None]) -> object:
        self.timers.append((self.now + seconds, look))
        return object()

    def pass_until(self, end: float) -> None:
        """Let time pass; timers that are due run at their time."""
        while self.timers and self.timers[0][0] <= end:
            self.now, look = self.timers.pop(0)
            look()
        self.now = end


def connection(loop: Any) -> CorkedHttp:
    """Return a connection that closes after five idle seconds."""
    made = CorkedHttp.__new__(CorkedHttp)
    made.loop, made.transport, made.pipeline = loop, Wire(), deque()
    made.server_state, made.flow = SimpleNamespace(total_requests=0), SimpleNamespace(resume_reading=lambda: None)
    made.timeout_keep_alive, made.timeout_keep_alive_task = 5, None
    return made


def test_an_idle_connection_is_closed_five_seconds_after_its_last_answer() -> None:
    """One timer serves all answers: time counts from the last of them, and there is never a second timer."""
    loop = Clock()
    made = connection(loop)
    for at in (0.0, 1.0, 4.0):
        loop.pass_until(at)
        made.on_response_complete()
        assert len(loop.timers) == 1
    loop.pass_until(8.9)
    assert not made.transport.is_closing()
    loop.pass_until(9.0)
    assert made.transport.is_closing()


def test_a_connection_with_a_request_under_way_is_not_closed() -> None:
    """However long a request takes, idle time begins with its answer."""
    loop = Clock()
    made = connection(loop)
    made.on_response_complete()
    made._unset_keepalive_if_required()  # a request came
    loop.pass_until(60.0)
    assert not made.transport.is_closing()
    made.on_response_complete()
    loop.pass_until(66.0)
    assert made.transport.is_closing()
    assert made.server_state.total_requests == 2
