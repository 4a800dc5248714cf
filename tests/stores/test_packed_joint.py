"""Rows of many views decoded side by side: the same values, nulls and refusals as row by row."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from feast.protos.feast.types.Value_pb2 import Value
from hypothesis import given, settings
from hypothesis import strategies as st

from likewise.stores.packed_answer import Asked, ReadAnswer, answer
from likewise.stores.packed_columns import ARROW_ROWS, logical_type
from likewise.stores.packed_encode import RowTimes, encode_rows, fixed_checks, segment_checks
from likewise.stores.packed_errors import CorruptRowError, UnsupportedTypeError
from likewise.stores.packed_features import Wanted
from likewise.stores.packed_fetch import NOT_FOUND, NULL_VALUE, OUTSIDE_MAX_AGE, PRESENT, Owner, SchemaBook
from likewise.stores.packed_joint import JointLayout, join_rows
from likewise.stores.packed_parts import PartReader
from likewise.stores.packed_protos import attribute, cells_from_protos
from likewise.stores.packed_schema import NO_TIME, FieldType, RowSchema, row_schema
from tests.stores.packed_values import value_types, values_of

NOW, AGE = 1_000_000, 1_000


def _is_readable(kind: FieldType) -> bool:
    try:
        logical_type("x", kind)
    except UnsupportedTypeError:
        return False
    # pyarrow can't say times beyond year 9999 as Python values; `test_packed_read.py` reads lists of times.
    return kind is not FieldType.UNIX_TIMESTAMP_LIST


KINDS = [kind for kind in value_types() if _is_readable(kind)]


def wide(view: str, kinds: Sequence[FieldType]) -> RowSchema:
    """Return a schema with one field of each type, its name by place and type."""
    return row_schema(view, ["uid"], [(f"f{at}_{kind.name}", kind) for at, kind in enumerate(kinds)])


@dataclass(frozen=True)
class Stored:
    """A row of one view: its schema, its values and when it happened."""

    schema: RowSchema
    values: dict[str, Value]
    event: int

    def packed(self) -> bytes:
        """Return the row as it is stored."""
        cells = {f.name: cells_from_protos(f.name, f.type, [self.values.get(f.name)]) for f in self.schema.fields}
        return encode_rows(self.schema, RowTimes(np.array([self.event]), np.array([NO_TIME])), cells)[0]


def expected(kind: FieldType, value: Value | None) -> object:
    """Return the Python value of a proto as columns hold it."""
    if value is None or value.WhichOneof("val") is None:
        return None
    content = getattr(value, attribute(kind))
    if kind is FieldType.UNIX_TIMESTAMP:
        return content * 1_000_000
    return list(content.val) if kind.name.endswith("_LIST") else content


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[RowSchema], list[list[Stored | None]]]:
    """Return the schemas of some views, and for each view what is stored of n entities, old rows among it."""
    m, n = draw(st.integers(1, 4)), draw(st.integers(0, 4))
    schemas, rows = [], []
    for view in range(m):
        now = wide(f"v{view}", draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=9)))
        old = RowSchema(now.view, now.join_keys, tuple(f for f in now.fields if draw(st.booleans())))
        schemas.append(now)
        held: list[Stored | None] = []
        for _ in range(n):
            schema = draw(st.sampled_from([now, now, old, None]))
            if schema is None:
                held.append(None)
                continue
            values = {field.name: draw(values_of(field.type)) for field in schema.fields}
            held.append(Stored(schema, values, NOW - draw(st.sampled_from([AGE, AGE + 1]))))
        rows.append(held)
    return schemas, rows


def read(schemas: list[RowSchema], rows: list[list[Stored | None]], report_only: Sequence[bool]) -> ReadAnswer:
    """Return what a reader answers over stored rows."""
    book = SchemaBook("p")
    for held in rows:
        for stored in held:
            if stored is not None:
                book.add(stored.schema)
    wanted = [tuple(Wanted(field.name, field.type) for field in schema.fields) for schema in schemas]
    reader = PartReader(book, [Owner(schema.view, schema.join_keys) for schema in schemas], wanted)
    values = [[None if stored is None else stored.packed() for stored in held] for held in rows]
    keys = [[b"key"] * len(held) for held in rows]
    asked = Asked(wanted, [AGE] * len(schemas), report_only)
    first = answer(asked, reader.read(values, keys), NOW)
    again = answer(asked, reader.read(values, keys), NOW)  # by what was remembered of the first
    assert again.statuses.tobytes() == first.statuses.tobytes()
    assert [column.objects() for column in again.columns] == [column.objects() for column in first.columns]
    return again


@settings(max_examples=150, deadline=None)
@given(worlds(), st.data())
def test_every_cell_is_what_was_stored(
    world: tuple[list[RowSchema], list[list[Stored | None]]], data: st.DataObject
) -> None:
    """Of any views, types, old and absent rows, each cell is what was stored, missing where its status says so."""
    schemas, rows = world
    report_only = [data.draw(st.booleans()) for _ in schemas]
    found = read(schemas, rows, report_only)
    for view, (schema, held) in enumerate(zip(schemas, rows, strict=True)):
        columns = found[view].columns
        for row, stored in enumerate(held):
            old = stored is not None and stored.event < NOW - AGE
            status = NOT_FOUND if stored is None else OUTSIDE_MAX_AGE if old else PRESENT
            assert found[view].statuses[row] == status
            assert found[view].event_times[row] == (NO_TIME if stored is None else stored.event)
            for field in schema.fields:
                value = expected(field.type, None if stored is None else stored.values.get(field.name))
                told = NULL_VALUE if status == PRESENT and value is None else status
                assert found[view].statuses_of(field.name)[row] == told
                shown = None if old and not report_only[view] else value
                column = columns[field.name]
                assert column.is_missing()[row] == (shown is None)
                assert column.objects()[row] == shown


@settings(max_examples=100, deadline=None)
@given(worlds(), st.data())
def test_a_portion_is_what_its_keys_alone_give(
    world: tuple[list[RowSchema], list[list[Stored | None]]], data: st.DataObject
) -> None:
    """Some rows of a read are, value by value and status by status, what a read of only those rows answers."""
    schemas, rows = world
    report_only = [data.draw(st.booleans()) for _ in schemas]
    whole = read(schemas, rows, report_only)
    start = data.draw(st.integers(0, whole.n))
    end = data.draw(st.integers(start, whole.n))
    found, alone = whole.rows(start, end), read(schemas, [held[start:end] for held in rows], report_only)
    assert found.n == alone.n == end - start
    assert found.is_all_present == alone.is_all_present
    for name in ("statuses", "event_times", "created_times", "nulls"):
        assert getattr(found, name).tolist() == getattr(alone, name).tolist()
    assert np.array_equal(found.numbers, alone.numbers, equal_nan=True)
    assert [column.objects() for column in found.columns] == [column.objects() for column in alone.columns]
    for one, other in zip(found.blocks, alone.blocks, strict=True):
        assert one.type is other.type
        assert one.is_complete() == other.is_complete()


@settings(max_examples=60, deadline=None)
@given(worlds(), st.data())
def test_no_changed_byte_is_believed(
    world: tuple[list[RowSchema], list[list[Stored | None]]], data: st.DataObject
) -> None:
    """One changed byte in any row of any view is refused, whatever stands beside it."""
    schemas, _ = world
    rows = [[Stored(schema, {}, NOW).packed()] for schema in schemas]
    view = data.draw(st.integers(0, len(schemas) - 1))
    at = data.draw(st.integers(8, len(rows[view][0]) - 1))  # behind the format and fingerprint
    changed = bytearray(rows[view][0])
    changed[at] ^= 1 << data.draw(st.integers(0, 7))
    rows[view][0] = bytes(changed)
    with pytest.raises(CorruptRowError):
        join_rows(JointLayout(schemas), rows, [[b"key"]] * len(schemas))


def test_a_row_of_another_length_is_refused() -> None:
    """Rows that are too long or too short are refused, with and without a tail; lengths can't make up for others."""
    for kinds in ([FieldType.DOUBLE], [FieldType.STRING, FieldType.BYTES]):
        schema = wide("v", kinds)
        row = Stored(schema, {}, NOW).packed()
        layout = JointLayout([schema, schema])
        with pytest.raises(CorruptRowError):
            join_rows(layout, [[row + b"x"], [row]], [[b"a"], [b"b"]])
        assert join_rows(layout, [[row[:-1]], [row + b"x"]], [[b"a"], [b"b"]]) is None
        reader = PartReader(book_of(schema), [Owner("v", ("uid",))], [[]])
        with pytest.raises(CorruptRowError, match="expected"):
            reader.read([[row[:-1]]], [[b"key"]])


def test_zeros_at_its_end_do_not_make_up_for_a_short_row() -> None:
    """A row that lost bytes which are zero is too short, also where all its checks would hold."""
    for kinds in ([FieldType.BOOL], [FieldType.STRING]):
        schema = wide("v", kinds)
        row = Stored(schema, {}, NOW).packed()
        assert row.endswith(b"\0")
        layout = JointLayout([schema, schema])
        assert join_rows(layout, [[row], [row]], [[b"a"], [b"b"]]) is not None
        assert join_rows(layout, [[row], [row[:-1]]], [[b"a"], [b"b"]]) is None
        reader = PartReader(book_of(schema), [Owner("v", ("uid",))], [[]])
        for rows in ([row, row], [row, row[:-1]]):  # the second time by what was remembered of the first
            if rows[1] is row:
                reader.read([rows], [[b"key"] * 2])
                continue
            with pytest.raises(CorruptRowError, match="expected"):
                reader.read([rows], [[b"key"] * 2])


def test_the_row_that_is_refused_is_named() -> None:
    """Of many rows the error names the key of the one whose length, fixed part or tail is wrong."""
    schemas = [wide("bare", [FieldType.DOUBLE]), wide("tailed", [FieldType.STRING, FieldType.STRING])]
    texts = {field.name: Value(string_val="text") for field in schemas[1].fields}
    for view, change in ((0, b"longer"), (1, b"longer"), (0, None), (1, None), (1, b"")):
        rows = [[Stored(schema, texts, NOW).packed()] * 3 for schema in schemas]
        row = rows[view][2]
        turned = row[:-1] + bytes([row[-1] ^ 1])
        rows[view][2] = row + change if change else turned if change is None else row[:-4] + b"TEXT"
        keys = [[b"%d-%d" % (at, entity) for entity in range(3)] for at in range(2)]
        with pytest.raises(CorruptRowError, match=f"{view}-2"):
            join_rows(JointLayout(schemas), rows, keys)


def book_of(*schemas: RowSchema) -> SchemaBook:
    """Return a book that knows schemas."""
    book = SchemaBook("p")
    for schema in schemas:
        book.add(schema)
    return book


def test_checks_side_by_side_are_the_checks_row_by_row() -> None:
    """The check of rows in one array is, row by row, the one that was written."""
    schemas = [wide("a", KINDS), wide("b", KINDS[:3]), wide("c", [])]
    layout = JointLayout(schemas)
    held = [Stored(schema, {}, NOW).packed()[: schema.width] for schema in schemas]
    words = np.frombuffer(b"".join(held), "<u8").reshape(1, -1)
    low = words.take(layout.checks, axis=1) & np.uint64(0xFFFFFFFF)
    found = segment_checks(words, low, layout.weights, layout.segments)[0].tolist()
    single = [
        int(fixed_checks(np.frombuffer(row, schema.record), schema.width)[0])
        for row, schema in zip(held, schemas, strict=True)
    ]
    assert found == single == low[0].tolist()


def test_many_texts_are_the_same_texts() -> None:
    """Texts of many rows, which come as an Arrow array, are those of few rows: empty, missing and beyond ASCII."""
    schema = wide("v", [FieldType.STRING, FieldType.BYTES])
    texts = ["", None, "é", "a\x00b", "日本"] * 20
    names = [field.name for field in schema.fields if field.type is FieldType.STRING]
    rows: list[Stored | None] = [
        Stored(schema, {} if text is None else {names[0]: Value(string_val=text)}, NOW) for text in texts
    ]
    (many,) = read([schema], [rows], [False])
    assert len(texts) >= ARROW_ROWS > 1
    assert many.columns[names[0]].objects() == texts
    assert many.columns[names[0]].is_missing().tolist() == [text is None for text in texts]
    few = [read([schema], [[row]], [False])[0].columns[names[0]].objects()[0] for row in rows[:5]]
    assert few == texts[:5]
