"""Clients that begin a request and don't go on hold nothing for ever, and no head is kept without end."""

import contextlib
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from likewise.serving.slow_clients import BODY_SECONDS, HEAD_BYTES, HEAD_SECONDS, end_overdue
from tests.serving.real_repository import repository_in
from tests.serving.server_process import running


@dataclass
class Connection:
    """Waits for what it is told to."""

    wants: tuple[str, int] | None
    overdue: tuple[tuple[str, int], float] | None = None
    is_ended: bool = False

    def awaited(self) -> tuple[str, int] | None:
        """Return that."""
        return self.wants

    def give_up(self) -> None:
        """End."""
        self.is_ended = True


@pytest.mark.parametrize(("what", "seconds"), [("head", HEAD_SECONDS), ("body", BODY_SECONDS)])
def test_what_does_not_come_is_given_up(what: str, seconds: float) -> None:
    """A head or a body may take its time, and no longer."""
    connection = Connection((what, 1))
    end_overdue([connection], 100.0)
    end_overdue([connection], 100.0 + seconds)
    assert not connection.is_ended
    end_overdue([connection], 100.5 + seconds)
    assert connection.is_ended


def test_each_request_has_its_own_time() -> None:
    """A connection that is idle in between, or at its next request, begins anew."""
    connection = Connection(("body", 1))
    for at, wants in enumerate([("body", 2), None, ("body", 2), ("head", 2)] * 10):
        end_overdue([connection], at * 20.0)
        connection.wants = wants
    assert not connection.is_ended


@pytest.mark.slow
def test_a_head_without_end_is_refused(tmp_path: Path) -> None:
    """The server keeps some of a head, not all of it, and others are answered meanwhile."""
    with repository_in(tmp_path), running(tmp_path) as server:
        client = socket.create_connection(("127.0.0.1", server.port), 10)
        with contextlib.closing(client), pytest.raises(ConnectionError):
            _send_without_end(client)
        assert "live" in server.get("/health/live")


def _send_without_end(client: socket.socket) -> None:
    client.sendall(b"GET /health HTTP/1.1\r\nX: ")
    for _ in range(100):
        client.sendall(b"x" * HEAD_BYTES)
        time.sleep(0.01)
