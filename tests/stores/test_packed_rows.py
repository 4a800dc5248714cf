import zlib
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import feast_value_type_to_python_type
from feast.value_type import ValueType
from hypothesis import given, settings
from hypothesis import strategies as st

from likewise.stores.packed_decode import converted, decode_rows
from likewise.stores.packed_encode import Cells, RowTimes, encode_rows
from likewise.stores.packed_errors import CorruptRowError, OnlineStoreError, UnknownSchemaError, ValueMismatchError
from likewise.stores.packed_fetch import Owner, SchemaBook, view_batch
from likewise.stores.packed_protos import cells_from_protos, protos_of, python_values
from likewise.stores.packed_schema import (
    FIXED,
    NO_TIME,
    FieldType,
    RowSchema,
    check_weights,
    parse_schema,
    row_schema,
)
from tests.stores.packed_values import value_types, values_of

ALL = row_schema("everything", ["uid"], [(f"f_{kind.name}", kind) for kind in value_types()])
TIMES = st.integers(NO_TIME, 2**63 - 1)


def encoded(schema: RowSchema, rows: list[dict[str, Value]], times: RowTimes | None = None) -> list[bytes]:
    """Return packed rows of protos."""
    cells = {
        field.name: cells_from_protos(field.name, field.type, [row.get(field.name) for row in rows])
        for field in schema.fields
    }
    none = np.zeros(len(rows), np.int64)
    return encode_rows(schema, times or RowTimes(none, none), cells)


def test_field_types_are_feasts() -> None:
    """Our list of types is Feast's, number by number: a new Feast type is noticed here."""
    assert {kind.name: kind.value for kind in FieldType} == {kind.name: kind.value for kind in ValueType}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_value_type_round_trips(data: st.DataObject) -> None:
    """What goes in as Feast's protos comes out as the same protos, and as Feast's own Python values, for every type."""
    n = data.draw(st.integers(1, 4))
    rows = [{field.name: data.draw(values_of(field.type)) for field in ALL.fields} for _ in range(n)]
    event = np.array(data.draw(st.lists(TIMES, min_size=n, max_size=n)), np.int64)
    created = np.array(data.draw(st.lists(TIMES, min_size=n, max_size=n)), np.int64)
    packed = encoded(ALL, rows, RowTimes(event, created))
    decoded = decode_rows(ALL, packed, [b"key"] * n)
    assert decoded.event_times.tolist() == event.tolist()
    assert decoded.created_times.tolist() == created.tolist()
    for field in ALL.fields:
        expected = [row[field.name] for row in rows]
        assert protos_of(decoded, field.name, field.type) == expected
        if field.type not in (FieldType.JSON, FieldType.UNIX_TIMESTAMP, FieldType.ZONED_TIMESTAMP) and not (
            field.type.name.startswith("UNIX_TIMESTAMP")
        ):
            python = [feast_value_type_to_python_type(value) for value in expected]
            assert python_values(decoded, field.name, field.type) == python


def test_times_become_feasts_python_times() -> None:
    """A time feature is given as Feast gives it: zoned, in whole seconds."""
    schema = row_schema("v", ["uid"], [("t", FieldType.UNIX_TIMESTAMP)])
    half = np.array([-1_500_000, 1_500_000], np.int64)
    rows = encode_rows(schema, RowTimes(half, half), {"t": Cells(half)})
    found = python_values(decode_rows(schema, rows, [b"", b""]), "t", FieldType.UNIX_TIMESTAMP)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert found == [epoch - timedelta(seconds=1), epoch + timedelta(seconds=1)]


def test_feasts_mark_of_a_missing_time_is_null() -> None:
    """Feast writes NaT as the smallest integer; it is stored and read as the null that it is."""
    schema = row_schema("v", ["uid"], [("t", FieldType.UNIX_TIMESTAMP)])
    rows = encoded(schema, [{"t": Value(unix_timestamp_val=NO_TIME)}])
    assert python_values(decode_rows(schema, rows, [b""]), "t", FieldType.UNIX_TIMESTAMP) == [None]


def test_a_value_of_another_type_is_refused() -> None:
    """A text in a number feature is an error that names the feature, never a number."""
    with pytest.raises(ValueMismatchError, match="x"):
        cells_from_protos("v:x", FieldType.DOUBLE, [Value(string_val="1")])
    with pytest.raises(ValueMismatchError, match="1970"):
        cells_from_protos("v:t", FieldType.UNIX_TIMESTAMP, [Value(unix_timestamp_val=2**62)])


def test_declaration_order_does_not_matter() -> None:
    """The same fields in another order are the same schema; another type, view or join key is another."""
    fields = [("a", FieldType.STRING), ("b", FieldType.DOUBLE), ("c", FieldType.INT32)]
    first = row_schema("v", ["k", "j"], fields)
    assert row_schema("v", ["j", "k"], fields[::-1]) == first
    others = [
        row_schema("w", ["j", "k"], fields),
        row_schema("v", ["j"], fields),
        row_schema("v", ["j", "k"], [*fields[:2], ("c", FieldType.INT64)]),
    ]
    assert len({first.fingerprint, *(other.fingerprint for other in others)}) == 4
    assert parse_schema(first.canonical) == first


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"format": 2}', b"null"])
def test_what_is_no_schema_is_refused(text: bytes) -> None:
    """Only a schema of a known format is read."""
    with pytest.raises(ValueError, match=r"schema|format|Expecting"):
        parse_schema(text)


def test_check_weights_are_odd_and_fixed() -> None:
    """The multipliers are part of the format: odd, and the same for ever."""
    weights = check_weights(64)
    assert (weights & np.uint64(1)).all()
    assert weights[:3].tolist() == [16294208416658607535, 7960286522194355701, 487617019471545679]


SMALL = row_schema(
    "v",
    ["uid"],
    [("x", FieldType.DOUBLE), ("k", FieldType.INT32), ("s", FieldType.STRING), ("l", FieldType.INT64_LIST)],
)


def small_row() -> bytes:
    """Return a row with a tail."""
    values = {"x": Value(double_val=1.5), "k": Value(int32_val=-3), "s": Value(string_val="text")}
    values["l"] = Value()
    values["l"].int64_list_val.val.extend([1, 2])
    return encoded(SMALL, [values])[0]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_is_never_read_as_a_value(data: st.DataObject) -> None:
    """Whatever byte is changed, cut off or added, reading is an error: never another value."""
    row, book = small_row(), SchemaBook("p")
    book.add(SMALL)
    damaged = bytearray(row)
    how = data.draw(st.sampled_from(["flip", "cut", "add"]))
    if how == "flip":
        damaged[data.draw(st.integers(0, len(row) - 1))] ^= data.draw(st.integers(1, 255))
    elif how == "cut":
        damaged = damaged[: data.draw(st.integers(0, len(row) - 1))]
    else:
        damaged += data.draw(st.binary(min_size=1, max_size=9))
    with pytest.raises((CorruptRowError, UnknownSchemaError)) as caught:
        view_batch(book, Owner("v", ("uid",)), [row, bytes(damaged)], [b"good", b"bad"])
    assert isinstance(caught.value, OnlineStoreError)
    assert "bad" in str(caught.value)


def test_every_single_bit_of_a_row_is_guarded() -> None:
    """All single-bit changes of a row are found."""
    row, book = small_row(), SchemaBook("p")
    book.add(SMALL)
    for bit in range(len(row) * 8):
        damaged = bytearray(row)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(OnlineStoreError):
            view_batch(book, Owner("v", ("uid",)), [bytes(damaged)], [b"bad"])


def test_a_row_of_another_view_is_refused() -> None:
    """A row that was copied under another view's key is an error, not that view's data."""
    book = SchemaBook("p")
    book.add(SMALL)
    with pytest.raises(CorruptRowError, match="feature view 'v'"):
        view_batch(book, Owner("w", ("uid",)), [small_row()], [b"key"])


def test_rows_keyed_by_other_join_keys_are_not_found() -> None:
    """When a view's join keys change, what was stored under the old ones is not taken for the new ones'."""
    book = SchemaBook("p")
    book.add(SMALL)
    assert view_batch(book, Owner("v", ("other",)), [small_row()], [b"key"]).found == np.array([False])


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(list(FIXED)), st.sampled_from(list(FIXED)), st.data())
def test_retyped_numbers_stay_the_same_number_or_become_null(
    stored: FieldType, declared: FieldType, data: st.DataObject
) -> None:
    """A value read as another type is equal to what was stored, or null: never rounded, cut or wrapped."""
    values = data.draw(st.lists(values_of(stored), min_size=1, max_size=5))
    cells = cells_from_protos("x", stored, values)
    new = converted(cells, stored, declared)
    missing = np.zeros(len(values), bool) if new.missing is None else new.missing
    for place, value in enumerate(values):
        name = value.WhichOneof("val")
        if name is None:
            assert missing[place]
        elif not missing[place]:
            # Python compares integers and floats exactly.
            assert np.asarray(new.values)[place].item() == np.asarray(cells.values)[place].item()
    if stored is declared:
        assert new is cells


def test_the_layout_is_as_documented() -> None:
    """A row's bytes lie where docs/stores-online.md says: changing them needs a new format number."""
    schema = row_schema("v", ["uid"], [("x", FieldType.DOUBLE), ("s", FieldType.STRING), ("b", FieldType.BOOL)])
    times = RowTimes(np.array([7], np.int64), np.array([9], np.int64))
    cells = {"x": Cells(np.array([1.0])), "s": cells_from_protos("s", FieldType.STRING, [Value(string_val="hi")])}
    row = encode_rows(schema, times, cells)[0]
    assert row[0] == 1
    assert row[1:8] == schema.fingerprint
    assert row[8:16] == (7).to_bytes(8, "little")
    assert row[16:24] == (9).to_bytes(8, "little")
    assert row[28:32] == zlib.crc32(b"hi").to_bytes(4, "little")
    assert row[32:40] == np.float64(1.0).tobytes()
    assert row[40:41] == b"\x00"  # the null boolean
    assert row[44:48] == (2).to_bytes(4, "little")  # the text's length, on a multiple of 4
    assert row[48] == 0b010  # x, b, s in stored order; b is null
    assert len(row) == 56 + 2
    assert row[56:] == b"hi"
