"""Kind `rare_grouper/1`: one name for all rare categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from likewise.transforms.categories import pack_vocabularies, unpack_vocabularies
from likewise.transforms.category_counts import CategoryCounts, CategoryFitter, CategoryKind
from likewise.transforms.codes import CodePlan
from likewise.transforms.columns import Column
from likewise.transforms.counters import Counters
from likewise.transforms.kind import Arrays, Fields, FittedKind, Form, require, require_choice
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.rarity import infrequent, require_limits
from likewise.transforms.vocabulary import MISSING, Vocabulary


@dataclass(frozen=True, slots=True)
class RareGrouper(CategoryKind):
    """Text as it is when frequent in the fit, else the name of the group; an encoder follows.

    Missing values: stay missing and are not counted as a category. Unseen values: the group's name,
    and counted, or an error. Constant column: itself, unless rare. Empty fit: an error of the transform.

    Parameters
    ----------
    min_frequency
        Categories rarer than this count (integer) or share of rows (float) are grouped.
    max_categories
        At most so many names, the group included.
    group
        The group's name.
    unseen
        "group" or "error".

    Examples
    --------
    >>> from likewise.transforms.columns import column_from_values
    >>> from likewise.transforms.testing import fit_values
    >>> fitted = fit_values(RareGrouper(min_frequency=2), LogicalType.TEXT, ["a", "a", "b"])
    >>> fitted.apply((column_from_values("x", ["a", "b", None], LogicalType.TEXT),), None)[0].objects()
    ['a', '<rare>', None]
    """

    id: ClassVar[str] = "rare_grouper/1"
    form: ClassVar[Form] = Form.COLUMNS
    accepts = frozenset({LogicalType.TEXT})

    min_frequency: float | None = 0.01
    max_categories: int | None = None
    group: str = "<rare>"
    unseen: Literal["group", "error"] = "group"

    def __post_init__(self) -> None:
        require_limits("RareGrouper", self.min_frequency, self.max_categories)
        require(isinstance(self.group, str), "RareGrouper", "group", "text", self.group)
        require_choice("RareGrouper", "unseen", self.unseen, ("group", "error"))

    def fitter(self, fields: Fields) -> CategoryFitter:
        """Return a fitter; one pass."""
        return CategoryFitter(self, fields)

    def solve(self, fields: Fields, counts: Sequence[CategoryCounts]) -> Arrays:
        """Return the frequent categories."""
        return pack_vocabularies(fields, [self._frequent(c) for c in counts])

    def _frequent(self, counted: CategoryCounts) -> list[str]:
        values = counted.sorted()
        rows = sum(counted.counts.values()) + counted.missing
        rare = infrequent([counted.counts[v] for v in values], rows, self.min_frequency, self.max_categories)
        return [v for v, is_rare in zip(values, rare.tolist(), strict=True) if not is_rare]

    def restore(self, fields: Fields, arrays: Arrays) -> FittedRareGrouper:
        """Return the fitted grouper."""
        vocabularies = unpack_vocabularies(fields, arrays)
        plans = tuple(
            CodePlan.refusing(f, "RareGrouper", len(v), missing=False, unseen=self.unseen == "error")
            for f, v in zip(fields, vocabularies, strict=True)
        )
        return FittedRareGrouper(self, fields, vocabularies, plans)


@dataclass(frozen=True, slots=True, eq=False)
class FittedRareGrouper(FittedKind):
    """A fitted `RareGrouper`."""

    kind: RareGrouper
    fields: Fields
    vocabularies: tuple[Vocabulary, ...]
    plans: tuple[CodePlan, ...]

    def outputs(self) -> Fields:
        """Return the same fields."""
        return self.fields

    def apply(self, values: tuple[Column, ...], tally: Counters | None) -> tuple[Column, ...]:
        """Return the columns with rare categories renamed."""
        grouped = []
        for column, vocabulary, plan in zip(values, self.vocabularies, self.plans, strict=True):
            places = vocabulary.places(column)
            plan.codes(places, tally, column)
            names = np.array([*vocabulary.values, self.kind.group, None], dtype=object)
            missing = places == MISSING
            grouped.append(Column(LogicalType.TEXT, names[places], missing if bool(missing.any()) else None))
        return tuple(grouped)

    def arrays(self) -> Arrays:
        """Return the frequent categories."""
        return pack_vocabularies(self.fields, [v.values for v in self.vocabularies])
