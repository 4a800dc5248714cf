from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from likewise.training.entity_rows import read_entity_rows
from likewise.training.errors import EntityRowsError, HistoryRowsError, LabelValueError
from likewise.training.history_file import EVENT_TIME, ROW
from likewise.training.history_rows import rows_in_order
from tests.training.small_project import small_history, small_recipe, small_rows

ASKED = pa.table(
    {
        ROW: pa.array([0, 1, 2, 3]),
        "carrier": pa.array(["UA", None, "AA", "AA"]),
        "gate": pa.array([1.0, float("nan"), 3.0, 4.0]),
        EVENT_TIME: pa.array([10, 20, 30, 40], pa.timestamp("us", "UTC")),
    }
)


def with_features(table: pa.Table) -> pa.Table:
    """Return the rows as a store would, with a feature that tells them apart."""
    return table.append_column("feature", pa.array([float(row) for row in table.column(ROW).to_pylist()]))


def test_rows_in_order_pass_as_they_are() -> None:
    """A store that keeps rows, order and values changes nothing, nulls and NaN included."""
    assert rows_in_order(ASKED, with_features(ASKED)).column("feature").to_pylist() == [0.0, 1.0, 2.0, 3.0]


def test_rows_in_another_order_are_put_back() -> None:
    """Each row carries its number, so a store that reorders does no harm; times of other precision are the same."""
    shuffled = with_features(ASKED).take(pa.array([2, 0, 3, 1]))
    shuffled = shuffled.set_column(3, EVENT_TIME, shuffled.column(EVENT_TIME).cast(pa.timestamp("ns", "UTC")))
    assert rows_in_order(ASKED, shuffled).column("feature").to_pylist() == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda rows: rows.slice(1), r"lost 1 entity rows \(row numbers 0\)"),
        (lambda rows: rows.slice(0, 0), "lost 4"),
        (lambda rows: rows.drop_columns([ROW]), "lost 4"),
        (lambda rows: pa.concat_tables([rows, rows.slice(2, 1)]), r"repeated 1 entity rows \(row numbers 2\)"),
        (lambda rows: rows.set_column(0, ROW, pa.array([0, 1, 2, 9])), "lost 1"),
        (lambda rows: pa.concat_tables([rows, rows.slice(0, 1).set_column(0, ROW, pa.array([7]))]), "invented 1"),
        (lambda rows: rows.set_column(1, "carrier", pa.array(["UA", "UA", "AA", "B6"])), "changed 'carrier' in 2"),
        (lambda rows: rows.set_column(2, "gate", pa.array([1.0, 2.0, 3.0, 4.0])), "changed 'gate' in 1"),
        (lambda rows: rows.set_column(0, ROW, pa.array([3, 1, 2, 0])), "changed 'carrier' in 2"),
    ],
)
def test_a_store_that_spoils_rows_is_found(spoil: Callable[[pa.Table], pa.Table], what: str) -> None:
    """Lost, repeated, invented, altered and mixed-up rows are each an error that counts them."""
    with pytest.raises(HistoryRowsError, match=what):
        rows_in_order(ASKED, spoil(with_features(ASKED)))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    pq.write_table(small_rows(200), tmp_path / "labels.parquet")
    return tmp_path


def test_entity_rows_are_numbered_in_file_order(repository: Path) -> None:
    """Every row of the file is there once, with its number."""
    rows = read_entity_rows(small_recipe(), repository, ["carrier"]).table
    assert rows.column(ROW).to_pylist() == list(range(200))


def test_a_sample_is_even_and_always_the_same(repository: Path) -> None:
    """A share of the rows is spread over the whole file, and rows keep their numbers."""
    numbers = read_entity_rows(small_recipe(sample=0.25), repository, ["carrier"]).table.column(ROW).to_numpy()
    assert len(numbers) == 50
    assert np.diff(numbers).max() == np.diff(numbers).min() == 4


@pytest.mark.parametrize(
    ("changes", "spoil", "message"),
    [
        ({"entities": "absent.parquet"}, None, "no such file"),
        ({"label": "delayed"}, None, "columns delayed"),
        ({"weights": "weight"}, None, "columns weight"),
        ({"label_known_at": "delay"}, None, "instant with its zone"),
        ({}, lambda rows: rows.append_column(ROW, rows.column("late")), "it is ours"),
        ({}, lambda rows: rows.set_column(3, EVENT_TIME, pa.array([None] * 200, pa.timestamp("us", "UTC"))), "nulls"),
    ],
)
def test_entity_files_that_lack_something_are_explained(
    changes: dict, spoil: Callable | None, message: str, repository: Path
) -> None:
    """The error says which column or file was expected and what there is."""
    if spoil is not None:
        pq.write_table(spoil(small_rows(200)), repository / "labels.parquet")
    with pytest.raises(EntityRowsError, match=message):
        read_entity_rows(small_recipe(**changes), repository, ["carrier"])


def test_labels_other_than_0_and_1_are_refused(repository: Path) -> None:
    """A label of 2 is named, not silently taken for true."""
    rows = small_rows(200)
    pq.write_table(rows.set_column(1, "late", pa.array([0, 1, 2, None] * 50)), repository / "labels.parquet")
    with pytest.raises(LabelValueError, match="also 2"):
        read_entity_rows(small_recipe(), repository, ["carrier"])


def test_a_transform_sees_no_label(tmp_path: Path) -> None:
    """Inputs of a transform hold neither label, nor when it was known, nor the row number."""
    inputs = small_history(tmp_path).inputs(np.array([0, 5, 7]))
    assert inputs.column_names == ["carrier", EVENT_TIME, "delay", "distance"]
    assert inputs.column("distance").to_pylist() == [small_rows().column("distance")[row].as_py() for row in (0, 5, 7)]


def test_writing_a_history_twice_gives_the_same_fingerprint(tmp_path: Path) -> None:
    """The same rows give the same file, byte for byte."""
    (tmp_path / "again").mkdir()
    assert small_history(tmp_path).fingerprint == small_history(tmp_path / "again").fingerprint
