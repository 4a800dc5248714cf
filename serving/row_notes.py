"""What an answer says of its rows: each stored view's status, and which values are null."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from likewise.serving.online import PRESENT, STATUS_NAMES, FeatureRows, StoredRows
from likewise.serving.plan import FeaturePlan
from likewise.stores.packed_answer import ReadAnswer


class RowNotes:
    """Writes `statuses` by view and `nulls` by feature for the answers of one plan.

    `statuses` gives each stored view's status per row; `nulls` lists the rows in which a value is null although
    its row is present. Together they are the status of every value, in few bytes.
    """

    def __init__(self, plan: FeaturePlan) -> None:
        self._stored = [view.name for view in plan.stored]
        self._views = {item.column: item.view for item in plan.served}
        self._numbers = [item.column for item in plan.served if item.field.type.is_numeric]
        self._others = [item.column for item in plan.served if not item.field.type.is_numeric]

    def of(self, rows: FeatureRows) -> dict[str, Any]:
        """Return the notes of n rows, ready for JSON."""
        if isinstance(rows.answer, ReadAnswer) and rows.answer.is_all_present:  # nearly always
            statuses = dict.fromkeys(self._stored, ["PRESENT"] * rows.n)
        else:
            statuses = {view: _status_names(stored) for view, stored in rows.stored.items()}
        return {"statuses": statuses, "nulls": self._nulls(rows)}

    def _nulls(self, rows: FeatureRows) -> dict[str, list[int]]:
        if rows.served_from is not None and _is_complete(rows.answer):  # nearly always
            return {}
        missing = self._missing_of_one(rows) if rows.n == 1 else self._missing_of_many(rows)
        found = {name: _among_present(mask, rows.stored.get(self._views[name])) for name, mask in missing.items()}
        return {name: places for name, places in found.items() if places}

    def _missing_of_one(self, rows: FeatureRows) -> dict[str, Any]:
        columns = rows.columns
        # NaN differs from itself; for one row this is faster than any array operation.
        gone = [name for name in self._numbers if (value := columns[name].values.item()) != value]
        gone += [name for name in self._others if columns[name].is_missing()[0]]
        return dict.fromkeys(gone, np.ones(1, np.bool_))

    def _missing_of_many(self, rows: FeatureRows) -> dict[str, Any]:
        masks: dict[str, Any] = {}
        if self._numbers and rows.n:
            matrix = np.isnan(np.array([rows.columns[name].values for name in self._numbers]))
            masks = {self._numbers[at]: matrix[at] for at in np.flatnonzero(matrix.any(axis=1)).tolist()}
        for name in self._others:
            mask = rows.columns[name].is_missing()
            if mask.any():
                masks[name] = mask
        return masks


def _is_complete(answer: Sequence[StoredRows]) -> bool:
    if not isinstance(answer, ReadAnswer):
        return False
    # Of rows that were read together nearly always all are; if not, each looks at its own.
    return (answer.part_of is not None and answer.part_of.whole.once(_has_all)) or answer.once(_has_all)


def _has_all(answer: ReadAnswer) -> bool:
    return all(block.is_complete() for block in answer.blocks)


def _status_names(stored: StoredRows) -> Any:
    return [STATUS_NAMES[code] for code in stored.statuses.tobytes()]


def _among_present(mask: np.ndarray[Any, Any], stored: StoredRows | None) -> list[int]:
    chosen = mask if stored is None else mask & (stored.statuses == PRESENT)
    places: list[int] = np.flatnonzero(chosen).tolist()
    return places
