"""Clients that begin and don't go on: a head or a body that does not come is not waited for without end."""

from collections.abc import Iterable
from typing import Any, Protocol

HEAD_BYTES = 65_536
HEAD_SECONDS = 20.0
BODY_SECONDS = 30.0


class Waiting(Protocol):
    """A connection that can say what it waits for."""

    # What is waited for, and since when; kept by `end_overdue`.
    overdue: tuple[tuple[str, object], float] | None

    def awaited(self) -> tuple[str, object] | None:
        """Return `head` or `body` with what is another object for each request; None if nothing is awaited."""

    def give_up(self) -> None:
        """End the connection."""


def end_overdue(connections: Iterable[Any], now: float) -> None:
    """End connections that have waited for one head or one body for too long.

    Looked at from outside, once a second: requests pay nothing for it.
    """
    for connection in tuple(connections):
        awaited = connection.awaited()
        if awaited is None:
            connection.overdue = None
        elif connection.overdue is None or connection.overdue[0] != awaited:
            connection.overdue = (awaited, now)
        elif now - connection.overdue[1] > (HEAD_SECONDS if awaited[0] == "head" else BODY_SECONDS):
            connection.give_up()
