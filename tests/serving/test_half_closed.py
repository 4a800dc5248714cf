"""A client that ends its side behind its last request gets every answer, then the end of the connection."""

import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest

from likewise.serving.app import build_app
from likewise.serving.corked_http import CorkedHttp
from likewise.serving.direct_http import DirectHttp
from likewise.serving.json_answer import JsonAnswer
from likewise.serving.settings import ServingSettings
from tests.serving.certificates import authority, needs_openssl
from tests.serving.fakes import World
from tests.serving.raw_requests import HEAD_END, LOOK, ONE, PLAIN, PREDICT, post
from tests.serving.sockets import count_answers, listening
from tests.serving.test_direct_http import scratch

SETTINGS = ServingSettings(releases=("flight_delay@prod",))
GET = b"GET /health HTTP/1.1\r\nHost: here\r\n\r\n"
# name -> what a client sends, and how many answers come back
ASKED: dict[str, tuple[bytes, int]] = {
    "one": (PLAIN, 1),
    "by uvicorn's way": (post(PREDICT, ONE, "Connection: close"), 1),
    "a pipeline": (PLAIN + LOOK + PLAIN, 3),
    "a pipeline of others": (GET + PLAIN + GET + GET, 4),
    "part of a head behind it": (PLAIN + PLAIN[:30], 1),
    "nothing": (b"", 0),
    "part of a head": (PLAIN[:30], 0),
    "part of a body": (PLAIN[:-1], 0),
    "no body": (PLAIN[:HEAD_END], 0),
}


def slow(seconds: float = 0.1) -> Any:
    """Return an app whose store takes its time."""
    world = World()
    world.store.delay_seconds = seconds
    return build_app(SETTINGS, world.parts())


def all_of(connection: socket.socket) -> bytes:
    """Return what comes until the server closes."""
    return b"".join(iter(lambda: connection.recv(65_536), b""))


@pytest.mark.parametrize("protocol", [CorkedHttp, DirectHttp])
def test_every_answer_comes_then_the_end(protocol: type[Any]) -> None:
    """What was asked whole is answered and what was not is not, whether the end comes with the requests or later."""
    with listening(slow(), protocol) as port:
        for name, (asked, answers) in ASKED.items():
            for pause_seconds in (0.0, 0.03):
                with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                    connection.sendall(asked)
                    time.sleep(pause_seconds)
                    connection.shutdown(socket.SHUT_WR)
                    got = all_of(connection)
                assert got.count(b"HTTP/1.1 200 OK\r\n") == count_answers(got) == answers, name


@pytest.mark.parametrize("protocol", [CorkedHttp, DirectHttp])
def test_an_early_refusal_is_the_last_answer(protocol: type[Any]) -> None:
    """A request that was refused before its body was whole holds no connection."""
    with listening(slow(), protocol) as port, socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(post("/none", b"{}")[:-1])
        time.sleep(0.1)
        connection.shutdown(socket.SHUT_WR)
        got = all_of(connection)
    assert got.startswith(b"HTTP/1.1 404 ")
    assert count_answers(got) == 1


@pytest.mark.parametrize("protocol", [CorkedHttp, DirectHttp])
def test_a_large_answer_comes_whole(protocol: type[Any]) -> None:
    """An answer that its client reads late is all there."""
    app = scratch(lambda _: JsonAnswer(b"x" * 3_000_000))
    with listening(app, protocol) as port, socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(post("/scratch", b"{}") * 2)
        connection.shutdown(socket.SHUT_WR)
        time.sleep(0.2)
        assert all_of(connection).count(b"x") >= 6_000_000


@pytest.mark.parametrize("protocol", [CorkedHttp, DirectHttp])
def test_a_server_that_ends_waits_for_them_no_longer(protocol: type[Any], caplog: pytest.LogCaptureFixture) -> None:
    """At the end, who has closed half is answered, and who is gone is not waited for beyond its answer."""
    with listening(slow(0.5), protocol) as port:
        half = socket.create_connection(("127.0.0.1", port), timeout=5)
        half.sendall(PLAIN + LOOK)
        half.shutdown(socket.SHUT_WR)
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", port)) as gone:
                gone.sendall(PLAIN + LOOK)
        time.sleep(0.1)
        ends = time.monotonic()
    assert time.monotonic() - ends < 3, "it waited for nothing else"
    with half:
        assert count_answers(all_of(half)) == 2
    assert not [record for record in caplog.records if record.levelname != "INFO"]


@needs_openssl
@pytest.mark.parametrize("protocol", [CorkedHttp, DirectHttp])
def test_the_end_of_tls_is_the_end(protocol: type[Any], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where a client ends TLS its connection is closed, without a warning."""
    ours = authority(tmp_path)
    files = ours.sign("server")
    context = ssl.create_default_context(cafile=ours.certificate)
    server = listening(slow(), protocol, ssl_certfile=files.certificate, ssl_keyfile=files.key)
    with server as port, socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
        connection = context.wrap_socket(plain, server_hostname="127.0.0.1")
        connection.sendall(PLAIN)
        time.sleep(0.03)
        connection.unwrap().close()
    assert not [record for record in caplog.records if record.levelname != "INFO"]
