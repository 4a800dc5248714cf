"""Ways in which an online store fails for a while, each a function that returns when all is well again."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator

import redis
from _serving_bench import BenchProject
from _tcp_proxy import TcpProxy

from likewise.stores.embedded import attach, stop

Fault = Callable[[float], None]


def killed(project: BenchProject) -> Fault:
    """Return the fault of a Redis that is killed and comes back on its port with its data."""

    def fault(seconds: float) -> None:
        os.kill(attach(project.redis_folder).pid, signal.SIGKILL)
        time.sleep(seconds)
        attach(project.redis_folder)

    return fault


def moved(project: BenchProject) -> Fault:
    """Return the fault of an embedded Redis that is killed and comes back on another port: its own is taken."""

    def fault(seconds: float) -> None:
        server = attach(project.redis_folder)
        os.kill(server.pid, signal.SIGKILL)
        with contextlib.closing(_taken(server.port)):
            time.sleep(seconds)
            if attach(project.redis_folder).port == server.port:
                raise RuntimeError("Redis came back on its port: nothing was shown")

    return fault


def _taken(port: int) -> socket.socket:
    """Return a socket that holds a port which a killed server has just left."""
    for _ in range(100):
        holder = socket.socket()
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind(("127.0.0.1", port))
        except OSError:
            holder.close()
            time.sleep(0.02)
        else:
            # Two sockets share a port if both allow it, as Redis does.
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
            return holder
    raise RuntimeError(f"port {port} did not become free")


def frozen(project: BenchProject) -> Fault:
    """Return the fault of a Redis that is stopped in the middle of its work."""

    def fault(seconds: float) -> None:
        pid = attach(project.redis_folder).pid
        os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(pid, signal.SIGCONT)

    return fault


def silent(proxy: TcpProxy) -> Fault:
    """Return the fault of a peer that takes everything and says nothing; connections of that time stay so."""

    def fault(seconds: float) -> None:
        proxy.mode = "silent"
        time.sleep(seconds)
        proxy.mode = "pass"

    return fault


def slow(proxy: TcpProxy, delay_seconds: float) -> Fault:
    """Return the fault of a network that is slow."""

    def fault(seconds: float) -> None:
        proxy.delay_seconds = delay_seconds
        time.sleep(seconds)
        proxy.delay_seconds = 0.0

    return fault


@contextlib.contextmanager
def failing_over(project: BenchProject, proxy: TcpProxy) -> Iterator[Fault]:
    """Yield the fault of a host that dies without a word while its replica takes its address; twice, and back again."""
    folder = project.folder / "replica"
    try:
        servers = [attach(project.redis_folder), attach(folder)]

        def fault(seconds: float) -> None:
            alive = _replicated(servers[0].port, servers[1].port)
            proxy.mode = "silent"
            time.sleep(seconds)
            alive.execute_command("REPLICAOF", "NO", "ONE")
            proxy.target, proxy.mode = servers[1].port, "pass"
            servers.reverse()

        yield fault
    finally:
        stop(folder)


def _replicated(source: int, replica: int) -> "redis.Redis[bytes]":
    """Return a client of a Redis that now holds what the other holds."""
    client = redis.Redis(port=replica)
    client.execute_command("REPLICAOF", "127.0.0.1", str(source))
    for _ in range(1_000):
        if client.info("replication").get("master_link_status") == "up":
            return client
        time.sleep(0.02)
    raise RuntimeError("the replica did not catch up")
