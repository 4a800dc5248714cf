"""Kind `multi_hot_encoder/1`: a column of 0 and 1 for each category that a list may hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from likewise.transforms.categories import pack_vocabularies, unpack_vocabularies
from likewise.transforms.category_counts import CategoryCounts, distinct
from likewise.transforms.codes import label_of
from likewise.transforms.columns import Column
from likewise.transforms.counters import Counters
from likewise.transforms.errors import MissingValueError, UnseenValueError
from likewise.transforms.kind import Arrays, Field, Fields, FittedKind, Fitter, Floats, Form, Kind, require_choice
from likewise.transforms.list_columns import items_of
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.vocabulary import UNSEEN, Vocabulary

_LISTS = frozenset(t for t in LogicalType if t.is_list)


@dataclass(frozen=True, slots=True)
class MultiHotEncoder(Kind):
    """1 in the column of every category the list holds (once or more), 0 in the others.

    Columns per input: categories in ascending order as `NAME_category`, then `NAME_<missing>` where
    asked for. A missing list: its own column, zeros, or an error. An empty list: zeros; missing
    items are passed over. Unseen items: passed over and counted, or an error. Empty fit: an error
    of the transform.

    Parameters
    ----------
    unseen
        "ignore" or "error".
    missing
        "category", "ignore" (zeros) or "error".

    Examples
    --------
    >>> from likewise.transforms.columns import column_from_values
    >>> from likewise.transforms.testing import fit_values
    >>> fitted = fit_values(MultiHotEncoder(missing="ignore"), LogicalType.LIST_TEXT, [["b", "a"], []])
    >>> fitted.apply((column_from_values("x", [["b", "z"], None], LogicalType.LIST_TEXT),), None)
    array([[0., 0.],
           [1., 0.]])
    """

    id: ClassVar[str] = "multi_hot_encoder/1"
    form: ClassVar[Form] = Form.COLUMNS
    accepts = _LISTS

    unseen: Literal["ignore", "error"] = "ignore"
    missing: Literal["category", "ignore", "error"] = "category"

    def __post_init__(self) -> None:
        require_choice("MultiHotEncoder", "unseen", self.unseen, ("ignore", "error"))
        require_choice("MultiHotEncoder", "missing", self.missing, ("category", "ignore", "error"))

    def fitter(self, fields: Fields) -> Fitter:
        """Return a fitter; one pass."""
        return _MultiHotFitter(self, fields)

    def restore(self, fields: Fields, arrays: Arrays) -> FittedMultiHotEncoder:
        """Return the fitted encoder."""
        return FittedMultiHotEncoder(self, fields, unpack_vocabularies(_elements(fields), arrays))


def _elements(fields: Fields) -> Fields:
    return tuple(Field(f.name, f.type.element, f.source) for f in fields)


class _MultiHotFitter(Fitter):
    __slots__ = ("_counts", "_fields", "_kind")

    def __init__(self, kind: MultiHotEncoder, fields: Fields) -> None:
        self._kind, self._fields = kind, fields
        self._counts = [CategoryCounts() for _ in fields]

    def update(self, values: tuple[Column, ...]) -> None:
        """Note the items of k list columns."""
        for counts, column in zip(self._counts, values, strict=True):
            for value in distinct(items_of(column).items)[0]:
                counts.add(value, 1)

    def merge(self, other: _MultiHotFitter) -> None:
        """Note the items of another part."""
        for mine, theirs in zip(self._counts, other._counts, strict=True):
            mine.merge(theirs)

    def part(self) -> _MultiHotFitter:
        """Return an empty fitter."""
        return _MultiHotFitter(self._kind, self._fields)

    def finish(self) -> FittedKind:
        """Return the fitted encoder."""
        chosen = [c.sorted() for c in self._counts]
        return self._kind.restore(self._fields, pack_vocabularies(_elements(self._fields), chosen))


@dataclass(frozen=True, slots=True, eq=False)
class FittedMultiHotEncoder(FittedKind):
    """A fitted `MultiHotEncoder`."""

    kind: MultiHotEncoder
    fields: Fields
    vocabularies: tuple[Vocabulary, ...]

    def outputs(self) -> Fields:
        """Return one number field a category."""
        extra = ["<missing>"] if self.kind.missing == "category" else []
        named = zip(self.fields, self.vocabularies, strict=True)
        return tuple(f.renamed(f"{f.name}_{label}") for f, v in named for label in [*map(label_of, v.values), *extra])

    def apply(self, values: tuple[Column, ...], tally: Counters | None) -> Floats:
        """Return (d, n) of 0 and 1."""
        parts = zip(self.fields, values, self.vocabularies, strict=True)
        return np.concatenate([self._hot(field, column, v, tally) for field, column, v in parts])

    def _hot(self, field: Field, column: Column, vocabulary: Vocabulary, tally: Counters | None) -> Floats:
        lists = items_of(column)
        places = vocabulary.places(lists.items)
        unseen = places == UNSEEN
        if bool(unseen.any()):
            self._refuse(field, lists.items, unseen)
            if tally is not None:
                tally.add(field.source, "unseen", int(np.count_nonzero(unseen)))
        asked = self.kind.missing == "category"
        hot = np.zeros((len(vocabulary) + asked, len(column)))
        hot[places[places >= 0], lists.row[places >= 0]] = 1.0
        missing = column.is_missing()
        if asked:
            hot[-1] = missing
        elif self.kind.missing == "error" and bool(missing.any()):
            raise MissingValueError(field.source, "MultiHotEncoder")
        return hot

    def _refuse(self, field: Field, items: Column, unseen: Any) -> None:
        if self.kind.unseen == "error":
            raise UnseenValueError(field.source, "MultiHotEncoder", items.objects()[int(np.argmax(unseen))])

    def arrays(self) -> Arrays:
        """Return the categories."""
        return pack_vocabularies(_elements(self.fields), [v.values for v in self.vocabularies])
