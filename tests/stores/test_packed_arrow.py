import logging
import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from feast import FeatureView
from feast.types import (
    Array,
    Bool,
    Bytes,
    FeastType,
    Float32,
    Float64,
    Int32,
    Int64,
    Json,
    Map,
    Set,
    String,
    UnixTimestamp,
    Uuid,
)
from feast.utils import _convert_arrow_to_proto
from feast.value_type import ValueType

from likewise.stores.packed_arrow import cells_from_arrow
from likewise.stores.packed_bulk import pack_batch, time_columns
from likewise.stores.packed_errors import MissingColumnError, ValueMismatchError
from likewise.stores.packed_rows import packed_rows
from likewise.stores.packed_schema import FieldType
from likewise.stores.packed_views import stored_view
from tests.stores.packed_world import NOON, View, config_of, entity, numbers, store_at

CONFIG = config_of("redis://nowhere")
ZONED = pa.timestamp("us", tz="UTC")
COLUMNS: dict[str, tuple[FeastType, pa.Array]] = {
    "double": (Float64, pa.array([1.5, None, -math.inf])),
    "float": (Float32, pa.array([1.5, None, 0.1], pa.float32())),
    "int64": (Int64, pa.array([2**53 - 1, None, -5])),
    "int32": (Int32, pa.array([2**31 - 1, None, -5], pa.int32())),
    "bool": (Bool, pa.array([True, None, False])),
    "text": (String, pa.array(["", None, "é|%"])),
    "bytes": (Bytes, pa.array([b"", None, b"\x00\xff"])),
    "time": (UnixTimestamp, pa.array([NOON, None, NOON - timedelta(days=30000)], ZONED)),
    "json": (Json, pa.array(['{"a": 1}', None, "[]"])),
    "uuid": (Uuid, pa.array(["12345678-1234-5678-1234-567812345678", None, "12345678-1234-5678-1234-567812345679"])),
    "doubles": (Array(Float64), pa.array([[1.0, 2.0], None, []])),
    "floats": (Array(Float32), pa.array([[1.0, 2.0], None, []], pa.list_(pa.float32()))),
    "int64s": (Array(Int64), pa.array([[2**60, 2], None, []])),
    "int32s": (Array(Int32), pa.array([[1, 2], None, []], pa.list_(pa.int32()))),
    "bools": (Array(Bool), pa.array([[True, False], None, []])),
    "texts": (Array(String), pa.array([["a", ""], None, []])),
    "blobs": (Array(Bytes), pa.array([[b"a", b""], None, []])),
    "times": (Array(UnixTimestamp), pa.array([[NOON], None, []], pa.list_(ZONED))),
    "map": (Map, pa.array(['{"a": 1}', None, "{}"])),
    "set": (Set(String), pa.array([["a", "b"], None, ["c"]])),
}
VIEW = View(fields={name: kind for name, (kind, _) in COLUMNS.items()})


def batch_of(columns: dict[str, pa.Array], uids: list[int | None] | None = None) -> pa.RecordBatch:
    """Return a record batch with keys and times added."""
    n = len(next(iter(columns.values())))
    return pa.RecordBatch.from_pydict(
        {
            "uid": pa.array(list(range(n)) if uids is None else uids, pa.int64()),
            **columns,
            "event_timestamp": pa.array([NOON + timedelta(microseconds=at) for at in range(n)], ZONED),
            "created": pa.array([NOON + timedelta(hours=1)] * n, ZONED),
        }
    )


def packed(view: FeatureView, batch: pa.RecordBatch) -> tuple[list[bytes], list[bytes]]:
    """Return the keys and rows of a batch."""
    rows = pack_batch(stored_view(CONFIG, view), batch, time_columns(view))
    return rows.keys, rows.rows


@pytest.mark.parametrize("name", COLUMNS)
def test_arrow_columns_become_what_feast_makes_of_them(name: str) -> None:
    """A column packed from Arrow gives byte for byte the rows that Feast's own conversion to protos gives."""
    kind, column = COLUMNS[name]
    view = View(fields={name: kind}).feast()
    batch = batch_of({name: column})
    protos = _convert_arrow_to_proto(batch, view, {"uid": ValueType.INT64})
    if name in ("time", "times"):  # Feast cuts times to seconds; ours are whole seconds here
        assert (np.asarray(pa.array([NOON]).cast(pa.int64())) % 1_000_000 == 0).all()
    expected = packed_rows(stored_view(CONFIG, view), protos)
    assert packed(view, batch) == (expected.keys, expected.rows)


def test_all_columns_together_and_sliced() -> None:
    """A slice of a wide batch packs as the same rows of the whole."""
    batch = batch_of({name: column for name, (_, column) in COLUMNS.items()})
    keys, rows = packed(VIEW.feast(), batch)
    assert packed(VIEW.feast(), batch.slice(1, 2)) == (keys[1:], rows[1:])


def test_long_integers_beside_nulls_stay_exact() -> None:
    """Feast's own conversion goes through float64 when a column has nulls; from Arrow every integer stays itself."""
    cells = cells_from_arrow("k", FieldType.INT64, pa.array([2**62 + 1, None]))
    assert cells.values[0] == 2**62 + 1
    assert cells.missing is not None
    assert cells.missing.tolist() == [False, True]


def test_microseconds_of_time_features_are_kept() -> None:
    """Feast's protos cut times to seconds; packed from Arrow they keep what history has."""
    at = datetime(2024, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)
    for column in (
        pa.array([at], ZONED),
        pa.array([at.replace(tzinfo=None)], pa.timestamp("us")),
        pa.array([at.astimezone(timezone(timedelta(hours=9)))], pa.timestamp("us", tz="Asia/Tokyo")),
        pa.array([at], ZONED).cast(pa.timestamp("ns", tz="UTC")),
    ):
        assert cells_from_arrow("t", FieldType.UNIX_TIMESTAMP, column).values.tolist() == [1704067200123456]


@pytest.mark.parametrize(
    ("kind", "column", "expected"),
    [
        (FieldType.INT64, pa.array([1.0, math.nan, None]), [1, None, None]),
        (FieldType.INT32, pa.array([1, None], pa.int64()), [1, None]),
        (FieldType.BOOL, pa.array([1, 0, None]), [1, 0, None]),
        (FieldType.BOOL, pa.array([1.0, math.nan]), [1, None]),
        (FieldType.FLOAT, pa.array([0.1]), [np.float32(0.1).item()]),
        (FieldType.DOUBLE, pa.array([1, 2**53]), [1.0, 2.0**53]),
        (FieldType.DOUBLE, pa.array([Decimal("1.5")]), [1.5]),
        (FieldType.DOUBLE, pa.array([1.0, 1.0]).dictionary_encode(), [1.0, 1.0]),
        (FieldType.DOUBLE, pa.nulls(2), [None, None]),
        (FieldType.UNIX_TIMESTAMP, pa.array([5]), [5_000_000]),
    ],
)
def test_columns_of_near_types_are_taken(kind: FieldType, column: pa.Array, expected: list[float | None]) -> None:
    """What nulls and readers make of a column (floats for integers, dictionaries) is understood."""
    cells = cells_from_arrow("x", kind, column)
    missing = np.zeros(len(column), bool) if cells.missing is None else cells.missing
    found = [None if gone else value.item() for value, gone in zip(cells.values, missing, strict=True)]
    assert found == expected


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        (FieldType.INT64, pa.array([1.5])),
        (FieldType.INT32, pa.array([2**31])),
        (FieldType.BOOL, pa.array([2])),
        (FieldType.DOUBLE, pa.array(["one"])),
        (FieldType.UNIX_TIMESTAMP, pa.array(["2024"])),
        (FieldType.INT64_LIST, pa.array([[1, None]])),
    ],
)
def test_columns_of_other_types_are_refused(kind: FieldType, column: pa.Array) -> None:
    """A value that the declared type cannot hold is an error that names the feature, never another value."""
    with pytest.raises(ValueMismatchError, match="v:x"):
        cells_from_arrow("v:x", kind, column)


def test_absent_columns_are_named() -> None:
    """A batch without a feature, key or time column says which one and what there is."""
    view = View().feast()
    whole = batch_of({"x": pa.array([1.0])})
    for gone in ("x", "uid", "event_timestamp", "created"):
        with pytest.raises(MissingColumnError, match=gone):
            packed(view, whole.drop_columns([gone]))


def test_rows_without_key_or_time(caplog: pytest.LogCaptureFixture) -> None:
    """A row without a join key value is left out and said to be; one without an event time is an error."""
    batch = batch_of({"x": pa.array([1.0, 2.0])}, uids=[None, 7])
    with caplog.at_level(logging.WARNING):
        assert packed(View().feast(), batch)[0] == [b"lw1:exp:stats:7"]
    assert "1 rows without a join key" in caplog.text
    timeless = batch.set_column(2, "event_timestamp", pa.array([NOON, None], ZONED))
    with pytest.raises(ValueMismatchError, match="event time"):
        packed(View().feast(), timeless)


def test_write_arrow_lands_in_chunks_and_counts(redis_url: str) -> None:
    """Any number of batches of any size land; older rows are counted out; progress adds up."""
    store, view, config = store_at(), View().feast(), config_of(redis_url)
    n = 9001
    columns = {"x": pa.array(np.arange(n, dtype=float))}
    sent: list[int] = []
    batches = pa.Table.from_batches([batch_of(columns)]).to_batches(max_chunksize=5000)
    assert store.write_arrow(config, view, batches, sent.append) == n
    assert sum(sent) == n
    assert numbers(store.online_read(config, view, [entity(0), entity(n - 1)], ["x"])) == [0.0, n - 1.0]
    older = batches[0].set_column(2, "event_timestamp", pa.array([NOON - timedelta(1)] * 5000, ZONED))
    assert store.write_arrow(config, view, [older]) == 0
    assert store.write_arrow(config, view, iter([])) == 0


def test_an_error_while_packing_leaves_whole_rows_only(redis_url: str) -> None:
    """When a later batch is bad, the earlier ones are there, and writing again after a repair ends well."""
    store, view, config = store_at(), View().feast(), config_of(redis_url)
    good, bad = batch_of({"x": pa.array([1.0])}), batch_of({"x": pa.array(["one"])})
    with pytest.raises(ValueMismatchError):
        store.write_arrow(config, view, [good, bad])
    assert numbers(store.online_read(config, view, [entity(0)], ["x"])) == [1.0]
