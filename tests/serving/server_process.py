"""`likewise serve` in a process of its own, as in production: started, read, told to end."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.serving.fakes import NOW


@dataclass
class Server:
    """`likewise serve` in a process of its own."""

    process: subprocess.Popen[str]
    log: list[str] = field(default_factory=list)
    address: str = ""

    @property
    def port(self) -> int:
        """The port that it took."""
        return int(self.address.rsplit(":", 1)[1])

    def wait_for(self, text: str, seconds: float = 60.0) -> str:
        """Return the first line of the log with a text, once it is there."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for line in list(self.log):
                if text in line:
                    return line
            time.sleep(0.05)
        raise AssertionError(f"no {text!r} in:\n{''.join(self.log)}")

    def documents(self) -> list[dict[str, Any]]:
        """Return the log."""
        return [json.loads(line) for line in self.log]

    def get(self, path: str) -> str:
        """Return an answer's text."""
        with urllib.request.urlopen(self.address + path, timeout=20) as answer:
            return str(answer.read().decode())

    def workers(self) -> set[int]:
        """Return the process ids of its workers."""
        children = psutil.Process(self.process.pid).children()
        return {child.pid for child in children if child.status() != psutil.STATUS_ZOMBIE}

    def end(self) -> int:
        """Tell it to end; return its status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)


@contextmanager
def running(repository: Path, *options: str, **environ: str) -> Iterator[Server]:
    """Run a server of the role `features` that logs JSON, until it was told that it is ready and to the block's end."""
    command = [sys.executable, "-W", "ignore", "-c", "from likewise.cli.main import main; main()", "serve"]
    command += ["--repo", str(repository), "--roles", "features", "--port", "0", "--log-format", "json", *options]
    own = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    own |= {"LIKEWISE_CLOCK": NOW.isoformat(), **environ}
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, env=own) as process:
        server = Server(process)
        stream = process.stderr
        assert stream is not None
        reader = threading.Thread(target=lambda: server.log.extend(iter(stream.readline, "")), daemon=True)
        reader.start()
        try:
            server.address = json.loads(server.wait_for("Likewise serves"))["address"]
            yield server
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(40)
            reader.join(5)
