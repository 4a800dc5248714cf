# ruff: noqa: D102 (a transport's methods)
"""A cork in a transport changes when bytes leave, never which, nor their order."""

import asyncio
from collections.abc import Callable
from typing import Any

from likewise.serving.corked_http import Cork


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
