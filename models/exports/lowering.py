"""A fitted transform taken through its exporters: raw columns in, a block for each output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from likewise.models.exports.algebra import Block
from likewise.models.exports.category_exporters import as_columns
from likewise.models.exports.columns import ExportColumn
from likewise.models.exports.exporter import Exporter, NotExportable, Target
from likewise.models.exports.tables import exporter_of
from likewise.transforms import FittedTransform
from likewise.transforms.plan import Stage, stages_of, takes_numbers_first
from likewise.transforms.steps import FittedSteps

GiveColumn = Callable[[str], ExportColumn]


def lowered(fitted: FittedTransform, target: Target, column: GiveColumn) -> dict[str, Block]:
    """Return a block for each output: numbers, or integers for codes; `column` gives a raw input by name."""
    return {name: _side_by_side(parts, target, column) for name, parts in fitted.steps.items()}


def _side_by_side(parts: tuple[FittedSteps, ...], target: Target, column: GiveColumn) -> Block:
    blocks = [block for steps in parts for block in _run(steps, target, column)]
    return blocks[0].algebra.join(blocks)


def _run(steps: FittedSteps, target: Target, column: GiveColumn) -> list[Block]:
    """Return the result of one chain of steps, then its indicators."""
    values: Any = tuple(column(field.source) for field in steps.fields)
    if takes_numbers_first(steps):
        values = _as_numbers(values)
    sides = []
    for stage in stages_of(steps.kinds, steps.fields):
        exporter = _exporter(stage, target)
        values = _as_numbers(values) if stage.takes_numbers else as_columns(values, stage.fields)
        if stage.has_side and exporter.side is not None:
            sides.append(exporter.side(stage.kind, values))
        if not stage.kind.outputs():
            return sides
        values = exporter.lower(stage.kind, values)
    return [values, *sides]


def _exporter(stage: Stage, target: Target) -> Exporter:
    found = exporter_of(stage.kind, target)
    if isinstance(found, NotExportable):
        raise TypeError(f"{stage.kind.kind.id} was to be checked before: {found.why}")
    return found


def _as_numbers(values: Any) -> Block:
    if isinstance(values, Block):
        return values.algebra.numbers(values)
    blocks: list[Block] = [value.numbers() for value in values]
    return blocks[0].algebra.join(blocks)
