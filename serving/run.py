"""Runs the server: one process or several, a clear line when it is ready, a graceful end."""

import contextlib
import gc
import json
import logging
import signal
import socket
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from likewise.serving.app import build_app
from likewise.serving.errors import SettingsError
from likewise.serving.metrics_board import MetricsBoard
from likewise.serving.open_parts import open_parts
from likewise.serving.prefork import Workers
from likewise.serving.settings import ServingSettings
from likewise.transforms.registry import Registry

GRACE_SECONDS = 10
BACKLOG = 2048
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_NOT_READY_AFTER_SECONDS = 30.0

logger = logging.getLogger(__name__)


def run(settings: ServingSettings) -> None:
    """Serve until SIGINT or SIGTERM; requests under way are answered first.

    Parameters
    ----------
    settings
        What to serve; port 0 takes a free one.

    Raises
    ------
    LikewiseError
        The repository, the registry or a release can't be used; nothing was served.
    """
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    logging.getLogger("feast").setLevel(logging.WARNING)  # it tells of every look at its registry
    _check_releases(settings)
    with _listen(settings) as listener:
        announcement = _Announcement(_url(settings, listener))
        if settings.workers == 1:
            app = _app(settings)
            threading.Thread(target=announcement.keep_looking, daemon=True).start()
            _serve(app, listener)
            return
        _check_repository(settings)
        gc.freeze()  # collections in workers then leave the pages that they share alone
        listener.listen(BACKLOG)
        with tempfile.TemporaryDirectory(prefix="likewise-metrics-") as folder:
            board = MetricsBoard(Path(folder))
            workers = Workers(settings.workers, lambda: _serve(_app(settings, board), listener), GRACE_SECONDS + 5)
            workers.run(announcement.look)


def _serve(app: FastAPI, listener: socket.socket) -> None:
    _Server(_config(app)).run(sockets=[listener])


class _Server(uvicorn.Server):
    """A server that returns after a graceful end; uvicorn's raises the signal again, which ends the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle SIGINT and SIGTERM while serving; put back what was there before."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _app(settings: ServingSettings, board: MetricsBoard | None = None) -> FastAPI:
    app = build_app(settings, open_parts(settings), board)
    # What is loaded by now lives as long as the process: collections need not walk it (0.1 s each otherwise).
    gc.collect()
    gc.freeze()
    return app


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        backlog=BACKLOG,
    )


def _check_releases(settings: ServingSettings) -> None:
    """Refuse a release that does not exist while the caller still listens."""
    if "predict" in settings.roles and settings.releases:
        registry = Registry(settings.registry, settings.blobs, create=False)
        for reference in settings.releases:
            registry.release(reference)


def _check_repository(settings: ServingSettings) -> None:
    """Refuse a folder without a repository here: workers could only say so in their log."""
    if not (settings.repo / "feature_store.yaml").is_file():
        raise SettingsError("repo", "a folder with feature_store.yaml (`--repo`, LIKEWISE_REPO)", str(settings.repo))


def _listen(settings: ServingSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        where = f"{settings.host}:{settings.port}"
        raise SettingsError("port", f"an address that is free ({error.strerror})", where) from error
    return listener


def _url(settings: ServingSettings, listener: socket.socket) -> str:
    host = settings.host if settings.host not in ("0.0.0.0", "::") else "127.0.0.1"  # noqa: S104  compared, not bound
    return (
        f"http://[{host}]:{listener.getsockname()[1]}" if ":" in host else f"http://{host}:{listener.getsockname()[1]}"
    )


class _Announcement:
    """Prints one line when the server is ready, and why it is not when that takes long."""

    def __init__(self, address: str) -> None:
        self._address, self._started = address, time.monotonic()
        self._is_ready = self._told = False

    def look(self) -> None:
        """Look once."""
        if self._is_ready:
            return
        state = _readiness(self._address)
        self._is_ready = state.get("status") == "ready"
        if self._is_ready:
            answers = [slot["answers_with"] for slot in state["releases"].values()]
            what = f"release {', '.join(answers)}" if answers else "features"
            _say(f"Likewise serves {what} on {self._address} (try {self._address}/docs)")
        elif state and not self._told and time.monotonic() - self._started > _NOT_READY_AFTER_SECONDS:
            self._told = True
            _say(f"Likewise listens on {self._address} but is not ready: {json.dumps(state)}")

    def keep_looking(self) -> None:
        """Look until the server is ready."""
        while not self._is_ready:
            self.look()
            time.sleep(0.1)


def _readiness(address: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(f"{address}/health/ready", timeout=1) as answer:  # noqa: S310  our own address
            found: dict[str, Any] = json.load(answer)
        return found
    except urllib.error.HTTPError as error:
        with error:
            refused: dict[str, Any] = json.load(error)
        return refused
    except (OSError, ValueError):
        return {}


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
