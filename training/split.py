"""Cut a history into train, validate and test by time, leaving out labels that were not known in time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .errors import EmptyPartError
from .history_file import EVENT_TIME, History
from .recipe import Recipe

PARTS = ("train", "validate", "test")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a split.

    Parameters
    ----------
    name
        "train", "validate" or "test".
    positions
        (n,) int64, positions in the history, rising.
    labels
        (n,) float32, 0 or 1.
    weights
        (n,) float32, or None when the recipe names no weights.
    first_event, last_event
        Event times of the earliest and the latest row.
    """

    name: str
    positions: np.ndarray[Any, Any]
    labels: np.ndarray[Any, Any]
    weights: np.ndarray[Any, Any] | None
    first_event: datetime
    last_event: datetime

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.positions)

    @property
    def base_rate(self) -> float:
        """Share of positive labels."""
        return float(self.labels.mean())


@dataclass(frozen=True, slots=True)
class Split:
    """The three parts, and how many rows were left out for which reason."""

    train: Part
    validate: Part
    test: Part
    left_out: Mapping[str, int]


def split_history(history: History, recipe: Recipe) -> Split:
    """Return the parts that the recipe's time split declares.

    A row belongs to the part in whose span its event time falls. A train or validate row must also have its label known
    before that span ended: what is learned by then can't contain what was known later. A test row is judged
    afterwards, whenever its label came. Rows without a label are left out.

    Raises
    ------
    EmptyPartError
        When a part lacks rows of either class.
    """
    history.verify()
    table = history.columns([EVENT_TIME, *recipe.label_columns])
    part, left_out = _assign(table, recipe)
    parts = {name: _part(name, np.flatnonzero(part == number), table, recipe) for number, name in enumerate(PARTS)}
    return Split(**parts, left_out=left_out)


def _assign(table: pa.Table, recipe: Recipe) -> tuple[np.ndarray[Any, Any], dict[str, int]]:
    """Return the part number of each row (-1: none), and counts of those left out by reason."""
    event = _microseconds(table.column(EVENT_TIME))
    span = recipe.split.boundaries()
    ends = np.array([_since_epoch(end) for end in (span.train_until, span.validate_until, span.test_until)], np.int64)
    part = np.searchsorted(ends, event, side="right")
    start = np.iinfo(np.int64).min if span.train_from is None else _since_epoch(span.train_from)
    outside = (part == len(PARTS)) | (event < start)
    unlabelled = ~outside & table.column(recipe.label).is_null().to_numpy()
    too_late = ~outside & ~unlabelled & (part < PARTS.index("test")) & ~_known_in_time(table, recipe, part, ends)
    left_out = {"outside the split": outside, "without a label": unlabelled, "label known too late": too_late}
    part = np.where(outside | unlabelled | too_late, -1, part)
    return part, {reason: int(rows.sum()) for reason, rows in left_out.items()}


def _known_in_time(
    table: pa.Table, recipe: Recipe, part: np.ndarray[Any, Any], ends: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    if recipe.label_known_at is None:
        return np.ones(len(table), bool)
    known = table.column(recipe.label_known_at)
    never = known.is_null().to_numpy()
    in_time = _microseconds(known.fill_null(0)) < ends[np.minimum(part, len(ends) - 1)]
    return np.asarray(~never & in_time)


def _part(name: str, positions: np.ndarray[Any, Any], table: pa.Table, recipe: Recipe) -> Part:
    rows = table.take(pa.array(positions))
    labels = rows.column(recipe.label).cast(pa.float32()).to_numpy()
    positives = int(labels.sum())
    if positives in (0, len(labels)):
        raise EmptyPartError(name, len(labels), positives, "Move the recipe's split, or its `sample`.")
    weights = None if recipe.weights is None else rows.column(recipe.weights).cast(pa.float32()).to_numpy()
    times = pc.min_max(rows.column(EVENT_TIME)).as_py()
    return Part(name, positions, labels, weights, times["min"].astimezone(UTC), times["max"].astimezone(UTC))


def _microseconds(times: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    values: np.ndarray[Any, Any] = times.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
    return values


def _since_epoch(instant: datetime) -> int:
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // datetime.resolution
