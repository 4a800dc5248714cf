"""Clients that begin a request and don't go on hold nothing for ever, and no head is kept without end."""

import contextlib
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from likewise.serving.app import build_app
from likewise.serving.corked_http import CorkedHttp
from likewise.serving.direct_http import DirectHttp
from likewise.serving.settings import Limits, ServingSettings
from likewise.serving.slow_clients import BODY_SECONDS, HEAD_BYTES, HEAD_SECONDS, end_overdue
from tests.serving.fakes import World
from tests.serving.raw_requests import BODY, CHUNKED, PLAIN, PREDICT, chunked, post
from tests.serving.real_repository import repository_in
from tests.serving.server_process import running
from tests.serving.sockets import listening


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


def test_a_client_that_is_not_read_is_not_waited_for() -> None:
    """A body counts as awaited while the server takes it, each apart; behind others it waits itself."""
    made: Any = CorkedHttp.__new__(CorkedHttp)
    made.scope, made.flow = {}, SimpleNamespace(read_paused=False)
    made.cycle = SimpleNamespace(more_body=True, response_complete=False, scope=made.scope)
    assert made.awaited() == ("body", made.cycle)
    made.flow.read_paused = True
    assert made.awaited() is None


HEAD = b"GET /health HTTP/1.1\r\nX: "
LARGE = post(PREDICT, b" " * 6_000)
ENDLESS = {
    "a first head": [HEAD],
    "behind a fault": [post(PREDICT, b"{"), HEAD],
    "behind a refusal that came before the body": [LARGE[:500], LARGE[500:], HEAD],
    "behind a request under way": [PLAIN + HEAD],
    "behind a body": [post(PREDICT, chunked(BODY, end=b"0\r\nX: "), CHUNKED, length=False)],
}


@pytest.mark.parametrize("protocol", [CorkedHttp, DirectHttp])
@pytest.mark.parametrize("begun", ENDLESS)
def test_no_head_and_no_trailer_is_kept_without_end(protocol: type[Any], begun: str) -> None:
    """Wherever a client stands, a few hundred kilobytes of a head or a trailer end its connection."""
    world = World()
    world.store.delay_seconds = 1.0
    settings = ServingSettings(releases=("flight_delay@prod",), limits=Limits(body_bytes=5_000))
    with (
        listening(build_app(settings, world.parts()), protocol) as port,
        socket.create_connection(("127.0.0.1", port), 5) as client,
    ):
        for part in ENDLESS[begun]:
            client.sendall(part)
            time.sleep(0.05)
        with pytest.raises(ConnectionError):
            _send_without_end(client)


@pytest.mark.slow
def test_a_head_without_end_is_refused(tmp_path: Path) -> None:
    """The server keeps some of a head, not all of it, and others are answered meanwhile."""
    with repository_in(tmp_path), running(tmp_path) as server:
        client = socket.create_connection(("127.0.0.1", server.port), 10)
        client.sendall(HEAD)
        with contextlib.closing(client), pytest.raises(ConnectionError):
            _send_without_end(client)
        assert "live" in server.get("/health/live")


def _send_without_end(client: socket.socket) -> None:
    for _ in range(40):
        client.sendall(b"x" * HEAD_BYTES)
        time.sleep(0.01)
