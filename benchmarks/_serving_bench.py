"""A project with Redis and releases in a folder, and our server over it: what the load and fault runs stand on."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from likewise.stores.embedded import EmbeddedServer, attach, stop

PACKED = "  type: likewise.stores.packed_redis.PackedRedisOnlineStore\n  connection_string: {}"
_MAKE = """
import sys
sys.path.insert(0, {here!r})
from pathlib import Path
from _serving_project import make_repository, publish_release
if __name__ == "__main__":
    repository = make_repository(Path({repo!r}), {online!r})
    for seed in range({releases}):
        publish_release(repository, {url!r}, {views}, seed)
"""
_SERVE = """
from pathlib import Path, PosixPath
from likewise.serving.run import run
from likewise.serving.settings import Limits, ServingSettings
if __name__ == "__main__":
    run(ServingSettings(repo=Path({repo!r}), registry={url!r}, port=0, limits=Limits(**{limits!r}), **{settings!r}))
"""


@dataclass(frozen=True, slots=True)
class BenchProject:
    """A Feast repository, its Redis, and releases `bench:1` and on of `10 * views` features; `bench@prod` is 1."""

    folder: Path
    redis: EmbeddedServer

    @property
    def repo(self) -> Path:
        """Return the Feast repository."""
        return self.folder / "repo"

    @property
    def registry(self) -> str:
        """Return the URL of the registry."""
        return f"sqlite:///{self.folder}/likewise.db"

    @property
    def environ(self) -> dict[str, str]:
        """Return what tells commands where everything of it is."""
        return {
            "LIKEWISE_REPO": str(self.repo),
            "LIKEWISE_REGISTRY": self.registry,
            "LIKEWISE_BLOBS": str(self.folder / "blobs"),
            "BENCH_REDIS": self.redis.url,
        }

    @property
    def redis_folder(self) -> Path:
        """Return where Redis keeps its data."""
        return self.folder / "redis"


@dataclass(frozen=True, slots=True)
class Served:
    """A server of ours in a process of its own."""

    process: subprocess.Popen[str]
    port: int

    def workers(self) -> list[psutil.Process]:
        """Return the processes that answer."""
        parent = psutil.Process(self.process.pid)
        children = [child for child in parent.children() if child.status() != psutil.STATUS_ZOMBIE]
        return children or [parent]


@dataclass(frozen=True, slots=True)
class Serving:
    """How our server is started.

    Attributes
    ----------
    settings, limits
        Members of `ServingSettings` and of its `Limits`, plain values.
    through
        A Redis URL to read instead of the project's (a proxy in front of it).
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)
    through: str | None = None


@contextlib.contextmanager
def bench_project(folder: Path, views: int = 1, releases: int = 1) -> Iterator[BenchProject]:
    """Make the project (TensorFlow and Feast in a process of their own); its Redis is stopped at the end."""
    try:
        project = BenchProject(folder, attach(folder / "redis"))
        online = PACKED.format("${BENCH_REDIS}")
        sizes = {"views": views, "releases": releases}
        code = _MAKE.format(
            here=str(Path(__file__).parent), repo=str(project.repo), online=online, url=project.registry, **sizes
        )
        command = _script(folder / "make_project.py", code)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=_environment(project.redis.url))
        yield project
    finally:
        stop(folder / "redis")


@contextlib.contextmanager
def serve(project: BenchProject, serving: Serving) -> Iterator[Served]:
    """Run our server until the end of the block; it is ready when the block begins."""
    chosen = {"releases": ("bench@prod",), **serving.settings}
    code = _SERVE.format(repo=str(project.repo), url=project.registry, limits=dict(serving.limits), settings=chosen)
    environment = _environment(serving.through or project.redis.url)
    with subprocess.Popen(
        _script(project.folder / "serve.py", code), stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line.startswith("Likewise serves"):
                raise SystemExit(f"the server did not start: {line}")
            yield Served(process, int(line.split(" on ")[1].split()[0].rsplit(":", 1)[1]))
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(30)


@contextlib.contextmanager
def serve_feast(project: BenchProject, workers: int) -> Iterator[int]:
    """Run `feast serve` on Feast's own Redis store, in the same Redis with the same rows; yield its port."""
    repo = project.folder / "stock"
    address = project.redis.url.removeprefix("redis://").partition("/")[0]
    online = f"  type: redis\n  connection_string: {address}"
    code = _MAKE.format(here=str(Path(__file__).parent), repo=str(repo), online=online, url="", views=0, releases=0)
    subprocess.run(_script(project.folder / "make_stock.py", code), check=True, stdout=subprocess.DEVNULL)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    feast = [str(Path(sys.executable).with_name("feast")), "-c", str(repo), "serve", "-p", str(port)]
    command = [*feast, "-w", str(workers), "--no-access-log"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _await_health(process, port)
            yield port
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _await_health(process: "subprocess.Popen[bytes]", port: int) -> None:
    end = time.monotonic() + 90
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
            return
        time.sleep(0.2)
    raise SystemExit("`feast serve` did not start")


def predict_body(users: list[int]) -> bytes:
    """Return the body of a prediction for some users."""
    return json.dumps({"entities": {"user_id": users}}).encode()


def _script(path: Path, code: str) -> list[str]:
    path.write_text(code)
    return [sys.executable, "-W", "ignore", str(path)]


def _environment(redis: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    return {**inherited, "BENCH_REDIS": redis}
