"""Runs the server: one process or several, a clear line when it is ready, a graceful end."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from likewise.serving.announcement import Announcement, report_when_ready
from likewise.serving.app import build_app
from likewise.serving.direct_http import DirectHttp
from likewise.serving.ending import CLOSING_SECONDS, Ending
from likewise.serving.errors import SettingsError
from likewise.serving.metrics_board import MetricsBoard
from likewise.serving.open_predict_parts import needs_no_feast
from likewise.serving.open_predict_parts import opener as predict_opener
from likewise.serving.parts import Parts
from likewise.serving.prefork import Tell, Workers, hangup_reloads
from likewise.serving.redaction import Redactor, redactor_of
from likewise.serving.release_dir import read_release_dir
from likewise.serving.settings import ServingSettings
from likewise.serving.slow_clients import end_overdue
from likewise.serving.structured_logs import configure_logging
from likewise.serving.tls import ServerTls
from likewise.serving.tokens import tokens_of
from likewise.transforms.errors import LikewiseError
from likewise.transforms.registry import Registry

BACKLOG = 2048
# libuv takes one connection per listening descriptor and turn of its loop: with one, a busy worker left 1,000 new
# connections waiting for 10 s. Among 64 busy keep-alive connections 64 that connect anew for each request got 188/s
# with one, 472/s with 8, 928/s with 32 (p99 0.94, 0.26, 0.12 s); alone, either kind is as fast with each (2026-11).
EARS = 32
LEAVING_SECONDS = 0.5

logger = logging.getLogger(__name__)

Opener = Callable[[ServingSettings], Parts]


def run(settings: ServingSettings) -> None:
    """Serve until SIGINT or SIGTERM; requests under way are answered first.

    At SIGHUP (not at a terminal) certificates and files of tokens are read again: one process does so in place,
    several workers are replaced one by one, each when its successor is ready.

    Parameters
    ----------
    settings
        What to serve; port 0 takes a free one.

    Raises
    ------
    LikewiseError
        The repository, the registry or a release can't be used; nothing was served.
    """
    redact = redactor_of(settings, os.environ)
    configure_logging(settings.log.format, redact)
    _check_files(settings)
    _check_source(settings)
    # What opens the parts is looked for before workers are forked: they share what it imports.
    serve = partial(_serve, settings, partial(_app, settings, _opener(settings), redact))
    with _listen(settings) as listener:
        announcement = Announcement(_url(settings, listener), settings.log.format)
        if settings.workers == 1:
            serve(listener, announcement.tell)
            return
        gc.freeze()  # collections in workers then leave the pages that they share alone
        listener.listen(BACKLOG)
        with tempfile.TemporaryDirectory(prefix="likewise-metrics-") as folder:
            board = MetricsBoard(Path(folder))
            end_seconds = settings.drain_seconds + CLOSING_SECONDS
            work = partial(serve, listener, board=board)
            Workers(settings.workers, work, end_seconds).run(announcement.tell)


def _opener(settings: ServingSettings) -> Opener:
    """Return what opens the parts of a worker, imported now: Feast costs 5 s and 60 MB, and not all need it."""
    if settings.release_dir is None and needs_no_feast(settings):
        return predict_opener(settings)
    name = "open_parts" if settings.release_dir is None else "open_release_dir"
    opener: Opener = import_module(f"likewise.serving.{name}").open_parts
    return opener


def _serve(
    settings: ServingSettings,
    make_app: Callable[[MetricsBoard | None], FastAPI],
    listener: socket.socket,
    tell: Tell,
    board: MetricsBoard | None = None,
) -> None:
    tls = ServerTls(settings.tls) if settings.tls else None
    app = make_app(board)
    if tls is not None:
        app.state.metrics.certificate_expires.set(tls.expires.timestamp())
    # Of several workers each is replaced as a whole; one alone must change in place.
    server = _Server(_config(app, settings, tls), app.state.ending, _reload(app, tls) if board is None else None)
    report_when_ready(lambda: app.state.readiness() if server.started else None, tell)
    server.run(sockets=_ears(listener))


def _reload(app: FastAPI, tls: ServerTls | None) -> Callable[[], None]:
    """Return what SIGHUP does to a server of one process."""

    def reload() -> None:
        try:
            app.state.access.reload()
            if tls is not None:
                tls.reload()
                app.state.metrics.certificate_expires.set(tls.expires.timestamp())
        except LikewiseError as error:
            logger.error("reload given up, what served before goes on: %s", error)
        else:
            logger.info("reload done: files of tokens and certificates are read again")

    return reload


def _ears(listener: socket.socket) -> list[socket.socket]:
    """Return a listening socket as several descriptors."""
    return [listener, *(listener.dup() for _ in range(EARS - 1))]


class _Server(uvicorn.Server):
    """A server that returns after a graceful end; uvicorn's raises the signal again, which ends the process.

    Parameters
    ----------
    config
        Uvicorn's.
    ending
        Told when the end begins.
    reload
        What SIGHUP does (blocking); None: nothing.
    """

    def __init__(self, config: uvicorn.Config, ending: Ending, reload: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._ending, self._reload = ending, reload
        self._is_reload_wanted = False

    async def on_tick(self, counter: int) -> bool:
        """Reload when asked to; uvicorn calls this ten times a second."""
        if self._is_reload_wanted and self._reload is not None:
            self._is_reload_wanted = False
            await asyncio.to_thread(self._reload)
        if counter % 10 == 0:
            end_overdue(self.server_state.connections, asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, have clients leave with their next answer, then end as uvicorn does.

        Uvicorn alone closes at once what is idle: a connection accepted a moment ago loses the request that it is
        about to bring.
        """
        for server in self.servers:
            server.close()
        self.server_state.default_headers = [*self.server_state.default_headers, (b"connection", b"close")]
        await asyncio.sleep(LEAVING_SECONDS)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the end, as uvicorn does; from now on its time runs."""
        self._ending.begin()
        super().handle_exit(sig, frame)

    def _hang_up(self, _: int, __: FrameType | None) -> None:
        self._is_reload_wanted = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle SIGINT and SIGTERM while serving; put back what was there before."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        if self._reload is not None:
            hang_up = self._hang_up if hangup_reloads() else self.handle_exit
            before[signal.SIGHUP] = signal.signal(signal.SIGHUP, hang_up)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _app(settings: ServingSettings, open_parts: Opener, redact: Redactor, board: MetricsBoard | None) -> FastAPI:
    app = build_app(settings, open_parts(settings), board)
    app.state.access.watch_tokens(redact.learn)
    # What is loaded by now lives as long as the process: collections need not walk it (0.1 s each otherwise).
    gc.collect()
    gc.freeze()
    return app


def _config(app: FastAPI, settings: ServingSettings, tls: ServerTls | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=DirectHttp,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=settings.drain_seconds,
        ssl_context_factory=None if tls is None else lambda *_: tls.context,
        backlog=BACKLOG,
    )


def _check_files(settings: ServingSettings) -> None:
    """Refuse certificates, files of tokens and a request log that can't be used while the caller still listens."""
    tokens_of(settings.tokens)
    if settings.request_log is not None:
        _check_writable(settings.request_log)
    if settings.tls is not None:
        ServerTls(settings.tls)


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        wanted = f"a folder that files can be written to ({error.strerror})"
        raise SettingsError("request_log", wanted, str(folder)) from error


def _check_source(settings: ServingSettings) -> None:
    """Refuse what can't be served while the caller still listens: workers could only say so in their log."""
    if settings.release_dir is not None:
        read_release_dir(settings.release_dir)
        return
    if not (settings.repo / "feature_store.yaml").is_file():
        raise SettingsError("repo", "a folder with feature_store.yaml (`--repo`, LIKEWISE_REPO)", str(settings.repo))
    if "predict" in settings.roles and settings.releases:
        registry = Registry(settings.registry, settings.blobs, create=False)
        for reference in settings.releases:
            registry.release(reference)


def _listen(settings: ServingSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Workers share this flag, and `dup` sets it as Python believes it to be: a worker that starts would make the
    # others wait in `accept`, for the next connection, with all they have under way.
    listener.settimeout(0)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        where = f"{settings.host}:{settings.port}"
        raise SettingsError("port", f"an address that is free ({error.strerror})", where) from error
    return listener


def _url(settings: ServingSettings, listener: socket.socket) -> str:
    host = settings.host if settings.host not in ("0.0.0.0", "::") else "127.0.0.1"  # noqa: S104  compared, not bound
    scheme = "http" if settings.tls is None else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
