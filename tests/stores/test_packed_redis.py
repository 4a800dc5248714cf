import asyncio
import os
import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import redis
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Array, Float32, Float64, Int32, Int64, String

from likewise.stores.embedded import STATE_FILE, attach, stop
from likewise.stores.packed_errors import CorruptRowError, RedisRefusedError, RedisUnreachableError, UnknownSchemaError
from likewise.stores.packed_redis import PackedRedisOnlineStore
from tests.stores.packed_world import NOON, View, config_of, entity, feast_store, numbers, row, store_at

HOUR = timedelta(hours=1)


def read(store: PackedRedisOnlineStore, url: str, view: View, *uids: int, project: str = "exp") -> list[float | None]:
    """Return `x` of some entities."""
    return numbers(store.online_read(config_of(url, project), view.feast(), [entity(uid) for uid in uids], ["x"]))


def test_rows_come_back_with_their_times(redis_url: str) -> None:
    """A written row is read back with its value and event time; an unknown entity is (None, None)."""
    store, view, config = store_at(), View().feast(), config_of(redis_url)
    event = NOON - timedelta(microseconds=1)
    sent: list[int] = []
    store.online_write_batch(config, view, [row(1, 1.5, event), row(2, 2.5, event)], sent.append)
    found = store.online_read(config, view, [entity(2), entity(9), entity(1)], ["x"])
    assert found == [(event, {"x": Value(double_val=2.5)}), (None, None), (event, {"x": Value(double_val=1.5)})]
    assert sum(sent) == 2


def test_late_data_never_overwrites_newer(redis_url: str) -> None:
    """An older event time, or the same with an older created time, changes nothing; newer or equal ones land."""
    store, view, config = store_at(), View(), config_of(redis_url)

    def written(x: float, event: datetime, created: datetime | None) -> float | None:
        store.online_write_batch(config, view.feast(), [row(1, x, event, created)], None)
        return read(store, redis_url, view, 1)[0]

    assert written(1.0, NOON, None) == 1.0
    assert written(2.0, NOON - HOUR, NOON + HOUR) == 1.0  # late
    assert written(3.0, NOON, NOON) == 3.0  # a created time is later than none
    assert written(4.0, NOON, NOON - HOUR) == 3.0  # an older version of the same event
    assert written(5.0, NOON, NOON) == 5.0  # equal overwrites
    assert written(6.0, NOON, NOON + HOUR) == 6.0  # a correction
    assert written(7.0, NOON + HOUR, None) == 7.0


@pytest.mark.parametrize("year", [1950, 1969, 1970, 2024, 9990])
def test_times_far_from_today_are_ordered_too(redis_url: str, year: int) -> None:
    """Compare-and-set orders by the microsecond, before 1970 and beyond what a double can count."""
    store, view, config = store_at(), View(), config_of(redis_url)
    first = NOON.replace(year=year, month=1, day=1, microsecond=1)
    for x, event in [(1.0, first), (2.0, first - timedelta(microseconds=1)), (3.0, first + timedelta(microseconds=1))]:
        store.online_write_batch(config, view.feast(), [row(1, x, event)], None)
    assert read(store, redis_url, view, 1) == [3.0]
    store.online_write_batch(config, view.feast(), [row(1, 4.0, first)], None)
    assert read(store, redis_url, view, 1) == [3.0]


def test_the_newest_of_one_batch_wins(redis_url: str) -> None:
    """Rows of one key in one batch are ordered by time, not by place; among equals the last wins."""
    store, view, config = store_at(), View(), config_of(redis_url)
    rows = [row(1, 1.0, NOON), row(1, 2.0, NOON + HOUR), row(1, 3.0, NOON + HOUR), row(1, 4.0, NOON - HOUR)]
    store.online_write_batch(config, view.feast(), rows, None)
    assert read(store, redis_url, view, 1) == [3.0]


def test_eight_writers_in_any_order_leave_the_newest(redis_url: str) -> None:
    """Eight parallel writers with shuffled event times: for every key the newest value wins, always."""
    view, config = View(), config_of(redis_url)
    rows = [row(uid, float(step), NOON + step * HOUR) for uid in range(20) for step in range(40)]
    random.Random(5).shuffle(rows)
    start = threading.Barrier(8)

    def write(part: int) -> None:
        store = store_at()
        start.wait()
        for at in range(part, len(rows), 8 * 10):
            store.online_write_batch(config, view.feast(), rows[at : at + 80 : 8], None)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert read(store_at(), redis_url, view, *range(20)) == [39.0] * 20


def test_key_ttl_lets_redis_drop_rows(redis_url: str, raw: redis.Redis) -> None:
    """`key_ttl_seconds` gives rows, and only rows, an expiry."""
    store = store_at()
    store.online_write_batch(config_of(redis_url, key_ttl_seconds=100), View().feast(), [row(1, 1.0)], None)
    assert 0 < raw.ttl(b"lw1:exp:stats:1") <= 100
    assert raw.ttl(b"lw1:exp::schemas") == -1


def test_a_view_that_gains_loses_and_retypes_fields_keeps_answering(redis_url: str) -> None:
    """Old rows answer under a new definition: new fields are null, kept ones unchanged, retyped ones if equal."""
    old = View(fields={"x": Float64, "gone": String, "wide": Float32, "whole": Float64})
    new = View(fields={"x": Float64, "added": Array(Int64), "wide": Float64, "whole": Int32})
    config, store = config_of(redis_url), store_at()
    values = {"x": Value(double_val=1.0), "gone": Value(string_val="s"), "wide": Value(float_val=0.5)}
    rows = [
        (entity(1), {**values, "whole": Value(double_val=7.0)}, NOON, None),
        (entity(2), {**values, "whole": Value(double_val=7.5)}, NOON, None),
    ]
    store.online_write_batch(config, old.feast(), rows, None)
    fresh = {"x": Value(double_val=9.0), "wide": Value(double_val=0.1), "whole": Value(int32_val=3)}
    store_at().online_write_batch(config, new.feast(), [(entity(3), fresh, NOON, None)], None)
    found = store_at().online_read(config, new.feast(), [entity(uid) for uid in (1, 2, 3, 4)], None)
    first, second, third = (values for _, values in found[:3])
    assert first == {
        "x": Value(double_val=1.0),
        "added": Value(),
        "wide": Value(double_val=0.5),
        "whole": Value(int32_val=7),
    }
    assert second is not None
    assert second["whole"] == Value()
    assert third == {**fresh, "added": Value()}
    assert found[3] == (None, None)


@pytest.mark.parametrize(
    ("ages", "report_only"),
    [([timedelta(0), HOUR, HOUR + timedelta(microseconds=1)], False), ([timedelta(0), HOUR, 2 * HOUR], True)],
)
def test_statuses_tell_the_truth(redis_url: str, tmp_path: Path, ages: list[timedelta], report_only: bool) -> None:
    """By the clock: PRESENT up to the TTL inclusive, then OUTSIDE_MAX_AGE with nulls; NULL_VALUE and NOT_FOUND."""
    view = View(ttl=HOUR, fields={"x": Float64, "y": Float64})
    config = config_of(redis_url, ttl_report_only=["stats"] if report_only else False)
    feast = feast_store(config, tmp_path, [view])
    online = feast._get_provider().online_store
    online.clock = store_at(NOON).clock
    online.online_write_batch(config, view.feast(), [row(uid, 1.0, NOON - age) for uid, age in enumerate(ages)], None)
    response = feast.get_online_features(["stats:x", "stats:y"], entity_rows=[{"uid": uid} for uid in range(4)])
    names = list(response.proto.metadata.feature_names.val)
    statuses = {name: list(vector.statuses) for name, vector in zip(names, response.proto.results, strict=True)}
    ours = FieldStatus
    assert statuses["x"] == [ours.PRESENT, ours.PRESENT, ours.OUTSIDE_MAX_AGE, ours.NOT_FOUND]
    assert statuses["y"] == [ours.NULL_VALUE, ours.NULL_VALUE, ours.OUTSIDE_MAX_AGE, ours.NOT_FOUND]
    assert response.to_dict() == {
        "uid": [0, 1, 2, 3],
        "x": [1.0, 1.0, 1.0 if report_only else None, None],
        "y": [None] * 4,
    }
    assert [vector.values[2].WhichOneof("val") for vector in response.proto.results[1:]] == [
        "double_val" if report_only and name == "x" else None for name in names[1:]
    ]
    asyncio.run(online.close())


def test_the_environment_names_the_clock(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a clock of its own the store plays the instant that LIKEWISE_CLOCK names, read at each request."""
    store, view = PackedRedisOnlineStore(), View(ttl=HOUR)
    store.online_write_batch(config_of(redis_url), view.feast(), [row(1, 1.0, NOON)], None)
    monkeypatch.setenv("LIKEWISE_CLOCK", (NOON + HOUR).isoformat())
    assert read(store, redis_url, view, 1) == [1.0]
    monkeypatch.setenv("LIKEWISE_CLOCK", (NOON + 2 * HOUR).isoformat())
    assert read(store, redis_url, view, 1) == [None]


@pytest.mark.parametrize("other", ["myexp", "exp2", "e", "exp_stats", "EXP"])
def test_deletion_touches_only_our_project(redis_url: str, raw: redis.Redis, other: str) -> None:
    """Deleting a view, its entities or the whole project leaves every other project and foreign key alone."""
    store, view = store_at(), View()
    raw.set(b"lw1:expo", b"foreign")
    for name in ("exp", other):
        store.online_write_batch(config_of(redis_url, name), view.feast(), [row(1, 1.0)], None)
    kept = {key: raw.dump(key) for key in raw.scan_iter() if not key.startswith((b"lw1:exp:stats:", b"lw1:exp::"))}
    for delete in (
        lambda config: store.teardown(config, [view.feast()], view.entities()),
        lambda config: store.update(config, [view.feast()], [], [], [], partial=False),
        lambda config: store.delete_table(config, view.feast()),
        lambda config: store.delete_entity_values(config, ["uid"]),
        lambda config: store.delete_entities(config, [view.feast()], [entity(1)]),
    ):
        store.online_write_batch(config_of(redis_url), view.feast(), [row(1, 1.0)], None)
        delete(config_of(redis_url))
        assert read(store, redis_url, view, 1) == [None]
        assert {key: raw.dump(key) for key in kept} == kept


def test_deletion_touches_only_the_view_named(redis_url: str) -> None:
    """A view whose name begins another's is deleted alone."""
    store, config = store_at(), config_of(redis_url)
    views = [View("stats"), View("stats_7d"), View("my_stats")]
    for view in views:
        store.online_write_batch(config, view.feast(), [row(1, 1.0), row(2, 2.0)], None)
    store.update(config, [views[0].feast()], [], [], [], partial=True)
    assert [read(store, redis_url, view, 1, 2) for view in views] == [[None, None], [1.0, 2.0], [1.0, 2.0]]
    assert store.delete_entities(config, [view.feast() for view in views], [entity(1)]) == 2
    assert [read(store, redis_url, view, 1, 2) for view in views[1:]] == [[None, 2.0], [None, 2.0]]


def test_damaged_values_are_errors_that_name_the_key(redis_url: str, raw: redis.Redis) -> None:
    """A value that is no row, or of a schema that nobody knows, is an error: nothing is guessed."""
    store, view, config = store_at(), View().feast(), config_of(redis_url)
    store.online_write_batch(config, view, [row(1, 1.0), row(2, 2.0)], None)
    raw.setrange(b"lw1:exp:stats:1", 34, b"?")
    with pytest.raises(CorruptRowError, match=r"lw1:exp:stats:1"):
        store.online_read(config, view, [entity(2), entity(1)], ["x"])
    store.online_write_batch(config, view, [row(1, 3.0)], None)
    raw.delete(b"lw1:exp::schemas")
    changed = View(fields={"x": Float64, "y": Float64}).feast()
    with pytest.raises(UnknownSchemaError, match="materialize"):
        store_at().online_read(config, changed, [entity(1)], ["x"])
    store.online_write_batch(config, view, [row(3, 3.0)], None)
    assert read(store_at(), redis_url, View(), 1, 2, 3) == [3.0, 2.0, 3.0]


def test_foreign_values_give_way_to_rows(redis_url: str, raw: redis.Redis) -> None:
    """A key of ours that holds something else is healed by the next write."""
    store, view = store_at(), View()
    raw.set(b"lw1:exp:stats:1", b"x")
    raw.hset(b"lw1:exp:stats:2", "a", "b")
    store.online_write_batch(config_of(redis_url), view.feast(), [row(1, 1.0), row(2, 2.0)], None)
    assert read(store, redis_url, view, 1, 2) == [1.0, 2.0]


def test_a_full_redis_is_a_clear_error(redis_url: str, raw: redis.Redis) -> None:
    """Out of memory: the error says so, and what was there is still readable."""
    store, view = store_at(), View()
    store.online_write_batch(config_of(redis_url), view.feast(), [row(1, 1.0)], None)
    raw.config_set("maxmemory", 1)
    try:
        with pytest.raises(RedisRefusedError, match="maxmemory"):
            store.online_write_batch(config_of(redis_url), view.feast(), [row(2, 2.0)], None)
    finally:
        raw.config_set("maxmemory", 0)
    assert read(store, redis_url, view, 1, 2) == [1.0, None]


def test_an_absent_redis_is_a_clear_error() -> None:
    """Nobody listens: the error names the address and no password."""
    config = config_of("redis://:s3cret@127.0.0.1:1/0")
    with pytest.raises(RedisUnreachableError, match=r"127\.0\.0\.1:1") as caught:
        store_at().online_read(config, View().feast(), [entity(1)], ["x"])
    assert "s3cret" not in str(caught.value)


def test_a_restart_in_the_middle_loses_no_row_and_leaves_none_half(tmp_path: Path) -> None:
    """Redis is killed while rows are written: a write is retried or fails clearly, and repeating it ends well."""
    home = tmp_path / "redis"
    server = attach(home)
    store, view, config = store_at(), View(), config_of(f"embedded:{home}")
    rows = [row(uid, float(uid)) for uid in range(3000)]
    store.online_write_batch(config, view.feast(), rows[:1], None)

    def restart() -> None:
        os.kill(server.pid, signal.SIGKILL)
        attach(home)

    try:
        restarting = threading.Timer(0.01, restart)
        restarting.start()
        for at in range(0, len(rows), 100):
            try:
                store.online_write_batch(config, view.feast(), rows[at : at + 100], None)
            except RedisUnreachableError:
                restarting.join()
                store.online_write_batch(config, view.feast(), rows[at : at + 100], None)
        restarting.join()
        # What Redis acknowledged in the last second before the kill may be lost (appendfsync everysec): write again.
        store.online_write_batch(config, view.feast(), rows, None)
        found = store.online_read(config, view.feast(), [entity(uid) for uid in range(3000)], ["x"])
        assert numbers(found) == [float(uid) for uid in range(3000)]
    finally:
        asyncio.run(store.close())
        stop(home)


def test_an_embedded_server_that_comes_back_on_another_port_is_found(tmp_path: Path) -> None:
    """Killed and started elsewhere: one write fails clearly, the next reaches the server where it is now."""
    home = tmp_path / "redis"
    server = attach(home)
    store, view, config = store_at(), View(), config_of(f"embedded:{home}")
    store.online_write_batch(config, view.feast(), [row(1, 1.0)], None)
    os.kill(server.pid, signal.SIGKILL)
    (home / STATE_FILE).unlink()  # where it was is forgotten, so it gets a new port
    try:
        assert attach(home).port != server.port
        with pytest.raises(RedisUnreachableError):
            store.online_write_batch(config, view.feast(), [row(2, 2.0)], None)
        store.online_write_batch(config, view.feast(), [row(2, 2.0)], None)
        assert numbers(store.online_read(config, view.feast(), [entity(2)], ["x"])) == [2.0]
    finally:
        asyncio.run(store.close())
        stop(home)


def test_asyncio_gives_the_same(redis_url: str) -> None:
    """Writes and reads on an event loop do what the blocking ones do, in any number of loops."""
    store, view, config = store_at(), View().feast(), config_of(redis_url)

    async def both(x: float) -> list[float | None]:
        try:
            await store.online_write_batch_async(config, view, [row(1, x), row(2, x)], None)
            return numbers(await store.online_read_async(config, view, [entity(1), entity(3)], ["x"]))
        finally:
            await store.close()

    assert asyncio.run(both(1.0)) == [1.0, None]
    assert asyncio.run(both(2.0)) == [2.0, None]
    assert read(store, redis_url, View(), 1, 2) == [2.0, 2.0]
