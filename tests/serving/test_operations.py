"""Servers in processes of their own: drained, reloaded, watched, as in production."""

import http.client
import json
import signal
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.serving.certificates import authority, needs_openssl
from tests.serving.collector import collecting
from tests.serving.real_repository import repository_in
from tests.serving.server_process import Server, running

pytestmark = pytest.mark.slow
FULL = {
    "feature_service": "full",
    "entities": {"carrier": ["UA"], "distance": [9.0], "departs": ["2013-11-05T23:30:00Z"]},
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("repo")
    with repository_in(folder):
        yield folder


@dataclass
class SlowRequest:
    """A request whose body comes in two parts: under way for as long as a test likes."""

    connection: socket.socket
    rest: bytes

    def finish(self) -> int:
        """Send the rest and return the answer's status."""
        with self.connection, http.client.HTTPResponse(self.connection) as answer:
            self.connection.sendall(self.rest)
            answer.begin()
            answer.read()
            return answer.status


def start_slowly(port: int) -> SlowRequest:
    body = json.dumps(FULL).encode()
    head = f"POST /get-online-features HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    connection.sendall(head + body[:10])
    time.sleep(0.3)  # the server has read the head by then
    return SlowRequest(connection, body[10:])


def test_a_slow_request_is_answered_before_the_server_ends(repository: Path) -> None:
    """SIGTERM: no new connection, the request under way is answered whole, the log says all, status 0."""
    with running(repository) as server:
        slow = start_slowly(server.port)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(1.0)
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", server.port), timeout=5)
        assert server.process.poll() is None
        assert slow.finish() == 200
        assert server.process.wait(20) == 0
    lines = [line for line in server.documents() if line.get("logger") == "likewise.requests"]
    assert [line["status"] for line in lines] == [200]


def test_a_request_that_never_ends_does_not_hold_up_the_end(repository: Path) -> None:
    """After --drain-seconds the server ends all the same."""
    with running(repository, "--drain-seconds", "1", "--workers", "2") as server:
        slow = start_slowly(server.port)
        started = time.monotonic()
        assert server.end() == 0
        assert time.monotonic() - started < 10
        slow.connection.close()


def test_workers_are_replaced_one_by_one_without_a_lost_answer(repository: Path) -> None:
    """SIGHUP: every worker is replaced, a slow request is answered by the old one, and all others go on meanwhile."""
    with running(repository, "--workers", "2") as server:
        before = server.workers()
        assert len(before) == 2
        slow = [start_slowly(server.port) for _ in range(4)]
        failures, answers, ended = [], [0], threading.Event()

        def ask() -> None:
            while not ended.is_set():
                try:
                    server.get("/health/live")
                    answers[0] += 1
                except OSError as error:
                    failures.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("answers what it has and ends")
        assert {request.finish() for request in slow} == {200}
        server.wait_for("reload done")
        after = server.workers()
        ended.set()
        asking.join(30)
        assert len(after) == 2
        assert not after & before
        assert failures == []
        assert answers[0] > 20
        # What the workers that left had counted is still there.
        wanted = 'likewise_requests_total{route="/get-online-features",status="200"} 4.0'
        end = time.monotonic() + 10
        while wanted not in server.get("/metrics") and time.monotonic() < end:
            time.sleep(0.2)
        assert wanted in server.get("/metrics")


def test_a_reload_that_fails_leaves_what_serves(repository: Path, tmp_path: Path) -> None:
    """A file of tokens that became empty: the log says so, the old workers and the old tokens go on."""
    tokens = tmp_path / "tokens"
    tokens.write_text("first-token\n")

    def status(server: Server, token: str) -> int:
        headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("POST", "/get-online-features", json.dumps(FULL), headers)
        found = connection.getresponse().status
        connection.close()
        return found

    with running(repository, "--workers", "2", "--read-token-file", str(tokens)) as server:
        assert (status(server, "first-token"), status(server, "second-token")) == (200, 401)
        before = server.workers()
        tokens.write_text("\n")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("reload given up")
        assert server.workers() == before
        assert status(server, "first-token") == 200
        tokens.write_text("second-token\n")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("reload done")
        assert (status(server, "first-token"), status(server, "second-token")) == (401, 200)
        for token in ("first-token", "second-token"):  # a caller's mistake puts it into a line of the log
            with pytest.raises(OSError, match="404"):
                server.get(f"/{token}")
        server.wait_for('"path":"/***"')
    assert not [token for token in ("first-token", "second-token") if token in "".join(server.log)]


@needs_openssl
def test_https_with_a_certificate_replaced_while_it_serves(repository: Path, tmp_path: Path) -> None:
    """HTTPS from the start line to the answer; SIGHUP brings the new certificate without a restart."""
    ours = authority(tmp_path)
    first, second = ours.sign("first"), ours.sign("second")
    context = ssl.create_default_context(cafile=ours.certificate)

    def name() -> str:
        with (
            socket.create_connection(("127.0.0.1", server.port), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
        ):
            found: Any = secure.getpeercert()
        return str(dict(pair[0] for pair in found["subject"])["commonName"])

    options = ["--tls-certificate", str(first.certificate), "--tls-key", str(first.key)]
    with running(repository, *options) as server:
        assert server.address.startswith("https://")
        assert name() == "first"
        with urllib.request.urlopen(f"{server.address}/metrics", timeout=20, context=context) as answer:
            expires = [line for line in answer.read().decode().splitlines() if line.startswith("likewise_tls_cert")]
        assert 29 < (float(expires[0].split()[1]) - time.time()) / 86_400 < 31
        first.certificate.write_bytes(second.certificate.read_bytes())
        first.key.write_bytes(second.key.read_bytes())
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("reload done")
        assert name() == "second"
        assert server.end() == 0


def test_every_line_of_a_running_server_is_json(repository: Path) -> None:
    """Settings, readiness, requests, and what uvicorn says of nonsense: one object a line."""
    with running(repository, LIKEWISE_TOKEN="write-hunter2") as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(b"nonsense\r\n\r\n")
            assert b"400" in connection.recv(4096)
        assert start_slowly(server.port).finish() == 200
        server.wait_for("Invalid HTTP request")
        server.end()
    loggers = {document.get("logger", "") for document in server.documents()}
    assert {"uvicorn.error", "likewise.requests"} <= loggers
    assert "hunter2" not in "".join(server.log)


def test_spans_of_a_running_server_arrive_with_its_on_demand_views(repository: Path) -> None:
    """Of a real lookup on real Redis: request, lookup, and each on-demand view on its thread, in one trace."""
    with collecting() as collector:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
        with running(repository, **environ) as server:
            assert start_slowly(server.port).finish() == 200
            spans = collector.wait(lambda spans: len(spans) >= 4)
    names = sorted((span.name, span.attributes.get("likewise.view", "")) for span in spans)
    assert names == [
        ("POST /get-online-features", ""),
        ("lookup", ""),
        ("on-demand", "calendar"),
        ("on-demand", "ratio"),
    ]
    (root,) = [span for span in spans if span.name.startswith("POST")]
    assert {span.parent for span in spans if span is not root} == {root.id}
    assert {span.trace for span in spans} == {root.trace}
