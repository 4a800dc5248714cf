"""Kind `count_encoder/1`: how often a category occurred in the fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from likewise.transforms.categories import pack_vocabularies, unpack_vocabularies
from likewise.transforms.category_counts import CategoryCounts, CategoryFitter, CategoryKind
from likewise.transforms.codes import CodePlan
from likewise.transforms.columns import Column
from likewise.transforms.counters import Counters
from likewise.transforms.errors import ArtifactError
from likewise.transforms.kind import SCALARS, Arrays, Fields, FittedKind, Floats, Form, require_choice
from likewise.transforms.packed_values import array_of
from likewise.transforms.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class CountEncoder(CategoryKind):
    """The number of fitted rows with this category, or their share of all rows.

    Missing values: their own count ("count"), missing ("keep"), or an error. Unseen values: 0, and
    counted, or an error. Infinities are categories. Constant column: the number of rows. Empty fit:
    an error of the transform.

    Parameters
    ----------
    normalize
        Whether to return shares of all rows instead of counts.
    unseen
        "zero" or "error".
    missing
        "count", "keep" or "error".

    Examples
    --------
    >>> from likewise.transforms.columns import column_from_values
    >>> from likewise.transforms.logical_types import LogicalType
    >>> from likewise.transforms.testing import fit_values
    >>> fitted = fit_values(CountEncoder(), LogicalType.TEXT, ["b", "a", "b", None])
    >>> fitted.apply((column_from_values("x", ["b", None, "z"], LogicalType.TEXT),), None)
    array([[2., 1., 0.]])
    """

    id: ClassVar[str] = "count_encoder/1"
    form: ClassVar[Form] = Form.COLUMNS
    accepts = SCALARS

    normalize: bool = False
    unseen: Literal["zero", "error"] = "zero"
    missing: Literal["count", "keep", "error"] = "count"

    def __post_init__(self) -> None:
        require_choice("CountEncoder", "normalize", self.normalize, (True, False))
        require_choice("CountEncoder", "unseen", self.unseen, ("zero", "error"))
        require_choice("CountEncoder", "missing", self.missing, ("count", "keep", "error"))

    def fitter(self, fields: Fields) -> CategoryFitter:
        """Return a fitter; one pass."""
        return CategoryFitter(self, fields)

    def solve(self, fields: Fields, counts: Sequence[CategoryCounts]) -> Arrays:
        """Return categories and their counts, that of missing values last."""
        chosen = [c.sorted() for c in counts]
        arrays: dict[str, Any] = dict(pack_vocabularies(fields, chosen))
        for at, (values, counted) in enumerate(zip(chosen, counts, strict=True)):
            every = [*(counted.counts[v] for v in values), counted.missing]
            arrays[f"counts.{at}"] = np.array(every, dtype=np.int64)
        return arrays

    def restore(self, fields: Fields, arrays: Arrays) -> FittedCountEncoder:
        """Return the fitted encoder."""
        vocabularies = unpack_vocabularies(fields, arrays)
        counts = [array_of(arrays, f"counts.{at}", np.int64, (len(v) + 1,)) for at, v in enumerate(vocabularies)]
        if any(bool((c < 0).any()) or int(c.sum()) == 0 for c in counts):
            raise ArtifactError("a count is negative or all are zero")
        plans = tuple(
            CodePlan.refusing(f, "CountEncoder", len(v), missing=self.missing == "error", unseen=self.unseen == "error")
            for f, v in zip(fields, vocabularies, strict=True)
        )
        return FittedCountEncoder(self, fields, vocabularies, tuple(counts), plans, tuple(map(self._table, counts)))

    def _table(self, counts: Any) -> Floats:
        """Return the value of each place; the two last are those of unseen and missing values."""
        values = counts / int(counts.sum()) if self.normalize else counts.astype(np.float64)
        missing = np.nan if self.missing == "keep" else values[-1]
        return np.append(values[:-1], [0.0, missing])


@dataclass(frozen=True, slots=True, eq=False)
class FittedCountEncoder(FittedKind):
    """A fitted `CountEncoder`."""

    kind: CountEncoder
    fields: Fields
    vocabularies: tuple[Vocabulary, ...]
    counts: tuple[Any, ...]
    plans: tuple[CodePlan, ...]
    tables: tuple[Floats, ...]

    def outputs(self) -> Fields:
        """Return one number field an input."""
        return tuple(f.renamed(f"{f.name}_count") for f in self.fields)

    def apply(self, values: tuple[Column, ...], tally: Counters | None) -> Floats:
        """Return (k, n) counts or shares."""
        result = np.empty((len(values), len(values[0])))
        for out, column, vocabulary, plan, table in zip(
            result, values, self.vocabularies, self.plans, self.tables, strict=True
        ):
            places = vocabulary.places(column)
            plan.codes(places, tally, column)
            out[:] = table[places]
        return result

    def arrays(self) -> Arrays:
        """Return categories and counts."""
        arrays = dict(pack_vocabularies(self.fields, [v.values for v in self.vocabularies]))
        return arrays | {f"counts.{at}": counts for at, counts in enumerate(self.counts)}
