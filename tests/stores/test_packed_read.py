import asyncio
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
import redis
from feast import ValueType
from feast.types import Array, Bool, Bytes, FeastType, Float32, Float64, Int32, Int64, Map, String, UnixTimestamp

from likewise.stores.clock import FixedClock
from likewise.stores.packed_errors import MissingJoinKeyError, RedisUnreachableError, UnsupportedTypeError
from likewise.stores.packed_fetch import NOT_FOUND, NULL_VALUE, OUTSIDE_MAX_AGE, PRESENT
from likewise.stores.packed_read import PackedReader, ViewRequest
from likewise.stores.packed_schema import NO_TIME
from likewise.transforms.columns import Column, LogicalType, column_from_arrow
from tests.stores.packed_world import NOON, View, config_of, store_at

HOUR = timedelta(hours=1)
ZONED = pa.timestamp("us", tz="UTC")
COLUMNS: dict[str, tuple[FeastType, pa.Array]] = {
    "double": (Float64, pa.array([1.5, None, -0.0, float("nan")])),
    "float": (Float32, pa.array([0.1, None, 2.0, 3.0], pa.float32())),
    "int64": (Int64, pa.array([2**60 + 1, None, 3, -4])),
    "int32": (Int32, pa.array([1, None, 3, -4], pa.int32())),
    "bool": (Bool, pa.array([True, None, False, True])),
    "text": (String, pa.array(["", None, "é", "b"])),
    "bytes": (Bytes, pa.array([b"", None, b"\xff", b"b"])),
    "time": (UnixTimestamp, pa.array([NOON + timedelta(microseconds=7), None, NOON, NOON], ZONED)),
    "doubles": (Array(Float64), pa.array([[1.0], None, [], [2.0, 3.0]])),
    "bools": (Array(Bool), pa.array([[True], None, [], [False]])),
    "texts": (Array(String), pa.array([["a"], None, [], ["b", ""]])),
    "blobs": (Array(Bytes), pa.array([[b"a"], None, [], [b"b"]])),
    "times": (Array(UnixTimestamp), pa.array([[NOON], None, [], [NOON]], pa.list_(ZONED))),
}
WIDE = View("wide", {name: kind for name, (kind, _) in COLUMNS.items()}, ttl=HOUR)


def request_of(view: View, **changes: object) -> ViewRequest:
    """Return a request for all features of a view."""
    types = tuple(kind.to_value_type() for kind in view.fields.values())
    return replace(ViewRequest(view.name, tuple(view.keys), tuple(view.fields), types, view.ttl), **changes)


def write(url: str, view: View, uids: Sequence[int], columns: dict[str, pa.Array], age: timedelta = HOUR) -> None:
    """Write columns as rows of one age."""
    table = {
        "uid": pa.array(uids, pa.int64()),
        **columns,
        "event_timestamp": pa.array([NOON - age] * len(uids), ZONED),
        "created": pa.array([NOON] * len(uids), ZONED),
    }
    store_at().write_arrow(config_of(url), view.feast(), [pa.RecordBatch.from_pydict(table)])


def write_wide(url: str) -> None:
    """Write four rows of every type."""
    write(url, WIDE, range(4), {name: column for name, (_, column) in COLUMNS.items()})


def reader_of(raw: redis.Redis, *requests: ViewRequest, later: timedelta = timedelta(0)) -> PackedReader:
    """Return a reader whose clock stands at noon or later."""
    return PackedReader(raw, "exp", requests, FixedClock(NOON + later))


def assert_same(found: Column, expected: Column) -> None:
    """Two columns hold the same values, -0.0 turned to 0.0, and the same long integers."""
    assert found.type is expected.type
    assert found.is_missing().tolist() == expected.is_missing().tolist()
    assert found.objects() == expected.objects() or np.array_equal(found.values, expected.values, equal_nan=True)
    if found.type.is_numeric:
        assert found.values.dtype == np.float64
        assert not np.signbit(found.values[found.values == 0]).any()


def test_columns_are_those_that_history_gives(redis_url: str, raw: redis.Redis) -> None:
    """What was written from Arrow and read online is the column that training makes of the same Arrow."""
    write_wide(redis_url)
    (rows,) = reader_of(raw, request_of(WIDE)).read({"uid": [0, 1, 2, 3]})
    assert list(rows.columns) == list(COLUMNS)
    for name, (_, column) in COLUMNS.items():
        expected = column_from_arrow(name, column, LogicalType.from_arrow(column.type))
        assert_same(rows.columns[name], expected)
    assert rows.columns["int64"].objects() == [2**60 + 1, None, 3, -4]
    assert rows.statuses.tolist() == [PRESENT] * 4
    assert rows.event_times.tolist() == [(NOON - HOUR).timestamp() * 1e6] * 4
    assert rows.created_times.tolist() == [NOON.timestamp() * 1e6] * 4


def test_number_columns_are_whole_columns(redis_url: str, raw: redis.Redis) -> None:
    """Columns made in bulk are equal to constructed ones in every field that the class has."""
    write_wide(redis_url)
    (rows,) = reader_of(raw, request_of(WIDE)).read({"uid": [0]})
    found = rows.columns["double"]
    made = Column(LogicalType.NUMBER, found.values)
    assert [getattr(found, field.name) is getattr(made, field.name) for field in fields(Column)] == [True] * 4


def test_order_repeats_and_absences(redis_url: str, raw: redis.Redis) -> None:
    """Rows come in the order asked, repeated as asked; unknown and missing entities are missing rows."""
    write_wide(redis_url)
    (rows,) = reader_of(raw, request_of(WIDE)).read({"uid": [3, 77, 0, None, 3]})
    assert rows.statuses.tolist() == [PRESENT, NOT_FOUND, PRESENT, NOT_FOUND, PRESENT]
    assert rows.columns["text"].objects() == ["b", None, "", None, "b"]
    assert rows.columns["int32"].objects() == [-4.0, None, 1.0, None, -4.0]
    assert rows.event_times.tolist()[1] == rows.created_times.tolist()[1] == NO_TIME
    assert rows.statuses_of("double").tolist() == [PRESENT, NOT_FOUND, PRESENT, NOT_FOUND, PRESENT]


def test_nulls_have_their_own_status(redis_url: str, raw: redis.Redis) -> None:
    """A null in a present row is NULL_VALUE, feature by feature."""
    write_wide(redis_url)
    (rows,) = reader_of(raw, request_of(WIDE)).read({"uid": [0, 1, 9]})
    assert (rows.feature_statuses() == np.array([[PRESENT], [NULL_VALUE], [NOT_FOUND]])).all()
    assert rows.feature_statuses().shape == (3, len(COLUMNS))


def test_rows_past_their_ttl_are_missing(redis_url: str, raw: redis.Redis) -> None:
    """After the TTL every column is missing, as history's is; exactly at the TTL nothing is."""
    write_wide(redis_url)
    microsecond = timedelta(microseconds=1)
    (fresh,) = reader_of(raw, request_of(WIDE)).read({"uid": [0, 3]})
    (stale,) = reader_of(raw, request_of(WIDE), later=microsecond).read({"uid": [0, 3]})
    assert fresh.statuses.tolist() == [PRESENT, PRESENT]
    assert stale.statuses.tolist() == [OUTSIDE_MAX_AGE, OUTSIDE_MAX_AGE]
    assert all(column.is_missing().all() for column in stale.columns.values())
    assert all(column.objects() == [None, None] for column in stale.columns.values())
    (reported,) = reader_of(raw, request_of(WIDE, report_only=True), later=microsecond).read({"uid": [0, 3]})
    assert reported.statuses.tolist() == [OUTSIDE_MAX_AGE, OUTSIDE_MAX_AGE]
    assert reported.columns["text"].objects() == ["", "b"]


def test_nothing_found_at_all(raw: redis.Redis) -> None:
    """An empty Redis gives columns of missing values, not an error."""
    (rows,) = reader_of(raw, request_of(WIDE)).read({"uid": [1, 2]})
    assert rows.statuses.tolist() == [NOT_FOUND, NOT_FOUND]
    assert all(column.objects() == [None, None] for column in rows.columns.values())
    assert (rows.feature_statuses() == NOT_FOUND).all()
    (nobody,) = reader_of(raw, request_of(WIDE)).read({"uid": []})
    assert [len(column) for column in nobody.columns.values()] == [0] * len(COLUMNS)


def test_several_views_and_schemas_in_one_read(redis_url: str, raw: redis.Redis) -> None:
    """Rows of an old and a new definition and another view answer together, each feature in its declared type."""
    old = View("wide", {"double": Float64, "int64": Int64, "text": String, "lost": Int32})
    write(
        redis_url,
        old,
        [5],
        {"double": pa.array([5.5]), "int64": pa.array([5]), "text": pa.array(["old"]), "lost": pa.array([1])},
    )
    write_wide(redis_url)
    write(redis_url, View("other"), [5, 0], {"x": pa.array([50.0, 0.5])})
    wide, other = reader_of(raw, request_of(WIDE), request_of(View("other"))).read({"uid": [5, 0, 1]})
    assert wide.columns["double"].objects() == [5.5, 1.5, None]
    assert wide.columns["int64"].objects() == [5, 2**60 + 1, None]
    assert wide.columns["text"].objects() == ["old", "", None]
    assert wide.columns["doubles"].objects() == [None, [1.0], None]
    assert wide.columns["time"].is_missing().tolist() == [True, False, True]
    assert wide.statuses_of("bool").tolist() == [NULL_VALUE, PRESENT, NULL_VALUE]
    assert other.columns["x"].objects() == [50.0, 0.5, None]


def test_composite_and_renamed_join_keys(redis_url: str, raw: redis.Redis) -> None:
    """Join keys are matched by name whatever their order, also where the request calls them otherwise."""
    view = View("route", keys={"origin": ValueType.STRING, "dest": ValueType.STRING})
    batch = pa.RecordBatch.from_pydict(
        {
            "origin": ["JFK", "LAX"],
            "dest": ["LAX", "JFK"],
            "x": [1.0, 2.0],
            "event_timestamp": pa.array([NOON] * 2, ZONED),
            "created": pa.array([NOON] * 2, ZONED),
        }
    )
    store_at().write_arrow(config_of(redis_url), view.feast(), [batch])
    plain = request_of(view)
    renamed = replace(plain, join_keys=("to", "from"), stored_join_keys=("dest", "origin"))
    keys = {"origin": ["LAX", "JFK"], "dest": ["JFK", "LAX"], "from": ["JFK", "LAX"], "to": ["LAX", "JFK"]}
    first, second = reader_of(raw, plain, renamed).read(keys)
    assert first.columns["x"].objects() == [2.0, 1.0]
    assert second.columns["x"].objects() == [1.0, 2.0]
    with pytest.raises(MissingJoinKeyError, match="dest"):
        reader_of(raw, plain).read({"origin": ["JFK"]})


def test_a_chosen_few_features_in_any_order(redis_url: str, raw: redis.Redis) -> None:
    """Columns come in the order asked for, not as stored."""
    write_wide(redis_url)
    few = ("text", "int32", "double", "float")
    request = ViewRequest("wide", ("uid",), few, tuple(WIDE.fields[name].to_value_type() for name in few))
    (rows,) = reader_of(raw, request).read({"uid": [0]})
    assert list(rows.columns) == list(few)
    assert [column.objects()[0] for column in rows.columns.values()] == ["", 1.0, 1.5, float(np.float32(0.1))]


def test_asyncio_reads_the_same(redis_url: str) -> None:
    """`read_async` gives what `read` gives."""
    write_wide(redis_url)

    async def read() -> list[object]:
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            reader = PackedReader(None, "exp", [request_of(WIDE)], FixedClock(NOON), async_client=client)
            (rows,) = await reader.read_async({"uid": [0, 9]})
            return [rows.columns["text"].objects(), rows.statuses.tolist()]

    assert asyncio.run(read()) == [["", None], [PRESENT, NOT_FOUND]]


def test_one_round_trip(redis_url: str, raw: redis.Redis) -> None:
    """All views of a request are fetched by one command once the schemas are known."""
    write_wide(redis_url)
    write(redis_url, View("other"), [0], {"x": pa.array([1.0])})
    reader = reader_of(raw, request_of(WIDE), request_of(View("other")))
    reader.read({"uid": [0]})
    before = raw.info("stats")["total_commands_processed"]
    reader.read({"uid": [0, 1, 2]})
    assert raw.info("stats")["total_commands_processed"] - before == 2  # the read and this look


def test_maps_are_refused_when_the_reader_is_made(raw: redis.Redis) -> None:
    """A type that no transform can read is refused at start, not in a request."""
    with pytest.raises(UnsupportedTypeError, match="maps:m"):
        reader_of(raw, request_of(View("maps", {"m": Map})))


def test_an_absent_redis_is_a_clear_error() -> None:
    """The reader says that Redis does not answer."""
    client = redis.Redis(port=1, retry=None)
    with pytest.raises(RedisUnreachableError):
        reader_of(client, request_of(WIDE)).read({"uid": [1]})
