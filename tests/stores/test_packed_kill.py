"""A writer that is killed at any point and run again ends where an undisturbed one ends."""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
import redis
from feast.types import Float64, String

from likewise.stores.packed_migrate import Migration, migration_of
from tests.stores.packed_world import NOON, View, config_of, store_at

VIEW = View("killed", {**{f"x{at}": Float64 for at in range(20)}, "s": String})


def batches(n: int, seed: int) -> list[pa.RecordBatch]:
    """Return always the same n rows, of a third as many keys, in an order that the seed says."""
    rng = np.random.default_rng(1)
    uid, minutes = rng.integers(0, n // 3, n), rng.permutation(n)
    start = np.datetime64(NOON.replace(tzinfo=None), "us")
    table = pa.table(
        {
            "uid": uid,
            **{f"x{at}": minutes + at / 100 for at in range(20)},
            "s": [str(minute) for minute in minutes.tolist()],
            "event_timestamp": pa.array(start + minutes.astype("timedelta64[m]"), pa.timestamp("us", tz="UTC")),
            "created": pa.array(np.full(n, start), pa.timestamp("us", tz="UTC")),
        }
    )
    shuffled = table.take(pa.array(np.random.default_rng(seed).permutation(n)))
    return list(shuffled.combine_chunks().to_batches(max_chunksize=1000))


def write(url: str, n: int, seed: int) -> None:
    """Write all rows."""
    store_at().write_arrow(config_of(url), VIEW.feast(), batches(n, seed))


def kill_at(raw: redis.Redis, keys: int, action: Callable[..., object], *arguments: object) -> int:
    """Run an action in a process, kill it with -9 once Redis holds so many keys; return how many there were."""
    # Forked: importing Feast takes longer than the action.
    process = multiprocessing.get_context("fork").Process(target=action, args=arguments)
    process.start()
    while raw.dbsize() < keys and process.is_alive():
        time.sleep(0.0005)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    return int(raw.dbsize())


def check_kills(raw: redis.Redis, url: str, n: int, kills: int) -> None:
    """Kill writers at random points, one after the other; run one through; compare with an undisturbed run."""
    write(url, n, 0)
    expected, keys = raw.execute_command("DEBUG", "DIGEST"), raw.dbsize()
    raw.flushall()
    rng = random.Random(kills)
    points = sorted(rng.randrange(1, keys) for _ in range(kills))
    held = [kill_at(raw, point, write, url, n, seed) for seed, point in enumerate(points, start=1)]
    assert held[0] < keys
    assert held == sorted(held)  # nothing that landed is lost
    write(url, n, kills + 1)
    assert raw.execute_command("DEBUG", "DIGEST") == expected


def test_a_killed_writer_run_again_ends_in_the_same_state(redis_url: str, raw: redis.Redis) -> None:
    """Killed with -9 at three random points, rows in another order each time, then run through: the same bytes."""
    check_kills(raw, redis_url, 30_000, kills=3)


@pytest.mark.prove
@pytest.mark.parametrize("kills", [20, 21, 22])
def test_writers_killed_at_sixty_points(redis_url: str, raw: redis.Redis, kills: int) -> None:
    """The same with twenty kills and more over 60,000 rows, three times over."""
    check_kills(raw, redis_url, 60_000, kills)


@pytest.mark.slow
def test_a_killed_migration_run_again_is_complete(redis_url: str, raw: redis.Redis) -> None:
    """Killed with -9 between its batches and run again, a migration has moved every row, either way."""
    views = [VIEW.feast()]
    write(redis_url, 9000, 0)
    keys = raw.dbsize()

    def move(*, reverse: bool) -> Migration:
        migration = migration_of(config_of(redis_url))
        return migration.reversed() if reverse else migration

    for reverse in (True, False):
        held = kill_at(raw, raw.dbsize() + 1200, lambda reverse=reverse: move(reverse=reverse).copy(views))
        assert held < 2 * keys - 1
        move(reverse=reverse).copy(views)
        assert [report.equal for report in move(reverse=reverse).verify(views)] == [keys - 1]
        raw.delete(*(raw.scan_iter("lw1:exp:killed:*", count=1000) if reverse else ()), b"nothing")
