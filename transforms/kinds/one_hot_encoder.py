"""Kind `one_hot_encoder/1`: a column of 0 and 1 for each category."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from likewise.transforms.categories import (
    chosen_categories,
    decoded,
    pack_vocabularies,
    require_categories,
    unpack_vocabularies,
)
from likewise.transforms.category_counts import CategoryCounts, CategoryFitter, CategoryKind
from likewise.transforms.codes import CodePlan, label_of
from likewise.transforms.columns import Column
from likewise.transforms.counters import Counters
from likewise.transforms.kind import SCALARS, Arrays, Field, Fields, FittedKind, Floats, Form, require_choice
from likewise.transforms.packed_values import array_of
from likewise.transforms.rarity import infrequent, require_limits
from likewise.transforms.vocabulary import MISSING, UNSEEN, Vocabulary

Unseen = Literal["ignore", "oov", "infrequent", "error"]


@dataclass(frozen=True, slots=True)
class OneHotEncoder(CategoryKind):
    """1 in the column of the value's category, 0 in the others.

    Columns per input: frequent categories in ascending order as `NAME_category`, then where asked
    for `NAME_<infrequent>`, `NAME_<missing>`, `NAME_<oov>`. Missing values: their own column, zeros,
    or an error. Unseen values: zeros, their own column, the column of infrequent ones (zeros if
    there is none), or an error; counted. Constant column: one column. Empty fit: an error of the transform.

    Parameters
    ----------
    unseen
        "ignore" (zeros), "oov", "infrequent" or "error".
    missing
        "category", "ignore" (zeros) or "error".
    drop
        None, "first" (drop the first column) or "if_binary" (only where there are two).
    min_frequency
        Categories rarer than this count (integer) or share of rows (float) are infrequent.
    max_categories
        At most so many category columns, the infrequent one included.
    categories
        Per column its categories in order, or None to learn them.

    Examples
    --------
    >>> from likewise.transforms.logical_types import LogicalType
    >>> from likewise.transforms.columns import column_from_values
    >>> from likewise.transforms.testing import fit_values
    >>> fitted = fit_values(OneHotEncoder(missing="ignore"), LogicalType.TEXT, ["b", "a", "b"])
    >>> fitted.apply((column_from_values("x", ["b", None, "z"], LogicalType.TEXT),), None)
    array([[0., 0., 0.],
           [1., 0., 0.]])
    """

    id: ClassVar[str] = "one_hot_encoder/1"
    form: ClassVar[Form] = Form.COLUMNS
    accepts = SCALARS

    unseen: Unseen = "ignore"
    missing: Literal["category", "ignore", "error"] = "category"
    drop: Literal["first", "if_binary"] | None = None
    min_frequency: float | None = None
    max_categories: int | None = None
    categories: tuple[tuple[float | str, ...], ...] | None = None

    def __post_init__(self) -> None:
        require_choice("OneHotEncoder", "unseen", self.unseen, ("ignore", "oov", "infrequent", "error"))
        require_choice("OneHotEncoder", "missing", self.missing, ("category", "ignore", "error"))
        require_choice("OneHotEncoder", "drop", self.drop, (None, "first", "if_binary"))
        require_limits("OneHotEncoder", self.min_frequency, self.max_categories)
        require_categories("OneHotEncoder", self.categories)

    def fitter(self, fields: Fields) -> CategoryFitter:
        """Return a fitter; one pass."""
        return CategoryFitter(self, fields)

    def solve(self, fields: Fields, counts: Sequence[CategoryCounts]) -> Arrays:
        """Return vocabularies and which categories are infrequent."""
        chosen = chosen_categories("OneHotEncoder", fields, counts, self.categories)
        arrays: dict[str, Any] = dict(pack_vocabularies(fields, chosen))
        for at, (categories, counted) in enumerate(zip(chosen, counts, strict=True)):
            occurred = [counted.counts.get(value, 0) for value in categories]
            rows = sum(counted.counts.values()) + counted.missing
            arrays[f"infrequent.{at}"] = infrequent(occurred, rows, self.min_frequency, self.max_categories)
        return arrays

    def restore(self, fields: Fields, arrays: Arrays) -> FittedOneHotEncoder:
        """Return the fitted encoder."""
        vocabularies = unpack_vocabularies(fields, arrays)
        masks = tuple(array_of(arrays, f"infrequent.{at}", np.bool_, (len(v),)) for at, v in enumerate(vocabularies))
        layouts = tuple(_Layout.of(self, *given) for given in zip(fields, vocabularies, masks, strict=True))
        return FittedOneHotEncoder(self, fields, vocabularies, masks, layouts)


@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """The columns of one input: their labels, and the table from a place to a column (-1: none)."""

    plan: CodePlan
    labels: tuple[str, ...]
    column: npt.NDArray[np.int32]

    @classmethod
    def of(cls, kind: OneHotEncoder, field: Field, vocabulary: Vocabulary, rare: npt.NDArray[np.bool_]) -> _Layout:
        labels = [label_of(v) for v, r in zip(vocabulary.values, rare.tolist(), strict=True) if not r]
        column = np.full(len(vocabulary) + 2, -1, np.int32)
        column[:-2][~rare] = np.arange(len(labels))
        if rare.any():
            column[:-2][rare] = len(labels)
            column[UNSEEN] = len(labels) if kind.unseen == "infrequent" else -1
            labels.append("<infrequent>")
        for place, asked, label in (
            (MISSING, kind.missing == "category", "<missing>"),
            (UNSEEN, kind.unseen == "oov", "<oov>"),
        ):
            if asked:
                column[place] = len(labels)
                labels.append(label)
        if kind.drop == "first" or (kind.drop == "if_binary" and len(labels) == 2):
            labels, column = labels[1:], np.where(column >= 0, column - 1, -1).astype(np.int32)
        refused = CodePlan.refusing(
            field, "OneHotEncoder", len(vocabulary), missing=kind.missing == "error", unseen=kind.unseen == "error"
        )
        return cls(refused, tuple(labels), column)

    def places_of_columns(self) -> npt.NDArray[np.int32]:
        """Return the vocabulary place of each column, and of none at all; beyond the vocabulary where not one place."""
        table = self.column[:-2]
        alone = [np.flatnonzero(table == at) for at in (*range(len(self.labels)), -1)]
        return np.array([at[0] if len(at) == 1 else len(table) for at in alone], dtype=np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class FittedOneHotEncoder(FittedKind):
    """A fitted `OneHotEncoder`."""

    kind: OneHotEncoder
    fields: Fields
    vocabularies: tuple[Vocabulary, ...]
    masks: tuple[npt.NDArray[np.bool_], ...]
    layouts: tuple[_Layout, ...]

    def outputs(self) -> Fields:
        """Return one number field a category."""
        named = zip(self.fields, self.layouts, strict=True)
        return tuple(f.renamed(f"{f.name}_{label}") for f, layout in named for label in layout.labels)

    def apply(self, values: tuple[Column, ...], tally: Counters | None) -> Floats:
        """Return (d, n) of 0 and 1."""
        rows = len(values[0])
        hot = np.zeros((sum(len(layout.labels) for layout in self.layouts), rows))
        start, every = 0, np.arange(rows)
        for column, vocabulary, layout in zip(values, self.vocabularies, self.layouts, strict=True):
            places = vocabulary.places(column)
            layout.plan.codes(places, tally, column)
            at = layout.column[places]
            known = at >= 0
            hot[start + at[known], every[known]] = 1.0
            start += len(layout.labels)
        return hot

    def inverse(self, values: Floats) -> tuple[Column, ...]:
        """Return the category of each row's 1; of zeros the dropped one, if one was; missing where none is told."""
        columns, start = [], 0
        for vocabulary, layout in zip(self.vocabularies, self.layouts, strict=True):
            stop = start + len(layout.labels)
            # A last row of its own stands for "no 1 at all".
            hot = np.vstack([values[start:stop] > 0.5, np.ones((1, values.shape[1]), np.bool_)])
            columns.append(decoded(vocabulary, layout.places_of_columns()[hot.argmax(axis=0)]))
            start = stop
        return tuple(columns)

    def arrays(self) -> Arrays:
        """Return vocabularies and which categories are infrequent."""
        arrays = dict(pack_vocabularies(self.fields, [v.values for v in self.vocabularies]))
        return arrays | {f"infrequent.{at}": mask for at, mask in enumerate(self.masks)}
