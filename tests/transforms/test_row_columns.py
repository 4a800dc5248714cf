"""A few Python rows give what the table of them gives: bits, counters and errors."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from likewise.transforms import Counters, FittedTransform, Steps, Transform, errors
from likewise.transforms import kinds as K  # noqa: N812
from likewise.transforms.columns import Column, column_from_values
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.row_columns import RowColumns
from likewise.transforms.testing import assert_same_bits

SCHEMA = pa.schema(
    [
        ("x", pa.float64()),
        ("a", pa.string()),
        ("n", pa.int64()),
        ("b", pa.string()),
        ("t", pa.timestamp("us", tz="UTC")),
    ]
)
ROWS: list[dict[str, Any]] = [
    {"x": 1.5 * i, "a": "UA" if i % 2 else "AA", "n": i, "b": f"b{i}", "t": datetime(2020, 1, 1 + i, tzinfo=UTC)}
    for i in range(20)
]
ODD: list[dict[str, Any]] = [
    {"x": None, "a": None, "n": None, "b": None, "t": None},
    {"x": float("inf"), "a": "UA", "n": -1, "b": "b1", "t": None},
    {"x": -1e300, "a": "UA", "n": 0, "b": "b1", "t": None},
    {"x": 1e300, "a": "never seen", "n": 99, "b": "", "t": datetime(1900, 1, 1, tzinfo=UTC)},
    {"x": 0.5, "a": "UA", "n": 3, "b": None, "t": None},
]


def fitted(**settings: Any) -> FittedTransform:
    """Return text, numbers and times looked up, hashed and scaled, columns used twice among them."""
    outputs = {
        "codes": [Steps(["b", "a"], [K.OrdinalEncoder(**settings)]), Steps(["n"], [K.OrdinalEncoder(**settings)])],
        "again": [Steps(["a"], [K.OrdinalEncoder(**settings)])],
        "mixed": [Steps(["a", "t"], [K.OrdinalEncoder(**settings)])],
        "hot": [Steps(["a"], [K.OneHotEncoder()])],
        "hashed": [Steps(["b"], [K.FeatureHasher(8)])],
        "x": [Steps(["x"], [K.SimpleImputer(), K.StandardScaler()])],
        "shares": [Steps(["x", "n"], [K.QuantileTransformer(5, "normal")])],
        "bins": [Steps(["x", "n"], [K.KBinsDiscretizer(3)])],
    }
    return Transform("t", outputs).fit(pa.Table.from_pylist(ROWS, SCHEMA))


FITTED = fitted()


@pytest.mark.parametrize("size", [1, 2, 3, 16, 17, 23])
def test_rows_give_what_their_table_gives(size: int) -> None:
    """Rows one by one and in batches of any size: the bits and the counts of a table that holds them and many more."""
    rows = [*ODD, *ROWS]
    by_table, by_rows = Counters(), Counters()
    expected = FITTED.apply(pa.Table.from_pylist(rows * 50, SCHEMA), by_table)
    for start in range(0, len(rows), size):
        piece = slice(start, start + size)
        of_piece = {name: tensor[: len(rows)][piece] for name, tensor in expected.items()}
        assert_same_bits(FITTED.apply_rows(rows[piece], by_rows), of_piece, f"rows from {start}")
    assert [(key, count * 50) for key, count in by_rows] == list(by_table)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"a": "never seen"}, errors.UnseenValueError),
        ({"b": None}, errors.MissingValueError),
        ({"a": 5}, errors.ColumnTypeError),
    ],
)
def test_refusals_name_the_column(change: dict[str, Any], error: type[Exception]) -> None:
    """A refused value among few rows raises its error, naming its column."""
    strict = fitted(unseen="error", missing="error")
    strict.apply_rows(ROWS[:3])
    for rows in ([ROWS[0] | change], [*ROWS[:2], ROWS[2] | change]):
        with pytest.raises(error, match=f"'{next(iter(change))}'"):
            strict.apply_rows(rows)


def test_an_absent_key_is_named() -> None:
    """A row without an input raises the error that names it."""
    row = {name: value for name, value in ROWS[0].items() if name != "b"}
    with pytest.raises(errors.ColumnMissingError, match="'b'"):
        FITTED.apply_rows([row])


def test_columns_are_those_of_the_values() -> None:
    """Columns built on demand are those that their values would give at once, others are passed on."""
    times = column_from_values("t", [None, datetime(2020, 1, 1, tzinfo=UTC)], LogicalType.TIME)
    columns = RowColumns(["UA", "AA", None, ""], (1, -1, 0), {1: times}, 2)
    assert [column.objects() for column in columns] == [[None, ""], times.objects(), ["UA", "AA"]]
    assert isinstance(columns[1], Column)
    assert [column.is_missing().tolist() for column in columns[0:3:2]] == [[True, False], [False, False]]
    assert columns.texts([2, 0]) == ["UA", "AA", None, ""]
    assert list(columns.with_missing()) == [0, 1, 2]
    assert list(RowColumns(["UA"], (0,), {}, 1).with_missing()) == []


@pytest.mark.parametrize("kind", [K.OrdinalEncoder(), K.OneHotEncoder(), K.CountEncoder(), K.FeatureHasher(8)])
def test_half_a_surrogate_pair_is_a_text_in_few_rows_and_in_many(kind: Any) -> None:
    """What JSON can spell and UTF-8 can't hold gives one result, alone and in a batch that is looked up by Arrow."""
    apart = Transform("t", {"o": [Steps(["a"], [kind])]}).fit(pa.table({"a": ["UA", "AA"]}))
    rows = [{"a": "U\ud800"}, {"a": None}, {"a": "UA"}] * 40
    together, tally = Counters(), Counters()
    tensors = apart.apply_rows(rows, together)
    alone = [apart.apply_rows([row], tally)["o"] for row in rows]
    assert np.array_equal(tensors["o"], np.concatenate(alone))
    assert dict(together) == dict(tally)
