from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from likewise.training import TimeSplit
from likewise.training.errors import EmptyPartError, HistoryChangedError
from likewise.training.history_file import EVENT_TIME
from likewise.training.split import split_history
from tests.training.small_project import small_history, small_recipe, small_rows


def seconds(column: pa.ChunkedArray) -> np.ndarray:
    """Return instants as seconds since 1970."""
    return column.cast(pa.int64()).to_numpy() / 1e6


def test_no_label_was_unknown_when_its_part_ended(tmp_path: Path) -> None:
    """Every train and validate row's label became known before its part ended: no future leaks in."""
    rows, recipe = small_rows(), small_recipe()
    split, cuts = split_history(small_history(tmp_path, rows), recipe), recipe.split.boundaries()
    for part, end in ((split.train, cuts.train_until), (split.validate, cuts.validate_until)):
        known = seconds(rows.column("known_at").take(pa.array(part.positions)))
        assert known.max() < end.timestamp()
    assert split.left_out["label known too late"] > 0


def test_parts_are_apart_and_in_order(tmp_path: Path) -> None:
    """Each row is in one part at most, parts follow each other in time, and every row is accounted for."""
    rows = small_rows()
    split = split_history(small_history(tmp_path, rows), small_recipe())
    parts = [split.train, split.validate, split.test]
    assert sum(part.rows for part in parts) + sum(split.left_out.values()) == len(rows)
    assert all(earlier.last_event < later.first_event for earlier, later in pairwise(parts))
    assert all(np.array_equal(part.positions, np.unique(part.positions)) for part in parts)


def test_labels_are_those_of_the_rows(tmp_path: Path) -> None:
    """Labels line up with positions."""
    rows = small_rows()
    part = split_history(small_history(tmp_path, rows), small_recipe()).validate
    assert part.labels.tolist() == rows.column("late").take(pa.array(part.positions)).to_pylist()
    assert part.base_rate == pytest.approx(part.labels.mean())


def test_rows_without_a_label_are_left_out_and_counted(tmp_path: Path) -> None:
    """A null label is never trained nor judged on; a label known never counts as too late."""
    rows = small_rows()
    index = np.arange(len(rows))
    late = pc.if_else(pa.array(index % 10 == 0), None, rows.column("late").combine_chunks())
    known = pc.if_else(pa.array(index % 10 == 1), None, rows.column("known_at").combine_chunks())
    rows = rows.set_column(1, "late", late).set_column(2, "known_at", known)
    split = split_history(small_history(tmp_path, rows), small_recipe())
    assert split.left_out["without a label"] == 300 - (split.left_out["outside the split"] + 9) // 10
    assert not set(split.train.positions[split.train.positions % 10 < 2])
    # A test row is judged afterwards, whenever its label came.
    assert set(split.test.positions[split.test.positions % 10 == 1])


def test_train_from_leaves_out_what_came_before(tmp_path: Path) -> None:
    """Rows before the declared start are outside the split."""
    cuts = TimeSplit("2013-01-20", "2013-01-25", "2013-01-30", train_from="2013-01-05")
    split = split_history(small_history(tmp_path), small_recipe(split=cuts))
    assert split.train.first_event.isoformat() >= "2013-01-05"
    assert split.left_out["outside the split"] > 0


def test_a_part_of_one_class_is_refused(tmp_path: Path) -> None:
    """A part without both classes can neither be learned from nor judged on; the error names it."""
    rows = small_rows()
    never = pc.if_else(
        pc.greater(rows.column(EVENT_TIME), pa.scalar(1359072000000000, pa.timestamp("us", "UTC"))),
        0,
        rows.column("late"),
    )
    with pytest.raises(EmptyPartError, match=r"validate|test"):
        split_history(small_history(tmp_path, rows.set_column(1, "late", never)), small_recipe())


def test_a_history_that_was_edited_is_refused(tmp_path: Path) -> None:
    """One changed byte, or no file at all, ends the run with both fingerprints in the message."""
    history = small_history(tmp_path)
    content = bytearray(history.path.read_bytes())
    content[len(content) // 2] ^= 1
    history.path.write_bytes(content)
    with pytest.raises(HistoryChangedError, match=history.fingerprint):
        split_history(history, small_recipe())
    history.path.unlink()
    with pytest.raises(HistoryChangedError, match="no file"):
        history.verify()
