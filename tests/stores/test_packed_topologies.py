"""The packed store on a real Redis Cluster and behind a real Sentinel."""

import asyncio
import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from feast.infra.online_stores.redis import RedisOnlineStore
from redis.exceptions import RedisError

from likewise.stores.clock import FixedClock
from likewise.stores.embedded import server_binary
from likewise.stores.packed_migrate import migration_of, run_ids
from likewise.stores.packed_read import PackedReader, ViewRequest
from likewise.stores.packed_redis import PackedRedisOnlineStore
from tests.stores.packed_world import NOON, View, config_of, entity, numbers, row

pytestmark = pytest.mark.slow
SLOTS = 16384


def free_ports(count: int) -> list[int]:
    """Return free TCP ports whose cluster bus ports (10,000 higher) exist."""
    with contextlib.ExitStack() as stack:
        ports: list[int] = []
        while len(ports) < count:
            probe = stack.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            if probe.getsockname()[1] < 55_000:
                ports.append(probe.getsockname()[1])
        return ports


@contextlib.contextmanager
def server(folder: Path, *arguments: str) -> Iterator[None]:
    """Run a redis-server in the foreground of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [server_binary(), *arguments]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def until(happens: Callable[[], bool]) -> None:
    """Wait until something is true, for at most 30 s."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(RedisError):
            if happens():
                return
        time.sleep(0.05)
    raise TimeoutError


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a cluster of three nodes; return its addresses in Feast's form."""
    ports = free_ports(3)
    folder = tmp_path_factory.mktemp("cluster")
    with contextlib.ExitStack() as stack:
        for port in ports:
            stack.enter_context(
                server(folder / str(port), "--port", str(port), "--cluster-enabled", "yes", "--save", "")
            )
        nodes = [stack.enter_context(redis.Redis(port=port)) for port in ports]
        for at, node in enumerate(nodes):
            until(node.ping)
            node.execute_command("CLUSTER ADDSLOTS", *range(at * SLOTS // 3, (at + 1) * SLOTS // 3))
            node.execute_command("CLUSTER MEET", "127.0.0.1", ports[0])
        for node in nodes:
            until(lambda node=node: node.execute_command("CLUSTER INFO")["cluster_state"] == "ok")
        yield ",".join(f"127.0.0.1:{port}" for port in ports)


def check(config: object) -> None:
    """Write, read, order, delete and read natively, in both ways."""
    store, view = PackedRedisOnlineStore(clock=FixedClock(NOON)), View().feast()
    uids = range(50)
    keys = [entity(uid) for uid in uids]
    store.online_write_batch(config, view, [row(uid, float(uid)) for uid in uids], None)
    store.online_write_batch(config, view, [row(uid, -1.0, NOON.replace(year=2000)) for uid in uids], None)
    assert numbers(store.online_read(config, view, keys, ["x"])) == [float(uid) for uid in uids]
    request = ViewRequest("stats", ("uid",), ("x",), (view.features[0].dtype.to_value_type(),))
    reader = PackedReader(store.link(config).client, "exp", [request], FixedClock(NOON))
    assert reader.read({"uid": [7, 99]})[0].columns["x"].objects() == [7.0, None]

    async def on_a_loop() -> list[float | None]:
        try:
            await store.online_write_batch_async(config, view, [row(3, 33.0)], None)
            return numbers(await store.online_read_async(config, view, keys[:5], ["x"]))
        finally:
            await store.close()

    assert asyncio.run(on_a_loop()) == [0.0, 1.0, 2.0, 33.0, 4.0]
    fresh = PackedRedisOnlineStore(clock=FixedClock(NOON))
    fresh.teardown(config, [view], [])
    assert numbers(fresh.online_read(config, view, keys, ["x"])) == [None] * len(keys)
    fresh.link(config).close()


def test_a_cluster_does_all_that_a_single_server_does(cluster: str) -> None:
    """Rows spread over three nodes are written in order, read, deleted, sync and async."""
    check(config_of(cluster, redis_type="redis_cluster"))


def test_a_cluster_is_migrated(cluster: str) -> None:
    """Feast's rows on three nodes are packed, compared, dropped and written back; every node is watched."""
    config, view = config_of(cluster, redis_type="redis_cluster"), View("moved").feast()
    rows = [row(uid, float(uid)) for uid in range(300)]
    stock = RedisOnlineStore()
    stock.online_write_batch(config, view, rows, None)
    migration = migration_of(config)
    assert len(run_ids(migration.link.client)) == 3
    assert [report.landed for report in migration.copy([view])] == [300]
    assert [report.equal for report in migration.verify([view])] == [300]
    assert [report.cleared for report in migration.clear([view])] == [300]
    assert [report.rows for report in migration.count([view])] == [0]
    assert [report.landed for report in migration.reversed().copy([view])] == [300]
    found = stock.online_read(config, view, [entity(uid) for uid in range(300)], ["x"])
    assert numbers(found) == [float(uid) for uid in range(300)]
    migration.link.close()
    stock._get_client(config.online_store).close()


def test_a_master_is_found_through_sentinel(tmp_path: Path) -> None:
    """With Sentinel's address only, the store finds the master and works there."""
    master, sentinel = free_ports(2)
    (tmp_path / "sentinel.conf").write_text(f"port {sentinel}\nsentinel monitor likewise 127.0.0.1 {master} 1\n")
    with (
        server(tmp_path / "master", "--port", str(master), "--save", ""),
        server(tmp_path / "sentinel", str(tmp_path / "sentinel.conf"), "--sentinel"),
        redis.Redis(port=sentinel) as asked,
    ):
        until(lambda: asked.execute_command("SENTINEL MASTERS") is not None)
        check(config_of(f"127.0.0.1:{sentinel}", redis_type="redis_sentinel", sentinel_master="likewise"))
