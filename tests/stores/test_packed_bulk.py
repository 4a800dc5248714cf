"""A bulk write as a whole: bounded memory, and what a restart of Redis in the middle of it does."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import redis
from feast import Entity, ValueType
from feast.types import Float64

from likewise.stores.embedded import attach, stop
from likewise.stores.packed_errors import RedisUnreachableError
from tests.stores.feast_repository import apply, make_store
from tests.stores.packed_world import NOON, View, config_of, entity, numbers, store_at

VIEW = View("bulk", {**{f"x{at:02d}": Float64 for at in range(49)}, "x": Float64})
MEASURED = """
import resource, sys
from tests.stores.packed_world import config_of, store_at
from tests.stores.test_packed_bulk import VIEW, batches

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

url, rows = sys.argv[1], int(sys.argv[2])
store_at().write_arrow(config_of(url), VIEW.feast(), batches(10_000))
before = peak()
landed = store_at().write_arrow(config_of(url), VIEW.feast(), batches(rows))
print(landed, peak() - before)
"""
MATERIALIZED = """
import resource, sys
from datetime import timedelta
from pathlib import Path
from likewise.stores.embedded import attach
from tests.stores.feast_repository import store_of
from tests.stores.packed_world import NOON

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

folder, url = Path(sys.argv[1]), sys.argv[2]
store = store_of(
    folder,
    {"type": "likewise.stores.asof_duckdb.AsofDuckDBOfflineStore", "memory_limit": "300MB"},
    {"type": "likewise.stores.packed_redis.PackedRedisOnlineStore", "connection_string": url},
    batch_engine={"type": "likewise.stores.local_engine.LikewiseEngine"},
)
before = peak()
store.materialize(NOON - timedelta(hours=1), NOON + timedelta(hours=1))
print(peak() - before)
"""


def batches(rows: int) -> Iterator[pa.RecordBatch]:
    """Yield rows of 50 numbers, 10,000 at a time, made as they are asked for."""
    values = {f"x{at:02d}": np.arange(10_000) * 0.5 + at for at in range(49)}
    moment = np.full(10_000, np.datetime64(NOON.replace(tzinfo=None), "us"))
    times = pa.array(moment, pa.timestamp("us", tz="UTC"))
    for start in range(0, rows, 10_000):
        uid = np.arange(start, start + 10_000)
        yield pa.RecordBatch.from_pydict(
            {"uid": uid, **values, "x": uid * 1.0, "event_timestamp": times, "created": times}
        )


@pytest.mark.prove
def test_a_million_rows_pass_through_bounded_memory(redis_url: str, raw: redis.Redis) -> None:
    """Writing 1,000,000 rows of 50 numbers (440 MB packed) makes the process grow by less than 60 MB."""
    arguments = [sys.executable, "-c", MEASURED, redis_url, "1000000"]
    root = Path(__file__).parents[2]
    answer = subprocess.run(arguments, cwd=root, capture_output=True, text=True, check=True)
    landed, grown = map(int, answer.stdout.split())
    assert landed == 1_000_000
    assert raw.dbsize() == 1_000_001
    assert grown < 60_000_000


@pytest.mark.prove
def test_a_million_rows_are_materialized_in_bounded_memory(tmp_path: Path, redis_url: str, raw: redis.Redis) -> None:
    """`materialize` of 1,000,000 x 50 with DuckDB's `memory_limit` at 300 MB grows the process by less than 450 MB."""
    with pq.ParquetWriter(tmp_path / "bulk.parquet", next(batches(1)).schema) as file:
        for batch in batches(1_000_000):
            file.write_batch(batch)
    uid = Entity(name="uid", join_keys=["uid"], value_type=ValueType.INT64)
    view = View("bulk", VIEW.fields, path=str(tmp_path / "bulk.parquet")).feast()
    apply(make_store(tmp_path), [uid, view])
    arguments = [sys.executable, "-W", "ignore", "-c", MATERIALIZED, str(tmp_path), redis_url]
    root = Path(__file__).parents[2]
    answer = subprocess.run(arguments, cwd=root, capture_output=True, text=True, check=True)
    assert raw.dbsize() == 1_000_001
    assert int(answer.stdout.split()[-1]) < 450_000_000


@pytest.mark.slow
@pytest.mark.parametrize("restarts", [True, False])
def test_redis_goes_away_in_the_middle(tmp_path: Path, restarts: bool) -> None:
    """Killed while rows stream in: back within a second the write goes on, else it fails by name; no row is half.

    Run again it is complete: what Redis had acknowledged within its last second may have to be written anew.
    """
    home, rows = tmp_path / "redis", 60_000
    server = attach(home)
    try:
        store, config = store_at(), config_of(f"embedded:{home}")
        store.write_arrow(config, VIEW.feast(), batches(10_000))
        sent = threading.Event()

        def restart() -> None:
            sent.wait(30)
            os.kill(server.pid, signal.SIGKILL)
            if restarts:
                attach(home)

        killing = threading.Thread(target=restart)
        killing.start()
        # Under load the server may come back later than a write waits: an error then is right too.
        ends = (
            contextlib.suppress(RedisUnreachableError)
            if restarts
            else pytest.raises(RedisUnreachableError, match="again")
        )
        with ends:
            store.write_arrow(config, VIEW.feast(), batches(rows), lambda _: sent.set())
        killing.join()
        attach(home)
        check(home, rows, complete=False)
        store_at().write_arrow(config, VIEW.feast(), batches(rows))
        check(home, rows, complete=True)
        store.link(config).close()
    finally:
        stop(home)


def check(home: Path, rows: int, complete: bool) -> None:
    """Read every row by a new client: it is whole and its own (each read checks its sums), or absent."""
    config, reader = config_of(f"embedded:{home}"), store_at()
    for start in range(0, rows, 10_000):
        uids = range(start, start + 10_000)
        found = numbers(reader.online_read(config, VIEW.feast(), [entity(uid) for uid in uids], ["x"]))
        assert all(x == uid or (x is None and not complete) for uid, x in zip(uids, found, strict=True))
    reader.link(config).close()
