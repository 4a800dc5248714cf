"""JSON of values: as Feast spells them, and the same whether written by blocks or column by column."""

import math
from typing import Any

import numpy as np
import orjson
import pytest
from feast.protos.feast.types.Value_pb2 import Value
from hypothesis import given, settings
from hypothesis import strategies as st

from likewise.serving.plan import Field
from likewise.serving.row_texts import row_texts
from likewise.serving.value_texts import block_texts, column_text
from likewise.stores.packed_blocks import Block
from likewise.stores.packed_columns import block_columns, logical_type
from likewise.stores.packed_protos import attribute
from likewise.stores.packed_schema import FieldType
from likewise.transforms.columns import LogicalType, column_from_values
from tests.stores.test_packed_joint import Stored, read, wide, worlds

World = tuple[list, list[list[Stored | None]]]


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_blocks_and_columns_are_spelled_alike(world: World) -> None:
    """A stored value has one JSON text, whether it goes straight from a block or through a column."""
    schemas, rows = world
    found = read(schemas, rows, [False] * len(schemas))
    for block in found.blocks:
        made = block_texts(block)
        field = Field("x", logical_type("x", block.type), block.type.name)
        assert made.texts == [column_text(field, column) for column in block_columns(block)]
        for at, text in enumerate(made.texts):
            values = orjson.loads(b"[" + text + b"]")
            assert len(values) == found.found.n
            assert at in made.odd or None not in values


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_rows_that_are_read_together_are_spelled_as_alone(world: World) -> None:
    """The texts of each row, made for all rows at once, are those of its own blocks, and so are its odd features."""
    schemas, rows = world
    found = read(schemas, rows, [False] * len(schemas))
    made = row_texts(found)
    assert len(made) == found.n
    for row, one in enumerate(made):
        alone = [block_texts(block) for block in found.rows(row, row + 1).blocks]
        assert one.texts == [text for block in alone for text in block.texts]
        assert len(one.odd) == sum(len(block.odd) for block in alone)
        odd = [text for block in alone for text in (block.texts[at] for at in block.odd)]
        assert [one.texts[at] for at in one.odd] == odd


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text()), max_size=5))
def test_texts_are_json_texts(texts: list[str | None]) -> None:
    """Any text comes out as JSON that reads as the same text: quotes, backslashes, controls and all."""
    block = Block(FieldType.STRING, [[None if text is None else text.encode() for text in texts]], None)
    assert orjson.loads(b"[" + block_texts(block).texts[0] + b"]") == texts
    assert block_texts(block).odd == ([0] if None in texts else [])


def test_numbers_are_spelled_as_feast_spells_them() -> None:
    """Whole numbers keep every digit, infinities are texts, NaN is null, bytes are base64, times are seconds."""
    stored = Stored(wide("v", []), {}, 1_000_000)
    assert read([stored.schema], [[stored]], [False]).blocks == ()
    cases = {
        FieldType.INT64: (2**60 + 1, b"1152921504606846977"),
        FieldType.DOUBLE: (float("inf"), b'"Infinity"'),
        FieldType.FLOAT: (float("-inf"), b'"-Infinity"'),
        FieldType.BOOL: (True, b"true"),
        FieldType.UNIX_TIMESTAMP: (-1, b"-1"),
        FieldType.BYTES: (b"\xff", b'"/w=="'),
    }
    for kind, (value, text) in cases.items():
        schema = wide("v", [kind])
        proto = Value(**{attribute(kind): value})
        found = read([schema], [[Stored(schema, {schema.fields[0].name: proto}, 1_000_000)]], [False])
        assert block_texts(found.blocks[0]).texts == [text]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([1.5, None], b"1.5,null"),
        ([1.5, 2**60 + 1], b"1.5,1152921504606846977"),
        ([1.5, float("inf"), -float("inf")], b'1.5,"Infinity","-Infinity"'),
        ([2**60 + 1, 2.0**70], b"1152921504606846977,1.1805916207174113e+21"),
        ([2**60 + 1, 2.0**60], b"1152921504606846977,1.152921504606847e+18"),
        ([1e300], b"1e+300"),
        ([3.0, None, 2**60 + 1], b"3,null,1152921504606846977"),
        ([3.0, None], b"3,null"),
    ],
)
def test_numbers_that_are_not_whole_are_not_cut(values: list[Any], text: bytes) -> None:
    """On-demand code that gives others than whole numbers for an integer feature is told as it is, whatever beside."""
    field = Field("x", LogicalType.NUMBER, "INT64")
    assert column_text(field, column_from_values("x", values, field.type)) == text


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(), st.sampled_from([-0.0, 1e-300, 1e22])), max_size=40), st.booleans())
def test_missing_and_infinite_numbers_are_spelled_beside_others(numbers: list[float | None], is_told: bool) -> None:
    """NaN and missing numbers are null, infinities texts, all others themselves, whether or not a mask tells them."""
    missing = np.array([[number is None for number in numbers]])
    values = np.array([[math.nan if number is None else number for number in numbers]], np.float64)
    block = Block(FieldType.DOUBLE, values, missing if is_told and missing.any() else None)
    made = block_texts(block)
    spelled = ["Infinity" if one == math.inf else "-Infinity" if one == -math.inf else one for one in numbers]
    expected = [None if one is None or one != one else one for one in spelled]
    assert orjson.loads(b"[" + made.texts[0] + b"]") == expected
    assert made.odd == ([] if np.isfinite(values).all() else [0])


@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=30))
def test_missing_whole_numbers_are_null(numbers: list[int | None]) -> None:
    """A missing whole number is null and every other keeps its digits."""
    missing = np.array([[number is None for number in numbers]])
    block = Block(FieldType.INT64, np.array([[number or 0 for number in numbers]]), missing if missing.any() else None)
    made = block_texts(block)
    assert made.texts[0] == orjson.dumps(numbers)[1:-1]
    assert made.odd == ([0] if missing.any() else [])


def test_lines_of_any_size_are_told_apart() -> None:
    """The texts of a block are those of its features one by one, for any number of features and rows."""
    for k, n in ((1, 1), (1, 5), (3, 1), (7, 40)):
        values = np.arange(k * n, dtype=np.float64).reshape(k, n) * np.float64(-1e-7)
        made = block_texts(Block(FieldType.DOUBLE, values, None)).texts
        assert made == [orjson.dumps(line.tolist())[1:-1] for line in values]
    assert block_texts(Block(FieldType.DOUBLE, np.empty((2, 0)), None)).texts == [b"", b""]
