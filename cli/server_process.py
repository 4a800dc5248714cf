"""A serving process of our own: started, awaited, asked, stopped by its id."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from likewise.cli.errors import ServerFailedError

HOST = "127.0.0.1"
READY_SECONDS = 120.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that is ready; `process` tells its exit status once it was stopped."""

    port: int
    log: Path
    process: "subprocess.Popen[bytes]"

    def predict(self, release: str, rows: Sequence[Mapping[str, Any]], request_fields: Sequence[str]) -> list["Asked"]:
        """Ask for one row at a time over one connection; return each answer with its time."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=30)
        try:
            return [self._ask(connection, release, row, request_fields) for row in rows]
        finally:
            connection.close()

    def _ask(
        self,
        connection: http.client.HTTPConnection,
        release: str,
        row: Mapping[str, Any],
        request_fields: Sequence[str],
    ) -> "Asked":
        keys = {name: [value] for name, value in row.items() if name not in request_fields}
        body = json.dumps({"entities": keys, "request": {name: [row[name]] for name in request_fields}})
        started = time.perf_counter()
        connection.request("POST", f"/v1/predict/{release}", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        seconds = time.perf_counter() - started
        if answer.status != http.client.OK:
            raise ServerFailedError(f"POST /v1/predict/{release} answered {answer.status}", content.decode()[:600])
        found = json.loads(content)
        return Asked(float(found["predictions"][0]), found["release"], seconds)


@dataclass(frozen=True, slots=True)
class Asked:
    """One answer: the prediction, the release that gave it, and how long it took on this side, in seconds."""

    prediction: float
    release: str
    seconds: float


@contextmanager
def serving(arguments: Sequence[str], log: Path) -> Iterator[RunningServer]:
    """Run `likewise serve` on a free port of loopback for as long as the block runs.

    Raises
    ------
    ServerFailedError
        It did not become ready; the message ends with the last lines of its log.
    """
    port = _free_port()
    command = [sys.executable, "-c", "from likewise.cli.main import main; main()", "serve", "--port", str(port)]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen([*command, *arguments], stdout=output, stderr=output, env=os.environ.copy())
    try:
        _await_ready(process, port, log)
        yield RunningServer(port, log, process)
    finally:
        _stop(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _await_ready(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and process.poll() is None:
        if _is_ready(port):
            return
        time.sleep(POLL_SECONDS)
    why = "ended" if process.poll() is not None else f"was not ready within {READY_SECONDS:.0f} s"
    raise ServerFailedError(f"`likewise serve` {why}", "\n".join(log.read_text("utf-8").splitlines()[-12:]))


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
