"""What a kind brings along to be exported: one formula over an `Algebra`, for every target.

A package with kinds of its own declares exporters by entry point, under the id of the kind:

    [project.entry-points."likewise.exporters"]
    "acme.my_kind/1" = "acme.exports:MY_KIND"
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from likewise.models.exports.algebra import Block
from likewise.models.exports.columns import ExportColumn
from likewise.transforms.steps import FittedSteps

Target = Literal["keras", "sql"]
TARGETS: tuple[Target, ...] = ("keras", "sql")

# A block of numbers or codes, or columns: the forms between two steps, as `likewise.transforms.kind` has them.
ExportValues: TypeAlias = "Block | tuple[ExportColumn, ...]"
Lower: TypeAlias = Callable[[Any, Any], ExportValues]
Refuse: TypeAlias = Callable[[FittedSteps, int, Target], "str | None"]


def never(steps: FittedSteps, at: int, target: Target) -> str | None:  # noqa: ARG001 - the form of `Refuse`
    """Return None: nothing about the settings or neighbours of a step stands in the way."""
    return None


@dataclass(frozen=True, slots=True)
class Exporter:
    """How a kind is exported.

    Parameters
    ----------
    lower
        (fitted kind, values before) -> values after, in the forms of the kind's own `apply`.
    side
        (fitted kind, values before) -> block of the indicators of `side_outputs`.
    refuse
        (steps, place of the kind in them, target) -> why just this one can't be exported, or None.
    targets
        The targets it works for.
    """

    lower: Lower
    side: Callable[[Any, Any], Block] | None = None
    refuse: Refuse = never
    targets: tuple[Target, ...] = TARGETS


@dataclass(frozen=True, slots=True)
class NotExportable:
    """Why no step of a kind can be exported."""

    why: str
