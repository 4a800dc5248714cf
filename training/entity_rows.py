"""Entity rows: which entities, at which times, with which label. Read, checked and numbered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .errors import EntityRowsError, LabelValueError
from .history_file import EVENT_TIME, ROW
from .recipe import Recipe


@dataclass(frozen=True, slots=True)
class EntityRows:
    """The rows of an entity file, each with its number in the file as `likewise_row`."""

    table: pa.Table

    def without(self, columns: Sequence[str]) -> pa.Table:
        """Return the rows without these columns."""
        return self.table.drop_columns([name for name in columns if name in self.table.column_names])


def read_entity_rows(recipe: Recipe, repository: Path, needed: Sequence[str]) -> EntityRows:
    """Return the recipe's entity rows.

    Parameters
    ----------
    recipe
        Says where they are (relative to the repository), which columns are labels, and which share to take.
    repository
        Directory of the Feast repository.
    needed
        Join keys and request data of the feature service.

    Raises
    ------
    EntityRowsError
        When the file or a column is absent, or a time has no zone.
    LabelValueError
        When a label is not 0, 1 or null.
    """
    path = repository / recipe.entities
    if not path.is_file():
        raise EntityRowsError(recipe.entities, f"a Parquet file below {repository}", "no such file")
    table = pq.read_table(path)
    _check_columns(recipe, table, needed)
    table = table.append_column(ROW, pa.array(np.arange(len(table), dtype=np.int64)))
    if recipe.sample is not None:
        table = table.filter(pa.array(_evenly(len(table), recipe.sample)))
    return EntityRows(_with_utc_microseconds(recipe, table))


def _check_columns(recipe: Recipe, table: pa.Table, needed: Sequence[str]) -> None:
    wanted = [EVENT_TIME, *needed, *recipe.label_columns]
    if absent := [name for name in wanted if name not in table.column_names]:
        raise EntityRowsError(recipe.entities, f"columns {', '.join(absent)}", ", ".join(table.column_names))
    if ROW in table.column_names:
        raise EntityRowsError(recipe.entities, f"no column {ROW}: it is ours", "one")
    for name in _time_columns(recipe):
        kind = table.schema.field(name).type
        if not pa.types.is_timestamp(kind) or kind.tz is None:
            raise EntityRowsError(recipe.entities, f"{name} as an instant with its zone", str(kind))
    if table.column(EVENT_TIME).null_count:
        raise EntityRowsError(recipe.entities, f"a value of {EVENT_TIME} in every row", "nulls")
    _check_labels(recipe, table)


def _check_labels(recipe: Recipe, table: pa.Table) -> None:
    found = pc.unique(table.column(recipe.label)).to_pylist()
    if foreign := [value for value in found if not (value is None or value in (0, 1))]:
        raise LabelValueError(recipe.label, foreign[:5])


def _time_columns(recipe: Recipe) -> list[str]:
    return [EVENT_TIME] + ([] if recipe.label_known_at is None else [recipe.label_known_at])


def _with_utc_microseconds(recipe: Recipe, table: pa.Table) -> pa.Table:
    for name in _time_columns(recipe):
        times = table.column(name).cast(pa.timestamp("us", "UTC"), safe=False)
        table = table.set_column(table.column_names.index(name), name, times)
    return table


def _evenly(rows: int, share: float) -> np.ndarray[Any, Any]:
    """Return a mask of about share * rows rows, spread evenly; always the same for the same numbers."""
    numbers = np.floor(np.arange(rows + 1, dtype=np.float64) * share)
    return np.diff(numbers) > 0
