"""What a write does to Redis beyond the rows themselves: nothing needless, nothing lost when scripts are."""

import asyncio
import itertools

import pytest
import redis
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Bytes

from likewise.stores.packed_rows import PackedRows, packed_rows
from likewise.stores.packed_script import PUT_ONE
from likewise.stores.packed_views import stored_view
from likewise.stores.packed_write import Destination
from tests.stores.packed_world import NOON, Row, View, config_of, numbers, row, store_at

UIDS = range(1200)  # more than two script calls


def rows_of(x: float) -> list[Row]:
    """Return a row for each uid."""
    return [row(uid, x + uid) for uid in UIDS]


def written(raw: redis.Redis) -> int:
    """Return how many commands have changed a row so far."""
    stats = raw.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("mset", "set", "setex"))


def test_rows_that_are_there_already_are_not_written_again(redis_url: str, raw: redis.Redis) -> None:
    """The same rows again count as landed, and Redis writes none of them (nor its append-only file)."""
    store, config, view = store_at(), config_of(redis_url), View()
    packed, destination = sendable(redis_url, rows_of(0.0))
    writer = store.link(config).writer
    assert writer.write(destination, packed.keys, packed.rows) == len(UIDS)
    before = written(raw)
    assert writer.write(destination, packed.keys, packed.rows) == len(UIDS)
    assert written(raw) == before
    changed, _ = sendable(redis_url, [row(7, -1.0)])
    assert writer.write(destination, changed.keys, changed.rows) == 1
    assert written(raw) == before + 1
    assert numbers(store.online_read(config, view.feast(), [row(7, 0.0)[0]], ["x"])) == [-1.0]


def test_a_repeated_row_lives_on(redis_url: str, raw: redis.Redis) -> None:
    """Where rows expire, the same row again begins its time anew."""
    config = config_of(redis_url, key_ttl_seconds=100)
    for _ in range(2):
        store_at().online_write_batch(config, View().feast(), rows_of(0.0)[:1], None)
        assert raw.ttl(b"lw1:exp:stats:0") > 90
        raw.expire(b"lw1:exp:stats:0", 10)


def test_a_repeated_row_that_was_to_expire_stays_once_rows_do_not(redis_url: str, raw: redis.Redis) -> None:
    """`key_ttl_seconds` taken away: the same row written again loses its end, though its bytes are there already."""
    for settings in ({"key_ttl_seconds": 100}, {}):
        store_at().online_write_batch(config_of(redis_url, **settings), View().feast(), rows_of(0.0)[:1], None)
    assert raw.ttl(b"lw1:exp:stats:0") == -1


def test_a_server_that_forgot_its_scripts_is_taught_again(redis_url: str, raw: redis.Redis) -> None:
    """After SCRIPT FLUSH (or a restart) the next write lands all the same, blocking and on an event loop."""
    store, config, view = store_at(), config_of(redis_url), View().feast()
    store.online_write_batch(config, view, rows_of(0.0), None)
    raw.script_flush()
    store.online_write_batch(config, view, rows_of(1.0), None)
    raw.script_flush()

    async def on_a_loop() -> None:
        await store.online_write_batch_async(config, view, rows_of(2.0)[:700], None)
        await store.close()

    asyncio.run(on_a_loop())
    found = numbers(store.online_read(config, view, [row(uid, 0.0)[0] for uid in UIDS], ["x"]))
    assert found == [uid + (2.0 if uid < 700 else 1.0) for uid in UIDS]


def test_the_script_of_clusters_keeps_an_equal_row_where_asked(redis_url: str, raw: redis.Redis) -> None:
    """A row of the same times stays under `keep` and gives way without; the very same row always counts as landed."""
    packed, _ = sendable(redis_url, [row(1, 1.0), row(1, 2.0)])
    first, other = packed.rows
    put = raw.register_script(PUT_ONE)
    landed = [put(["k"], [0, keep, one]) for keep, one in ((1, first), (1, first), (1, other), (0, other))]
    assert (landed, raw.get("k")) == ([1, 1, 0, 1], other)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_one_key_thrice_in_a_batch(redis_url: str, order: tuple[int, ...]) -> None:
    """A row equal to the stored one between others of its key neither hides a newer nor revives an older one."""
    store, config, view = store_at(), config_of(redis_url), View().feast()
    stored, older, newer = row(1, 1.0), row(1, 0.0, NOON.replace(year=2000)), row(1, 2.0, NOON.replace(year=2050))
    store.online_write_batch(config, view, [stored], None)
    batch = [stored, older, newer]
    store.online_write_batch(config, view, [batch[place] for place in order], None)
    assert numbers(store.online_read(config, view, [stored[0]], ["x"])) == [2.0]


def test_a_view_with_a_long_tail_lands_in_bounded_calls(redis_url: str, raw: redis.Redis) -> None:
    """Wide rows (2 MB each) travel a few at a time and come back whole."""
    view = View("blobs", {"b": Bytes})
    store, config = store_at(), config_of(redis_url)
    rows = [(row(uid, 0.0)[0], {"b": Value(bytes_val=bytes([uid]) * (2 << 20))}, NOON, None) for uid in range(5)]
    store.online_write_batch(config, view.feast(), rows, None)
    found = store.online_read(config, view.feast(), [entity for entity, *_ in rows], ["b"])
    assert [values for _, values in found] == [values for _, values, *_ in rows]


def sendable(url: str, rows: list[Row]) -> tuple[PackedRows, Destination]:
    """Return packed rows and where they go."""
    config = config_of(url)
    view = stored_view(config, View().feast())
    return packed_rows(view, rows), store_at().destination(config, view)
