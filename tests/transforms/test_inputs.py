"""What columns may hold and come in: every type of Feast's, streams whose batches differ, and what is refused."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest

from likewise.transforms import Counters, FittedTransform, LogicalType, Steps, Transform, errors, number_fitter
from likewise.transforms import kinds as K  # noqa: N812
from likewise.transforms.kind import Kind
from likewise.transforms.testing import assert_same_bits

NOON, MIDNIGHT = datetime(2013, 3, 10, 12, tzinfo=UTC), datetime(2013, 3, 10, tzinfo=UTC)
UTC_TIME = pa.timestamp("us", "UTC")

# Arrow type, as Feast and files give it; values as a row holds them; a kind that reads them.
READ: list[tuple[pa.DataType, list[Any], Kind]] = [
    (pa.int8(), [1, -2, None], K.StandardScaler()),
    (pa.int32(), [1, -2, None], K.StandardScaler()),
    (pa.int64(), [2**60, -(2**60), None, 5], K.OrdinalEncoder()),
    (pa.uint64(), [2**64 - 1, 5, None], K.StandardScaler()),
    (pa.float16(), [1.5, -2.0, None], K.StandardScaler()),
    (pa.float32(), [1.5, -2.25, None], K.StandardScaler()),
    (pa.float64(), [1.1, -2.2, None], K.StandardScaler()),
    (pa.decimal128(10, 2), [Decimal("1.25"), Decimal("-3.50"), None], K.StandardScaler()),
    (pa.bool_(), [True, False, None], K.StandardScaler()),
    (pa.bool_(), [True, False, None], K.OrdinalEncoder()),
    (pa.string(), ["UA", "", None, "Ünïcode"], K.OrdinalEncoder()),
    (pa.large_string(), ['{"a": 1}', None], K.OrdinalEncoder()),
    (pa.string_view(), ["UA", None], K.OrdinalEncoder()),
    (pa.dictionary(pa.int8(), pa.string()), ["UA", "AA", None], K.OrdinalEncoder()),
    (pa.dictionary(pa.int32(), pa.int64()), [7, 9, None], K.OrdinalEncoder()),
    (pa.binary(), [b"\x00\xff", b"", None], K.OrdinalEncoder()),
    (pa.large_binary(), [b"a", None], K.OrdinalEncoder()),
    (pa.binary(2), [b"ab", b"cd", None], K.OrdinalEncoder()),
    (UTC_TIME, [NOON, MIDNIGHT, None], K.DatetimeFeatures()),
    (pa.timestamp("ns"), [NOON.replace(tzinfo=None), None], K.DatetimeFeatures()),
    (pa.timestamp("s", "America/New_York"), [NOON, None], K.DatetimeFeatures()),
    (pa.date32(), [date(2013, 3, 10), None], K.DatetimeFeatures(("month", "day"))),
    (pa.list_(pa.int64()), [[1, 2], [], None], K.SequencePadder(2)),
    (pa.list_(pa.int32()), [[1, 2], [], None], K.MultiHotEncoder()),
    (pa.list_(pa.float64()), [[1.5], [], None], K.SequencePadder(2)),
    (pa.list_(pa.float32(), 2), [[1.5, 2.5], None], K.SequencePadder(2)),
    (pa.list_(pa.bool_()), [[True], [], None], K.SequencePadder(2)),
    (pa.list_(pa.string()), [["a", "b"], [], None], K.MultiHotEncoder()),
    (pa.large_list(pa.string()), [["a", "b"], [], None], K.MultiHotEncoder()),
    (pa.list_(pa.binary()), [[b"a"], [], None], K.MultiHotEncoder()),
    (pa.list_(UTC_TIME), [[NOON], [], None], K.MultiHotEncoder()),
]


@pytest.mark.parametrize(("arrow", "values", "kind"), READ, ids=str)
def test_every_type_of_value_is_read_alike(arrow: pa.DataType, values: list[Any], kind: Kind) -> None:
    """A table and rows of each type give the same bits and counts, fitted and loaded."""
    table = pa.table({"c": pa.array(values, arrow)})
    fitted = Transform("t", {"o": [Steps(["c"], [kind])]}).fit(table)
    loaded = FittedTransform.from_bytes(fitted.to_bytes())
    by_table, by_row = Counters(), Counters()
    tensors = fitted.apply(table, by_table)
    assert_same_bits(tensors, loaded.apply_rows([{"c": value} for value in values], by_row), "rows")
    assert dict(by_table) == dict(by_row)
    assert by_table["c", "missing"] == 1


UNREAD = [
    pa.map_(pa.string(), pa.string()),
    pa.struct([("a", pa.int64())]),
    pa.list_(pa.list_(pa.int64())),
    pa.list_(pa.map_(pa.string(), pa.int64())),
    pa.duration("us"),
    pa.time64("us"),
]


@pytest.mark.parametrize("arrow", UNREAD, ids=str)
def test_types_that_no_kind_reads_are_refused(arrow: pa.DataType) -> None:
    """Maps, structs, nested lists, durations and times of day are refused by column, with what is read instead."""
    table = pa.table({"c": pa.nulls(2, arrow)})
    with pytest.raises(
        errors.ColumnTypeError, match=r"column 'c': expected a number, .*list of one of these.*got Arrow"
    ):
        Transform("t", {"o": [Steps(["c"], [K.MissingIndicator()])]}).fit(table)


@pytest.mark.parametrize(
    ("logical", "value", "words"),
    [
        ("text", {"a": 1}, "expected text, got dict"),
        ("text", b"a", "expected text, got bytes"),
        ("bytes", "a", "expected bytes, got str"),
        ("number", {1, 2}, "expected number, got set"),
        ("boolean", 2, "expected boolean, got int 2"),
        ("time", "yesterday", "expected time, got text 'yesterday'"),
        ("time", 5, "expected time, got int"),
        ("list<text>", {"a", "b"}, "expected list, got set"),
        ("list<text>", {"a": 1}, "expected list, got dict"),
        ("list<number>", ["1"], "expected number, got str"),
        ("list<number>", "12", "expected list, got str"),
    ],
)
def test_python_values_of_other_types_are_refused(logical: str, value: Any, words: str) -> None:
    """Maps, sets and whatever else is not of the column's type are refused by column and value."""
    empty = pa.table({"c": pa.nulls(2, LogicalType(logical).to_arrow())})
    fitted = Transform("t", {"o": [Steps(["c"], [K.MissingIndicator()])]}).fit(empty)
    with pytest.raises(errors.ColumnTypeError, match=f"column 'c': {words}"):
        fitted.apply_rows([{"c": value}])


def test_nulls_alone_do_not_tell_a_type() -> None:
    """A column of the null type is refused unless the transform says what it holds."""
    steps = {"o": [Steps(["c"], [K.MissingIndicator()])]}
    with pytest.raises(errors.ColumnTypeError, match=r"Transform\(types="):
        Transform("t", steps).fit(pa.table({"c": pa.nulls(2)}))
    assert Transform("t", steps, types={"c": "text"}).fit(pa.table({"c": pa.nulls(2)})).inputs[0].type == "text"


WORDS = [["a", "b"], ["c", "b"], ["b", "d"]]


def encoded(words: list[str], at: int) -> pa.RecordBatch:
    text = pa.array(words * 20).dictionary_encode()
    return pa.record_batch({"x": np.arange(40.0) + at, "c": text})


def stream_of_dictionaries() -> Iterator[pa.RecordBatch]:
    return (encoded(words, at) for at, words in enumerate(WORDS))


def several_passes() -> Transform:
    return Transform("t", {"o": [Steps(["x"], [K.QuantileTransformer(9)])], "c": [Steps(["c"], [K.OrdinalEncoder()])]})


def test_streams_may_change_their_dictionaries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches with dictionaries of their own are spilled and read again: the digest is that of the rows."""
    plain = pa.concat_tables(
        [pa.table(b).cast(pa.schema([("x", pa.float64()), ("c", pa.string())])) for b in stream_of_dictionaries()]
    )
    expected = several_passes().fit(plain).digest
    monkeypatch.setattr(number_fitter, "KEPT_VALUES", 10)
    for data in (stream_of_dictionaries(), list(stream_of_dictionaries()), reader_of_dictionaries()):
        fitted = several_passes().fit(data)
        assert fitted.digest == expected
        assert fitted.provenance["passes"] > 1


def reader_of_dictionaries() -> pa.RecordBatchReader:
    batches = list(stream_of_dictionaries())
    return pa.RecordBatchReader.from_batches(batches[0].schema, batches)


CHUNKS = [{"x": [1, 2, 3]}, {"x": [4.5, None]}, {"x": [None, None]}, {"x": [7]}]


@pytest.mark.parametrize("frame", [pd.DataFrame, pa.table, pa.record_batch], ids=lambda f: f.__name__)
@pytest.mark.parametrize("stream", [iter, list], ids=["stream", "list"])
def test_chunks_may_differ_in_how_they_hold_a_number(frame: Any, stream: Callable[[Any], Any]) -> None:
    """Chunks of integers, floats and nulls, as nulls make them upstream, are one column of numbers."""
    whole = pa.table({"x": pa.array([v for chunk in CHUNKS for v in chunk["x"]], pa.float64())})
    steps = {"o": [Steps(["x"], [K.SimpleImputer("median"), K.StandardScaler()])]}
    expected = Transform("t", steps).fit(whole)
    chunks = stream([frame(chunk) for chunk in CHUNKS])
    assert Transform("t", steps).fit(chunks).digest == expected.digest
    assert_same_bits(expected.apply(whole), expected.apply([frame(chunk) for chunk in CHUNKS]), "chunks")


def test_chunks_that_lack_a_column_or_change_its_type_are_refused() -> None:
    """A later chunk without the column, or with text in it, is an error that names it."""
    transform = Transform("t", {"o": [Steps(["x"])]})
    with pytest.raises(errors.ColumnMissingError, match="column 'x'"):
        transform.fit(iter([pa.table({"x": [1.0]}), pa.table({"y": [1.0]})]))
    with pytest.raises(errors.ColumnTypeError, match="column 'x': expected number, got text"):
        transform.fit(iter([pa.table({"x": [1.0]}), pa.table({"x": ["1"]})]))


@pytest.mark.parametrize("rows", [{"x": 1.0}, [5], [None], "ab", [[1.0]]], ids=str)
def test_rows_that_are_no_mappings_are_refused(rows: Any) -> None:
    """A mapping in place of a list of them, numbers or text are refused with what is expected."""
    fitted = Transform("t", {"o": [Steps(["x"])]}).fit(pa.table({"x": [1.0]}))
    with pytest.raises(errors.SettingError, match="rows must be a list of mappings"):
        fitted.apply_rows(rows)


def test_columns_that_are_no_columns_are_refused() -> None:
    """A mapping of lists is refused with the ways that work."""
    fitted = Transform("t", {"o": [Steps(["x"])]}).fit(pa.table({"x": [1.0]}))
    with pytest.raises(errors.ColumnTypeError, match=r"'x': expected a Column of number.*apply_rows.*got list"):
        fitted.apply({"x": [1.0]})


@pytest.mark.parametrize(
    ("held", "declared", "kind"),
    [
        (pa.array([1, 2, 3]), pa.string(), K.OrdinalEncoder()),
        (pa.array([0, 10**15, 5]), UTC_TIME, K.DatetimeFeatures()),
        (pa.array([0.1, 0.2, 2**24 + 1.0]), pa.float32(), K.StandardScaler()),
        (pa.array(["a", None, "b"]), pa.large_string(), K.OrdinalEncoder()),
    ],
    ids=str,
)
def test_the_schema_of_a_dataset_counts(tmp_path: Path, held: pa.Array, declared: pa.DataType, kind: Kind) -> None:
    """Files whose columns a dataset's schema turns into other types give what its table gives."""
    pyarrow.parquet.write_table(pa.table({"x": held}), tmp_path / "a.parquet")
    dataset = pyarrow.dataset.dataset(tmp_path, schema=pa.schema([("x", declared)]))
    transform = Transform("t", {"o": [Steps(["x"], [kind])]})
    fitted = transform.fit(dataset)
    assert fitted.digest == transform.fit(dataset.to_table()).digest
    assert_same_bits(fitted.apply(dataset), fitted.apply(dataset.to_table()), "dataset")


def test_files_with_integers_and_with_floats_are_one_column(tmp_path: Path) -> None:
    """A column of integers that is one of floats in the file where nulls came is read without a cast that fails."""
    pyarrow.parquet.write_table(pa.table({"x": [1, 2]}), tmp_path / "a.parquet")
    pyarrow.parquet.write_table(pa.table({"x": [None, 2.5]}), tmp_path / "b.parquet")
    transform = Transform("t", {"o": [Steps(["x"], [K.StandardScaler()])]})
    whole = transform.fit(pa.table({"x": [1.0, 2.0, None, 2.5]}))
    assert transform.fit(pyarrow.dataset.dataset(tmp_path)).digest == whole.digest


@pytest.mark.parametrize("data", [iter(()), 7], ids=["no batch", "a number"])
def test_what_can_not_be_applied_to_is_told_of_apply(data: Any) -> None:
    """Errors of apply speak of apply."""
    fitted = Transform("t", {"o": [Steps(["x"], [K.Clip(0.0, 1.0)])]}).fit(pa.table({"x": [1.0]}))
    with pytest.raises(errors.SettingError, match="apply: data must be"):
        fitted.apply(data)
