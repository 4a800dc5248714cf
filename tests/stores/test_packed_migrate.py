import asyncio
import os
import signal
import time
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import redis
from feast import RepoConfig
from feast.infra.online_stores.redis import RedisOnlineStore, RedisOnlineStoreConfig
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Float64, Int64, String, UnixTimestamp
from feast.value_type import ValueType

from likewise.stores.embedded import attach, stop
from likewise.stores.packed_errors import InterruptedScanError, NotRedisError
from likewise.stores.packed_feast_layout import FeastLayout
from likewise.stores.packed_layout import entity_of
from likewise.stores.packed_migrate import ViewReport, migration_of
from likewise.stores.redis_url import parse_url
from tests.stores.packed_world import NOON, Row, View, config_of, store_at

HOUR = timedelta(hours=1)
STATS = View("stats", {"x": Float64, "s": String})
SHARED = View("shared", {"x": Float64, "k": Int64})
ROUTE = View("route", {"x": Float64}, keys={"origin": ValueType.STRING, "dest": ValueType.STRING})
VIEWS = [STATS, SHARED, ROUTE]


def feast_config(url: str, project: str = "exp") -> RepoConfig:
    """Return a configuration of Feast's own store in the same Redis."""
    host, port = parse_url(url).nodes[0]
    return RepoConfig(
        project=project,
        provider="local",
        registry="unused.db",
        entity_key_serialization_version=3,
        online_store=RedisOnlineStoreConfig(connection_string=f"{host}:{port}"),
        offline_store={"type": "dask"},
    )


def uid(number: int) -> EntityKey:
    """Return a key of `*?[` bytes too: 42, 63 and 91 are pattern characters."""
    return EntityKey(join_keys=["uid"], entity_values=[Value(int64_val=number)])


def rows_of(view: View) -> list[Row]:
    """Return rows with nulls and odd keys."""
    if view is ROUTE:
        pairs = [("JFK", "a|b"), ("%", "{x}"), ("é", "")]
        entities = [
            EntityKey(join_keys=["origin", "dest"], entity_values=[Value(string_val=part) for part in pair])
            for pair in pairs
        ]
        return [(entity, {"x": Value(double_val=at)}, NOON, None) for at, entity in enumerate(entities)]
    name = "s" if view is STATS else "k"
    filled = Value(string_val="t") if view is STATS else Value(int64_val=-7)
    return [
        (uid(number), {"x": Value(double_val=number), name: filled if number % 2 else Value()}, NOON, None)
        for number in (1, 42, 63, 91, 92)
    ]


@pytest.fixture
def feasts(redis_url: str) -> RedisOnlineStore:
    """Fill Feast's layout for our project and one whose name ends alike."""
    store = RedisOnlineStore()
    for project in ("exp", "myexp"):
        for view in VIEWS:
            store.online_write_batch(feast_config(redis_url, project), view.feast(), rows_of(view), None)
    return store


def declared() -> list[object]:
    """Return the views as Feast knows them."""
    return [view.feast() for view in VIEWS]


def test_rows_move_and_are_verified(feasts: RedisOnlineStore, redis_url: str) -> None:
    """Counting writes nothing; moving lands every row of our project; checking finds all of them equal."""
    migration = migration_of(feast_config(redis_url))
    counted = migration.count(declared())
    assert [report.rows for report in counted] == [5, 5, 3]
    assert [report.missing for report in migration.verify(declared())] == [5, 5, 3]
    sent: list[int] = []
    assert [(report.rows, report.landed) for report in migration.copy(declared(), sent.append)] == [
        (5, 5),
        (5, 5),
        (3, 3),
    ]
    assert sum(sent) == 13
    checked = migration.verify(declared())
    assert checked == [ViewReport(view.name, rows=n, equal=n) for view, n in zip(VIEWS, (5, 5, 3), strict=True)]
    assert all(report.is_complete for report in checked)


def test_newer_rows_stay_and_others_are_told_apart(feasts: RedisOnlineStore, redis_url: str, raw: redis.Redis) -> None:
    """A packed row newer than Feast's is kept; one that differs or is absent makes the check fail."""
    store, config = store_at(), config_of(redis_url)
    migration = migration_of(config)
    newer = [(uid(1), {"x": Value(double_val=9.0)}, NOON + HOUR, None)]
    store.online_write_batch(config, STATS.feast(), newer, None)
    (report,) = migration.copy([STATS.feast()])
    assert (report.rows, report.landed) == (5, 4)
    other = [(uid(42), {"x": Value(double_val=9.0)}, NOON, None)]
    store.online_write_batch(config, STATS.feast(), other, None)
    raw.delete(b"lw1:exp:stats:63")
    (checked,) = migration.verify([STATS.feast()])
    assert (checked.newer, checked.different, checked.missing, checked.equal) == (1, 1, 1, 2)
    assert not checked.is_complete


@pytest.mark.parametrize("settings", [{}, {"key_ttl_seconds": 1000}])
def test_a_copy_takes_no_correction_back(
    feasts: RedisOnlineStore, redis_url: str, raw: redis.Redis, settings: dict[str, int]
) -> None:
    """Feast's store skips a correction without created time; a copy of what it has leaves the packed one alone."""
    config, view = config_of(redis_url, mirror_feast_layout=True, **settings), STATS.feast()
    migration_of(config).copy([view])
    corrected = [(uid(42), {"x": Value(double_val=9.0)}, NOON, None)]
    store_at().online_write_batch(config, view, corrected, None)
    (report,) = migration_of(config).copy([view])
    assert (report.rows, report.landed) == (5, 4)
    ((_, values),) = store_at().online_read(config, view, [uid(42)], ["x"])
    assert values == {"x": Value(double_val=9.0)}
    (checked,) = migration_of(config).verify([view])
    assert (checked.equal, checked.different) == (4, 1)


def test_rows_of_before_a_feature_was_retyped_move(redis_url: str) -> None:
    """Of another type, the same number moves, others become null, as from our own old rows; so do missing times."""
    stock, config = RedisOnlineStore(), feast_config(redis_url)
    stored = {
        "x": [Value(int64_val=5), Value(int64_val=2**53 + 1), Value(string_val="5"), Value(double_val=0.5)],
        "s": [Value(json_val="t"), Value(int64_val=1), Value(), Value(string_val="u")],
        "t": [Value(unix_timestamp_val=-(2**63)), Value(unix_timestamp_val=7), Value(), Value(null_val=0)],
    }
    view = View("stats", {"x": Float64, "s": String, "t": UnixTimestamp}).feast()
    rows = [(uid(at), {name: cells[at] for name, cells in stored.items()}, NOON, None) for at in range(4)]
    stock.online_write_batch(config, view, rows, None)
    migration = migration_of(config)
    assert migration.copy([view])[0].landed == 4
    assert migration.verify([view]) == migration.reversed().verify([view]) == [ViewReport("stats", rows=4, equal=4)]
    found = [values for _, values in store_at().online_read(config_of(redis_url), view, [uid(at) for at in range(4)])]
    assert [values["x"] for values in found if values] == [Value(double_val=5), Value(), Value(), Value(double_val=0.5)]
    assert [values["s"] for values in found if values] == [Value(string_val="t"), Value(), Value(), stored["s"][3]]
    assert [values["t"] for values in found if values] == [Value(), Value(unix_timestamp_val=7), Value(), Value()]


def test_the_way_back(feasts: RedisOnlineStore, redis_url: str, raw: redis.Redis) -> None:
    """Packed rows written back are, byte for byte, the hashes that Feast's store wrote."""
    migration_of(config_of(redis_url)).copy(declared())
    before = {key: raw.hgetall(key) for key in raw.scan_iter() if raw.type(key) == b"hash" and key.endswith(b"exp")}
    ours = [key for key in before if not key.endswith(b"myexp")]
    raw.delete(*ours)
    back = migration_of(config_of(redis_url)).reversed()
    assert [report.missing for report in back.verify(declared())] == [5, 5, 3]
    assert [report.landed for report in back.copy(declared())] == [5, 5, 3]
    assert {key: raw.hgetall(key) for key in before} == before
    assert all(report.is_complete for report in back.verify(declared()))


def test_the_rate_is_bounded(feasts: RedisOnlineStore, redis_url: str) -> None:
    """A limit in rows per second is kept."""
    started = time.monotonic()
    migration_of(config_of(redis_url), rows_per_second=50).copy([STATS.feast()])
    assert time.monotonic() - started >= 0.09


def test_mirrored_writes_serve_stock_readers(redis_url: str) -> None:
    """With `mirror_feast_layout` Feast's own store reads what ours wrote: sync, asyncio and from Arrow."""
    store, config, stock = store_at(), config_of(redis_url, mirror_feast_layout=True), RedisOnlineStore()
    view = View("stats", {"x": Float64}).feast()

    def stocks(number: int) -> Value | None:
        ((_, values),) = stock.online_read(feast_config(redis_url), view, [uid(number)], ["x"])
        return values["x"] if values else None

    store.online_write_batch(config, view, [(uid(1), {"x": Value(double_val=1.0)}, NOON, None)], None)
    assert stocks(1) == Value(double_val=1.0)

    async def on_a_loop() -> None:
        await store.online_write_batch_async(config, view, [(uid(2), {"x": Value(double_val=2.0)}, NOON, None)], None)
        await store.close()

    asyncio.run(on_a_loop())
    assert stocks(2) == Value(double_val=2.0)
    times = pa.array([NOON], pa.timestamp("us", tz="UTC"))
    batch = pa.RecordBatch.from_pydict({"uid": [3], "x": [3.0], "event_timestamp": times, "created": times})
    assert store.write_arrow(config, view, [batch]) == 1
    assert stocks(3) == Value(double_val=3.0)


def test_mirrored_rows_are_deleted_with_ours_alone(feasts: RedisOnlineStore, redis_url: str, raw: redis.Redis) -> None:
    """Deleting a mirrored view takes its fields out of our project's hashes and spares `myexp` and other views."""
    foreign = {key: raw.hgetall(key) for key in raw.scan_iter() if key.endswith(b"myexp")}
    store, config = store_at(), config_of(redis_url, mirror_feast_layout=True)
    store.update(config, [STATS.feast()], [], [], [], partial=False)
    migration = migration_of(config)
    assert [report.rows for report in migration.count(declared())] == [0, 5, 3]
    store.teardown(config, declared(), [])
    assert {key: raw.hgetall(key) for key in raw.scan_iter()} == foreign


def test_mirrored_entities_are_deleted_in_both(redis_url: str, raw: redis.Redis) -> None:
    """Who is to be forgotten is forgotten by stock readers too: in the views named, and nobody else."""
    store, config = store_at(), config_of(redis_url, mirror_feast_layout=True)
    for view in (STATS, SHARED):
        store.online_write_batch(config, view.feast(), rows_of(view), None)
    assert store.delete_entities(config, [STATS.feast()], [uid(1), uid(42)]) == 2
    reports = migration_of(config).count([STATS.feast(), SHARED.feast()])
    assert [report.rows for report in reports] == [3, 5]
    assert store.delete_entities(config, [STATS.feast(), SHARED.feast()], [uid(1)]) == 1
    assert [key for key in raw.scan_iter() if b"\x01\x00\x00\x00\x00\x00\x00\x00exp" in key] == []


def test_keys_are_read_back_as_entities() -> None:
    """The entity part of a packed key gives back the join key values, in their declared types."""
    found = entity_of(ROUTE.feast(), "a%7Cb|%25é".encode())
    assert found is not None
    assert list(found.join_keys) == ["dest", "origin"]
    assert [value.string_val for value in found.entity_values] == ["a|b", "%é"]
    assert entity_of(STATS.feast(), b"-5") == uid(-5)


@pytest.mark.parametrize("text", [b"UA", b"1|2"])
def test_keys_of_an_older_definition_are_passed_over(text: bytes) -> None:
    """What was keyed by other join keys is no entity of today's view."""
    assert entity_of(STATS.feast(), text) is None


def test_a_view_without_entities_moves_both_ways(redis_url: str, raw: redis.Redis) -> None:
    """Its one row, under the key that Feast gives it, is packed, found equal, and written back byte for byte."""
    view = View("everywhere", {"x": Float64}, keys={}).feast()
    entity = EntityKey(join_keys=["__dummy_id"], entity_values=[Value(string_val="")])
    row = (entity, {"x": Value(double_val=4.0)}, NOON, None)
    RedisOnlineStore().online_write_batch(feast_config(redis_url), view, [row], None)
    (key,) = raw.keys()
    before = raw.hgetall(key)
    migration = migration_of(feast_config(redis_url))
    assert [report.landed for report in migration.copy([view])] == [1]
    assert [report.equal for report in migration.verify([view])] == [1]
    raw.delete(key)
    migration.reversed().copy([view])
    assert raw.hgetall(key) == before


def test_what_is_not_a_number_equals_itself(redis_url: str) -> None:
    """NaN is a value, and a row of it verifies."""
    rows = [(uid(1), {"x": Value(double_val=float("nan")), "s": Value()}, NOON, None)]
    RedisOnlineStore().online_write_batch(feast_config(redis_url), STATS.feast(), rows, None)
    migration = migration_of(feast_config(redis_url))
    migration.copy([STATS.feast()])
    assert [report.equal for report in migration.verify([STATS.feast()])] == [1]


def test_the_way_back_brings_corrections(feasts: RedisOnlineStore, redis_url: str) -> None:
    """A row corrected under its event time reaches Feast's layout; a newer row there stays."""
    config, view = config_of(redis_url), STATS.feast()
    corrected = [
        (uid(1), {"x": Value(double_val=-1.0)}, NOON, NOON),
        (uid(42), {"x": Value(double_val=-1.0)}, NOON, NOON),
    ]
    store_at().online_write_batch(config, view, corrected, None)
    feasts.online_write_batch(
        feast_config(redis_url), view, [(uid(42), {"x": Value(double_val=9.0)}, NOON + HOUR, None)], None
    )
    (report,) = migration_of(config).reversed().copy([view])
    assert (report.rows, report.landed) == (2, 1)
    found = feasts.online_read(feast_config(redis_url), view, [uid(1), uid(42)], ["x"])
    assert [values["x"].double_val for _, values in found if values] == [-1.0, 9.0]


def test_a_writer_between_look_and_write_wins(
    feasts: RedisOnlineStore, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer row that Feast's own store writes after ours has looked at the time there is never overwritten."""
    view, look = STATS.feast(), FeastLayout._marks
    newer = [(uid(1), {"x": Value(double_val=9.0)}, NOON + HOUR, None)]

    def meddle(self, view, rows):  # type: ignore[no-untyped-def]
        marks = look(self, view, rows)
        feasts.online_write_batch(feast_config(redis_url), view, newer, None)
        return marks

    migration = migration_of(config_of(redis_url))
    migration.copy([view])
    monkeypatch.setattr(FeastLayout, "_marks", meddle)
    (report,) = migration.reversed().copy([view])
    assert (report.rows, report.landed) == (5, 4)
    ((_, values),) = feasts.online_read(feast_config(redis_url), view, [uid(1)], ["x"])
    assert values is not None
    assert values["x"].double_val == 9.0


def test_rows_are_deleted_only_when_they_are_elsewhere(
    feasts: RedisOnlineStore, redis_url: str, raw: redis.Redis
) -> None:
    """Clearing takes our project's rows that are packed, alike or newer; the others stay and are counted."""
    migration = migration_of(feast_config(redis_url))
    assert [(report.cleared, report.missing) for report in migration.clear(declared())] == [(0, 5), (0, 5), (0, 3)]
    migration.copy(declared())
    raw.delete(b"lw1:exp:stats:63")
    foreign = {key: raw.hgetall(key) for key in raw.scan_iter() if key.endswith(b"myexp")}
    assert [(report.cleared, report.missing) for report in migration.clear(declared())] == [(4, 1), (5, 0), (3, 0)]
    assert [report.rows for report in migration.count(declared())] == [1, 0, 0]
    assert {key: raw.hgetall(key) for key in foreign} == foreign
    with pytest.raises(TypeError, match="PackedLayout"):
        migration.reversed().clear(declared())


def test_another_online_store_is_refused(redis_url: str) -> None:
    """A repository whose online store is no Redis is told what was expected."""
    config = feast_config(redis_url)
    config.online_config, config._online_store = {"type": "sqlite", "path": "online.db"}, None
    with pytest.raises(NotRedisError, match="sqlite"):
        migration_of(config)


def test_a_restart_in_the_middle_of_a_walk_is_an_error(tmp_path: Path) -> None:
    """When Redis restarts while its keys are read, rows may be passed over: it is said, and a run again is complete."""
    server = attach(tmp_path)
    view = STATS.feast()
    rows = [(uid(number), {"x": Value(double_val=number)}, NOON, None) for number in range(3000)]
    RedisOnlineStore().online_write_batch(feast_config(server.url), view, rows, None)
    migration = migration_of(feast_config(server.url))

    def restart(_: int) -> None:
        if attach(tmp_path).pid == server.pid:
            os.kill(server.pid, signal.SIGKILL)
            attach(tmp_path)

    try:
        with pytest.raises(InterruptedScanError, match="again"):
            migration.copy([view], restart)
        migration.copy([view])
        assert [report.equal for report in migration.verify([view])] == [3000]
    finally:
        stop(tmp_path)
