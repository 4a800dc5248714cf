"""pandas frames become the same columns as by Arrow's own conversion, whatever they hold."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from likewise.transforms import Counters, Steps, Transform, errors
from likewise.transforms import kinds as K  # noqa: N812
from likewise.transforms.frames import table_of_frame
from likewise.transforms.testing import assert_same_bits

TEXTS = ["UA", "", "naïve", "日本", "a\x00b"]


def repeated(*values: Any) -> list[Any]:
    """Return 20,000 objects, each of them in many rows."""
    return list(values) * (20_000 // len(values))


def apart(text: str, rows: int) -> list[str]:
    """Return equal texts that are different objects."""
    return [text.encode().decode() for _ in range(rows)]


COLUMNS: dict[str, Any] = {
    "one object a text": repeated(*TEXTS),
    "an object a row": [text.encode().decode() for text in repeated(*TEXTS)],
    "equal texts, different objects": repeated(*apart("UA", 4), "AA"),
    "None": repeated("UA", None, "AA"),
    "NaN": repeated("UA", float("nan"), "AA", np.nan),
    "pandas' NA": repeated("UA", pd.NA, None),
    "distinct after many alike": ["UA"] * 10_000 + [f"row {i}" for i in range(20_000)],
    "nothing but None": repeated(None),
    "whole numbers as objects": repeated(1, 2**60, None),
    "numbers as objects": repeated(1.5, None, float("nan")),
    "booleans as objects": repeated(True, False, None),
    "bytes": repeated(b"UA", None),
    "times as objects": repeated(datetime(2020, 1, 1, tzinfo=UTC), None),
    "decimals": repeated(Decimal("1.5"), None),
    "lists": repeated(["UA"], [], None),
    "no rows": [],
    "one row": ["UA"],
}


@pytest.mark.parametrize("values", COLUMNS.values(), ids=COLUMNS.keys())
def test_objects_become_what_arrow_makes_of_them(values: list[Any]) -> None:
    """Object columns of any content hold the values that Arrow's own conversion gives, nulls among them."""
    frame = pd.DataFrame({"c": pd.Series(values, dtype=object)})
    expected = pa.table(frame).column("c")
    got = table_of_frame(frame, ["c"]).column("c")
    if pa.types.is_dictionary(got.type):
        assert got.combine_chunks().dictionary.null_count == 0
    assert got.cast(expected.type).equals(expected)


@pytest.mark.parametrize(
    "series",
    [
        pd.Series([1.5, np.nan, -0.0]),
        pd.Series([1.5, np.nan], dtype="float32"),
        pd.Series([1, 2**62]),
        pd.Series([True, False]),
        pd.Series([1, None], dtype="Int64"),
        pd.Series([1.5, None], dtype="Float64"),
        pd.Series([True, None], dtype="boolean"),
        pd.Series(["UA", None], dtype="string"),
        pd.Series(["UA", None], dtype="string[pyarrow]"),
        pd.Series(["UA", None], dtype="category"),
        pd.Series(pd.to_datetime(["2020-01-01", None])),
        pd.Series(pd.to_datetime(["2020-01-01", None])).dt.tz_localize("Europe/Paris"),
        pd.Series([1, None], dtype=pd.ArrowDtype(pa.int64())),
    ],
    ids=lambda series: str(series.dtype),
)
def test_other_types_become_what_arrow_makes_of_them(series: pd.Series) -> None:
    """Every other pandas type holds the values of Arrow's own conversion; NaN and null both mean missing."""
    frame = pd.DataFrame({"c": series})
    expected, got = pa.table(frame).column("c"), table_of_frame(frame, ["c"]).column("c")
    assert got.type == expected.type
    assert got.to_pandas().equals(expected.to_pandas())


def test_columns_that_lie_apart_in_memory_are_read_right() -> None:
    """Columns of a row-wise matrix and every second row of a frame keep their values."""
    numbers = np.arange(12.0).reshape(6, 2)
    texts = np.array([["a", "b"]] * 6, dtype=object)
    frame = pd.concat([pd.DataFrame(numbers, columns=["x", "y"]), pd.DataFrame(texts, columns=["s", "t"])], axis=1)
    got = table_of_frame(frame[::2], ["y", "t"]).to_pylist()
    assert got == [{"y": y, "t": "b"} for y in (1.0, 5.0, 9.0)]


def test_mixed_objects_are_refused_with_arrows_words() -> None:
    """A column of text and numbers raises what Arrow raises, naming the column, wherever the odd value stands."""
    for values in (["UA", 1.5], repeated("UA", 1.5), ["UA"] * 20_000 + [3]):
        frame = pd.DataFrame({"c": values, "d": 1.0})
        with pytest.raises(pa.ArrowException) as expected:
            pa.table(frame)
        with pytest.raises(type(expected.value)) as got:
            table_of_frame(frame, ["d", "c"])
        assert str(got.value) == str(expected.value)
        assert "column c" in str(got.value)


def test_labels_that_are_no_plain_names_are_left_to_arrow() -> None:
    """Numbers as labels and a named index are found by their names; a label that stands twice is refused."""
    assert table_of_frame(pd.DataFrame({0: [1.5]}), ["0"]).column("0").to_pylist() == [1.5]
    indexed = pd.DataFrame({"c": [1.5]}, index=pd.Index(["UA"], name="carrier"))
    assert table_of_frame(indexed, ["carrier", "c"]).column("carrier").to_pylist() == ["UA"]
    with pytest.raises(ValueError, match="Duplicate column names"):
        table_of_frame(pd.DataFrame([[1.5, 2.5]], columns=["c", "c"]), ["c"])


def test_an_absent_column_is_named_with_the_closest() -> None:
    """A frame without a column leads to the error that names it and what there is."""
    transform = Transform("t", {"d": [Steps(["distance"], [K.StandardScaler()])]})
    frame = pd.DataFrame({"distnce": [1.0, 2.0], "s": ["a", 1.5]})[["distnce"]]
    with pytest.raises(errors.ColumnMissingError, match="distnce"):
        transform.fit(frame)
    fitted = transform.fit(frame.rename(columns={"distnce": "distance"}))
    with pytest.raises(errors.ColumnMissingError, match="distnce"):
        fitted.apply(frame)


def test_a_frame_is_read_not_changed() -> None:
    """Fitting and applying leave the frame as it was, and give what the table gives, counters included."""
    table = pa.table({"x": [1.5, None, -0.0] * 9000, "s": ["UA", None, "AA"] * 9000})
    frame = table.to_pandas()
    before = frame.copy(deep=True)
    steps = [Steps(["x"], [K.SimpleImputer("median"), K.StandardScaler()])]
    transform = Transform("t", {"d": steps, "c": [Steps(["s"], [K.OrdinalEncoder()])]})
    fitted = transform.fit(frame)
    assert fitted.digest == transform.fit(table).digest
    by_frame, by_table = Counters(), Counters()
    assert_same_bits(fitted.apply(frame, by_frame), fitted.apply(table, by_table), "frame and table")
    assert list(by_frame) == list(by_table)
    pd.testing.assert_frame_equal(frame, before)


def test_categories_of_many_chunks_outgrow_their_small_indices() -> None:
    """Chunks of pandas categories, each with 8-bit indices of its own, are fitted and applied as plain text is."""
    chunks = [pd.DataFrame({"x": pd.Categorical([f"{letter}{at}" for at in range(100)])}) for letter in "ab"]
    plain = pa.table({"x": [text for chunk in chunks for text in chunk["x"]]})
    transform = Transform("t", {"o": [Steps(["x"], [K.OrdinalEncoder()])]})
    fitted = transform.fit([pa.table(chunk) for chunk in chunks])
    assert fitted.digest == transform.fit(plain).digest
    table = pa.concat_tables([pa.table(chunk) for chunk in chunks])
    assert_same_bits(fitted.apply(table), fitted.apply(plain), "chunks")
