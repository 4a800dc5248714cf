"""Kind `label_encoder/1`: the classes of a label as codes, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from likewise.transforms.categories import decoded, pack_vocabularies, unpack_vocabularies
from likewise.transforms.category_counts import CategoryCounts, CategoryFitter, CategoryKind
from likewise.transforms.codes import CodePlan
from likewise.transforms.columns import Column
from likewise.transforms.counters import Counters
from likewise.transforms.errors import MissingValueError
from likewise.transforms.kind import SCALARS, Arrays, Codes, Field, Fields, FittedKind, Form
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class LabelEncoder(CategoryKind):
    """Codes from 0 in ascending order of the classes; `inverse` returns the classes.

    For labels, so nothing is guessed: a missing or unseen value is an error, in the fit (missing)
    and when applied. Classes of any scalar type; infinities are classes. Constant column: one
    class. Empty fit: an error of the transform.

    Parameters
    ----------
    None

    Examples
    --------
    >>> from likewise.transforms.columns import column_from_values
    >>> from likewise.transforms.testing import fit_values
    >>> fitted = fit_values(LabelEncoder(), LogicalType.TEXT, ["late", "early", "late"])
    >>> codes = fitted.apply((column_from_values("x", ["late", "early"], LogicalType.TEXT),), None)
    >>> codes.tolist(), fitted.inverse(codes)[0].objects()
    ([[1, 0]], ['late', 'early'])
    """

    id: ClassVar[str] = "label_encoder/1"
    form: ClassVar[Form] = Form.COLUMNS
    accepts = SCALARS

    def fitter(self, fields: Fields) -> CategoryFitter:
        """Return a fitter; one pass."""
        return CategoryFitter(self, fields)

    def solve(self, fields: Fields, counts: Sequence[CategoryCounts]) -> Arrays:
        """Return the classes."""
        for field, counted in zip(fields, counts, strict=True):
            if counted.missing:
                raise MissingValueError(field.source, "LabelEncoder")
        return pack_vocabularies(fields, [c.sorted() for c in counts])

    def restore(self, fields: Fields, arrays: Arrays) -> FittedLabelEncoder:
        """Return the fitted encoder."""
        vocabularies = unpack_vocabularies(fields, arrays)
        plans = tuple(
            CodePlan.of(field, "LabelEncoder", len(vocabulary), "error", "error")
            for field, vocabulary in zip(fields, vocabularies, strict=True)
        )
        return FittedLabelEncoder(self, fields, vocabularies, plans)


@dataclass(frozen=True, slots=True, eq=False)
class FittedLabelEncoder(FittedKind):
    """A fitted `LabelEncoder`."""

    kind: LabelEncoder
    fields: Fields
    vocabularies: tuple[Vocabulary, ...]
    plans: tuple[CodePlan, ...]

    def outputs(self) -> Fields:
        """Return one field of codes an input."""
        named = zip(self.fields, self.vocabularies, strict=True)
        return tuple(Field(f.name, LogicalType.NUMBER, f.source, len(v)) for f, v in named)

    def apply(self, values: tuple[Column, ...], tally: Counters | None) -> Codes:
        """Return (k, n) codes."""
        given = zip(values, self.vocabularies, self.plans, strict=True)
        return np.array([plan.codes(v.places(column), tally, column) for column, v, plan in given], dtype=np.int32)

    def inverse(self, values: Codes) -> tuple[Column, ...]:
        """Return the classes."""
        return tuple(decoded(v, row) for v, row in zip(self.vocabularies, values, strict=True))

    def arrays(self) -> Arrays:
        """Return the classes."""
        return pack_vocabularies(self.fields, [v.values for v in self.vocabularies])
