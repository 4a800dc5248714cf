"""Several processes that write the same keys at once, each its share of the rows in an order of its own."""

import multiprocessing
import random
from datetime import timedelta
from multiprocessing.synchronize import Barrier

import pytest
import redis

from tests.stores.packed_world import NOON, Row, View, config_of, entity, row, store_at

VIEW = View("raced")
PROCESSES = 8
CREATED = 4  # versions of each event


def share(part: int, keys: int, events: int) -> list[Row]:
    """Return one process's rows, shuffled; those of the last event but one version go to all.

    A value names its row, so that the end tells which one won: 1000 * event + version.
    """
    rows = [
        row(uid, 1000.0 * event + known, NOON + timedelta(microseconds=event), NOON + timedelta(microseconds=known))
        for uid in range(keys)
        for event in range(events)
        for known in range(CREATED)
        if (uid + event + known) % PROCESSES == part or (event, known) == (events - 1, CREATED - 2)
    ]
    random.Random(part).shuffle(rows)
    return rows


def write(url: str, rows: list[Row], size: int, start: Barrier) -> None:
    """Write a process's rows in batches, from the moment on when all are ready."""
    store, view, config = store_at(), VIEW.feast(), config_of(url)
    start.wait(60)
    for at in range(0, len(rows), size):
        store.online_write_batch(config, view, rows[at : at + size], None)


def race(url: str, keys: int, events: int, size: int) -> set[float | None]:
    """Let eight processes write at once; return the values that all keys ended with."""
    # Forked: importing Feast in each of them would take longer than the race.
    context = multiprocessing.get_context("fork")
    start = context.Barrier(PROCESSES)
    running = [
        context.Process(target=write, args=(url, share(part, keys, events), size, start)) for part in range(PROCESSES)
    ]
    for process in running:
        process.start()
    for process in running:
        process.join()
    assert [process.exitcode for process in running] == [0] * PROCESSES
    found = store_at().online_read(config_of(url), VIEW.feast(), [entity(uid) for uid in range(keys)], ["x"])
    return {None if values is None else values["x"].double_val for _, values in found}


@pytest.mark.parametrize("size", [5, 60])
def test_eight_processes_leave_the_newest_of_every_key(redis_url: str, size: int) -> None:
    """Eight processes, shuffled event and created times, batches that overlap: the newest wins for every key."""
    assert race(redis_url, 30, 8, size) == {7_003.0}


@pytest.mark.prove
@pytest.mark.parametrize("size", [7, 400, 3000])
def test_eight_processes_write_half_a_million_rows(redis_url: str, raw: redis.Redis, size: int) -> None:
    """The same over 5,000 keys, in batches of a part of a call, of one call and of several: no key loses, ever."""
    assert race(redis_url, 5_000, 20, size) == {19_003.0}
    assert raw.dbsize() == 5_001
