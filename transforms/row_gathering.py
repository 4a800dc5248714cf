"""Arrow batches and Python rows to the matrix and columns a plan runs on.

What a value becomes is decided in `columns` and `python_values`; for rows, one check is made for all columns of a type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from likewise.transforms.columns import Column, InputSpec, column_from_arrow, column_from_values, values_of
from likewise.transforms.errors import ColumnTypeError
from likewise.transforms.kind import Floats
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.plan import Plan
from likewise.transforms.python_values import PLAIN_NUMBERS, PLAIN_TEXTS, numbers_from_values
from likewise.transforms.row_columns import RowColumns

Rows = Sequence[Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class RowGathering:
    """Which inputs of a plan are numbers, which text and which anything else."""

    numbers: tuple[InputSpec, ...]
    number_names: tuple[str, ...]
    only_numbers: bool
    others: tuple[InputSpec, ...]
    text_names: tuple[str, ...]
    text_places: tuple[int, ...]
    rest: tuple[tuple[int, InputSpec], ...]

    @classmethod
    def of(cls, plan: Plan, inputs: Sequence[InputSpec]) -> RowGathering:
        """Return the gathering of a plan."""
        by_name = {spec.name: spec for spec in inputs}
        numbers = tuple(by_name[name] for name in plan.number_names)
        others = plan.column_inputs
        texts = [at for at, spec in enumerate(others) if spec.type is LogicalType.TEXT]
        return cls(
            numbers,
            plan.number_names,
            all(spec.type is LogicalType.NUMBER for spec in numbers),
            others,
            tuple(others[at].name for at in texts),
            tuple(texts.index(at) if at in texts else -1 for at in range(len(others))),
            tuple((at, spec) for at, spec in enumerate(others) if spec.type is not LogicalType.TEXT),
        )

    def from_arrow(self, batch: pa.RecordBatch) -> tuple[Floats, list[Column]]:
        """Return the (k, n) matrix of numbers and the plan's columns of an Arrow batch."""
        numbers = np.empty((len(self.numbers), batch.num_rows))
        for spec, out in zip(self.numbers, numbers, strict=True):
            out[:] = column_from_arrow(spec.name, batch.column(spec.name), spec.type).values
        return numbers, [column_from_arrow(s.name, batch.column(s.name), s.type) for s in self.others]

    def matrix(self, rows: Rows) -> Floats:
        """Return the (k, n) matrix of numbers."""
        if self.only_numbers:
            flat = _flat(rows, self.number_names)
            if flat is not None and PLAIN_NUMBERS.issuperset(map(type, flat)):
                try:
                    return numbers_from_values("a column", flat).reshape(len(self.numbers), len(rows))
                except ColumnTypeError:
                    flat = None  # an integer beyond float64: of the columns one by one the error names the right one
        columns = [column_from_values(s.name, values_of(rows, s.name), s.type) for s in self.numbers]
        return np.array([c.values for c in columns], dtype=np.float64).reshape(len(columns), len(rows))

    def columns(self, rows: Rows) -> Sequence[Column]:
        """Return the plan's columns."""
        flat = _flat(rows, self.text_names)
        if flat is None or not PLAIN_TEXTS.issuperset(map(type, flat)):
            return [column_from_values(s.name, values_of(rows, s.name), s.type) for s in self.others]
        rest = {at: column_from_values(spec.name, values_of(rows, spec.name), spec.type) for at, spec in self.rest}
        return RowColumns(flat, self.text_places, rest, len(rows))


def _flat(rows: Rows, names: Sequence[str]) -> list[object] | None:
    """Return the values of all names, row after row within a name; None when a key is absent or a row no mapping."""
    try:
        if len(rows) == 1:
            row = rows[0]
            return [row[name] for name in names]
        return [row[name] for name in names for row in rows]
    except (KeyError, TypeError):
        return None
