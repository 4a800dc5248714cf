"""Fit the recipe's transform on the train part, and on nothing but rows that history gave."""

from __future__ import annotations

from typing import Any

from likewise.transforms import FittedTransform

from .history_file import History
from .progress import Progress, silent
from .recipe import Recipe
from .split import Split


def fit_transform(history: History, split: Split, recipe: Recipe, progress: Progress = silent) -> FittedTransform:
    """Return the transform fitted on the train part.

    The label, when it was known, and the weights are withheld. The history's fingerprint is checked first, so that a
    file which somebody edited after retrieval is never fitted.

    Raises
    ------
    HistoryChangedError
        When the history file is not what retrieval wrote.
    """
    history.verify()
    rows = history.inputs(split.train.positions)
    return recipe.transform.fit(rows, progress=progress, provenance=_provenance(history, split, recipe))


def _provenance(history: History, split: Split, recipe: Recipe) -> dict[str, Any]:
    return {
        "recipe": recipe.name,
        "history": history.fingerprint,
        "definitions": history.definitions_fingerprint,
        "part": split.train.name,
        "rows": split.train.rows,
        "first_event": split.train.first_event.isoformat(),
        "last_event": split.train.last_event.isoformat(),
    }
