"""Kind `tfidf_vectorizer/1`: counts of terms, weighted by how few texts hold them."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from likewise.transforms.arithmetic import log
from likewise.transforms.categories import pack_vocabularies, unpack_vocabularies
from likewise.transforms.columns import Column
from likewise.transforms.counters import Counters
from likewise.transforms.errors import ArtifactError, MissingValueError
from likewise.transforms.kind import Arrays, Field, Fields, FittedKind, Floats, Form, require_choice
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.packed_values import array_of
from likewise.transforms.policies import KEEP_OR_ERROR
from likewise.transforms.term_counts import TermCounts, TermFitter, TermKind, require_frequencies
from likewise.transforms.tokens import Tokens, require_tokens


@dataclass(frozen=True, slots=True)
class TfidfVectorizer(TermKind):
    """count * idf with idf = log((1 + n) / (1 + df)) + 1, each text scaled to length 1.

    n is the number of texts (missing ones among them), df of how many hold the term; sums run over
    terms in order, so their bits are the same everywhere. Missing values: zeros, or an error. An
    empty text: zeros. Unseen terms are passed over and counted. Empty fit: an error of the transform.

    Parameters
    ----------
    tokens, lowercase, ngram_range, min_df, max_df, max_features
        As for `CountVectorizer`.
    norm
        "l2", "l1" or None.
    sublinear_tf
        Whether to use 1 + log(count) for the count.
    missing
        "keep" (zeros) or "error".

    Examples
    --------
    >>> from likewise.transforms.columns import column_from_values
    >>> from likewise.transforms.testing import fit_values
    >>> fitted = fit_values(TfidfVectorizer(), LogicalType.TEXT, ["red car", "red bus"])
    >>> fitted.apply((column_from_values("x", ["red bus", None], LogicalType.TEXT),), None).T.round(3)
    array([[0.815, 0.   , 0.58 ],
           [0.   , 0.   , 0.   ]])
    """

    id: ClassVar[str] = "tfidf_vectorizer/1"
    form: ClassVar[Form] = Form.COLUMNS
    accepts = frozenset({LogicalType.TEXT})

    tokens: Tokens = "words"
    lowercase: bool = True
    ngram_range: tuple[int, int] = (1, 1)
    min_df: float = 1
    max_df: float = 1.0
    max_features: int | None = None
    norm: Literal["l2", "l1"] | None = "l2"
    sublinear_tf: bool = False
    missing: str = "keep"

    def __post_init__(self) -> None:
        require_tokens("TfidfVectorizer", self.tokens, self.ngram_range)
        require_choice("TfidfVectorizer", "lowercase", self.lowercase, (True, False))
        require_frequencies("TfidfVectorizer", self.min_df, self.max_df, self.max_features)
        require_choice("TfidfVectorizer", "norm", self.norm, ("l2", "l1", None))
        require_choice("TfidfVectorizer", "sublinear_tf", self.sublinear_tf, (True, False))
        require_choice("TfidfVectorizer", "missing", self.missing, KEEP_OR_ERROR)

    def fitter(self, fields: Fields) -> TermFitter:
        """Return a fitter; one pass."""
        return TermFitter(self, fields)

    def solve(self, fields: Fields, counts: list[TermCounts]) -> Arrays:
        """Return vocabularies and the weight of each term."""
        chosen = [c.vocabulary(self.min_df, self.max_df, self.max_features) for c in counts]
        arrays: dict[str, Any] = dict(pack_vocabularies(fields, chosen))
        for at, (terms, counted) in enumerate(zip(chosen, counts, strict=True)):
            holding = np.array([counted.texts_with[t] for t in terms], dtype=np.float64)
            arrays[f"idf.{at}"] = log((1.0 + counted.texts) / (1.0 + holding)) + 1.0
        return arrays

    def restore(self, fields: Fields, arrays: Arrays) -> FittedTfidfVectorizer:
        """Return the fitted vectorizer."""
        vocabularies = [v.values for v in unpack_vocabularies(fields, arrays)]
        weights = [array_of(arrays, f"idf.{at}", np.float64, (len(v),)) for at, v in enumerate(vocabularies)]
        if not all(bool(np.isfinite(w).all()) for w in weights):
            raise ArtifactError("a weight of a term is not finite")
        tables = tuple({term: at for at, term in enumerate(values)} for values in vocabularies)
        return FittedTfidfVectorizer(self, fields, tables, tuple(weights))


@dataclass(frozen=True, slots=True, eq=False)
class FittedTfidfVectorizer(FittedKind):
    """A fitted `TfidfVectorizer`; a table from term to place, and weights, a column."""

    kind: TfidfVectorizer
    fields: Fields
    tables: tuple[dict[Any, int], ...]
    weights: tuple[Floats, ...]

    def outputs(self) -> Fields:
        """Return one number field a term."""
        return tuple(
            f.renamed(f"{f.name}_{t}") for f, table in zip(self.fields, self.tables, strict=True) for t in table
        )

    def apply(self, values: tuple[Column, ...], tally: Counters | None) -> Floats:
        """Return (d, n) weighted counts."""
        given = zip(self.fields, values, self.tables, self.weights, strict=True)
        return np.concatenate([self._weighted(f, c, (t, w.tolist()), tally) for f, c, t, w in given])

    def _weighted(
        self, field: Field, column: Column, model: tuple[dict[Any, int], list[float]], tally: Counters | None
    ) -> Floats:
        table, weights = model
        result, unseen = np.zeros((len(table), len(column))), 0
        if self.kind.missing == "error" and bool(column.is_missing().any()):
            raise MissingValueError(field.source, "TfidfVectorizer")
        for row, text in enumerate(column.objects()):
            terms = self.kind.terms(text)
            counted = Counter(table[t] for t in terms if t in table)
            unseen += len(terms) - counted.total()
            places = sorted(counted)
            result[places, row] = self._scaled([self._frequency(counted[p]) * weights[p] for p in places])
        if tally is not None and unseen:
            tally.add(field.source, "unseen", unseen)
        return result

    def _frequency(self, count: int) -> float:
        return 1.0 + float(log(np.array([float(count)]))[0]) if self.kind.sublinear_tf else float(count)

    def _scaled(self, values: list[float]) -> list[float]:
        if self.kind.norm is None or not values:
            return values
        total = 0.0
        for value in values:  # one after the other, in order of terms; Python's sum() may compensate
            total += value * value if self.kind.norm == "l2" else abs(value)
        length = math.sqrt(total) if self.kind.norm == "l2" else total
        return [value / length for value in values]

    def arrays(self) -> Arrays:
        """Return vocabularies and weights."""
        arrays = dict(pack_vocabularies(self.fields, [list(table) for table in self.tables]))
        return arrays | {f"idf.{at}": weights for at, weights in enumerate(self.weights)}
