"""Kind `ordinal_encoder/1`: a category to its place in the sorted vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from likewise.transforms.categories import (
    chosen_categories,
    decoded,
    pack_vocabularies,
    require_categories,
    unpack_vocabularies,
)
from likewise.transforms.category_counts import CategoryCounts, CategoryFitter, CategoryKind
from likewise.transforms.codes import CodePlan, MissingPolicy, UnseenPolicy
from likewise.transforms.columns import Column
from likewise.transforms.counters import Counters
from likewise.transforms.kind import SCALARS, Arrays, Codes, Field, Fields, FittedKind, Form, require_choice
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.vocabulary import MISSING, Vocabulary

# Below this many rows a dict answers quicker than arrays; unseen values take the long way and are counted.
_FEW = 16


@dataclass(frozen=True, slots=True)
class OrdinalEncoder(CategoryKind):
    """Codes from 0 in ascending order of the categories; then missing, then oov, where asked for.

    Categories of any scalar type: numbers sort by value (integers beyond 2**53 stay apart), text by
    code point, bytes by byte. Missing values: a code of their own, the code of oov, or an error.
    Unseen values: the code of oov, and counted, or an error. Infinities are categories. Constant
    column: one code. All-missing column: an empty vocabulary. Empty fit: an error of the transform.

    Parameters
    ----------
    unseen
        "oov" or "error".
    missing
        "category", "oov" or "error".
    categories
        Per column its categories in code order, or None to learn them.

    Examples
    --------
    >>> from likewise.transforms.columns import column_from_values
    >>> from likewise.transforms.testing import fit_values
    >>> fitted = fit_values(OrdinalEncoder(), LogicalType.TEXT, ["b", "a", "b"])
    >>> fitted.apply((column_from_values("x", ["b", None, "z"], LogicalType.TEXT),), None)
    array([[1, 2, 3]], dtype=int32)
    """

    id: ClassVar[str] = "ordinal_encoder/1"
    form: ClassVar[Form] = Form.COLUMNS
    accepts = SCALARS

    unseen: UnseenPolicy = "oov"
    missing: MissingPolicy = "category"
    categories: tuple[tuple[float | str, ...], ...] | None = None

    def __post_init__(self) -> None:
        require_choice("OrdinalEncoder", "unseen", self.unseen, ("oov", "error"))
        require_choice("OrdinalEncoder", "missing", self.missing, ("category", "oov", "error"))
        require_categories("OrdinalEncoder", self.categories)

    def fitter(self, fields: Fields) -> CategoryFitter:
        """Return a fitter; one pass."""
        return CategoryFitter(self, fields)

    def solve(self, fields: Fields, counts: Sequence[CategoryCounts]) -> Arrays:
        """Return the vocabularies."""
        return pack_vocabularies(fields, chosen_categories("OrdinalEncoder", fields, counts, self.categories))

    def restore(self, fields: Fields, arrays: Arrays) -> FittedOrdinalEncoder:
        """Return the fitted encoder."""
        vocabularies = unpack_vocabularies(fields, arrays)
        plans = tuple(
            CodePlan.of(field, "OrdinalEncoder", len(vocabulary), self.missing, self.unseen)
            for field, vocabulary in zip(fields, vocabularies, strict=True)
        )
        code_of = tuple(_codes_by_value(v, p).get for v, p in zip(vocabularies, plans, strict=True))
        return FittedOrdinalEncoder(self, fields, vocabularies, plans, code_of)


def _codes_by_value(vocabulary: Vocabulary, plan: CodePlan) -> dict[Any, int]:
    """Return the code of each category, and of None when missing values have one."""
    codes: dict[Any, int] = {value: at for at, value in enumerate(vocabulary.values)}
    codes[None] = int(plan.of_place[MISSING])
    return codes


@dataclass(frozen=True, slots=True, eq=False)
class FittedOrdinalEncoder(FittedKind):
    """A fitted `OrdinalEncoder`."""

    kind: OrdinalEncoder
    fields: Fields
    vocabularies: tuple[Vocabulary, ...]
    plans: tuple[CodePlan, ...]
    code_of: tuple[Callable[..., Any], ...]

    def outputs(self) -> Fields:
        """Return one field of codes an input."""
        named = zip(self.fields, self.plans, strict=True)
        return tuple(Field(f.name, LogicalType.NUMBER, f.source, plan.cardinality) for f, plan in named)

    def apply(self, values: tuple[Column, ...], tally: Counters | None) -> Codes:
        """Return (k, n) codes."""
        if len(values[0]) <= _FEW:
            few = self.look_up([v for column in values for v in column.objects()], len(values[0]))
            if few is not None:
                return few
        codes = np.empty((len(values), len(values[0])), np.int32)
        for out, column, vocabulary, plan in zip(codes, values, self.vocabularies, self.plans, strict=True):
            out[:] = plan.codes(vocabulary.places(column), tally, column)
        return codes

    def look_up(self, values: Sequence[object], n: int) -> Codes | None:
        """Return the (k, n) codes of plain values, or None if one is unseen or refused, or if there are many."""
        if n == 1:
            codes = [get(v, -1) for get, v in zip(self.code_of, values, strict=True)]
        elif n <= _FEW:
            codes = [get(v, -1) for at, get in enumerate(self.code_of) for v in values[at * n : (at + 1) * n]]
        else:
            return None
        return None if -1 in codes else np.array(codes, dtype=np.int32).reshape(-1, n)

    def inverse(self, values: Codes) -> tuple[Column, ...]:
        """Return the categories; missing for the codes of missing and oov."""
        return tuple(decoded(v, row) for v, row in zip(self.vocabularies, values, strict=True))

    def arrays(self) -> Arrays:
        """Return the vocabularies."""
        return pack_vocabularies(self.fields, [v.values for v in self.vocabularies])
