"""Kind `count_vectorizer/1`: how often each learned term occurs in a text."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from likewise.transforms.categories import pack_vocabularies, unpack_vocabularies
from likewise.transforms.columns import Column
from likewise.transforms.counters import Counters
from likewise.transforms.errors import MissingValueError
from likewise.transforms.kind import Arrays, Field, Fields, FittedKind, Floats, Form, require_choice
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.policies import KEEP_OR_ERROR
from likewise.transforms.term_counts import TermCounts, TermFitter, TermKind, require_frequencies
from likewise.transforms.tokens import Tokens, require_tokens


@dataclass(frozen=True, slots=True)
class CountVectorizer(TermKind):
    """The number of times each term of the vocabulary occurs (or whether it does), `NAME_term` a column.

    Terms are learned per column, in order of code points. Missing values: no terms, so zeros, or an
    error. An empty text: zeros. Unseen terms are passed over and counted. A vocabulary of nothing is
    an error of the output. Empty fit: an error of the transform.

    Parameters
    ----------
    tokens
        "words" (two or more word characters), "spaces" or "characters".
    lowercase
        Whether to lower the case first.
    ngram_range
        Least and most tokens of a term.
    min_df, max_df
        Terms in fewer or more texts are left out; integers are counts, floats shares of all rows.
    max_features
        At most so many terms a column, the most frequent; or None.
    binary
        Whether to return 1 for any count.
    missing
        "keep" (zeros) or "error".

    Examples
    --------
    >>> from likewise.transforms.columns import column_from_values
    >>> from likewise.transforms.testing import fit_values
    >>> fitted = fit_values(CountVectorizer(), LogicalType.TEXT, ["red car", "red bus"])
    >>> fitted.apply((column_from_values("x", ["red red bus", None], LogicalType.TEXT),), None).T
    array([[1., 0., 2.],
           [0., 0., 0.]])
    """

    id: ClassVar[str] = "count_vectorizer/1"
    form: ClassVar[Form] = Form.COLUMNS
    accepts = frozenset({LogicalType.TEXT})

    tokens: Tokens = "words"
    lowercase: bool = True
    ngram_range: tuple[int, int] = (1, 1)
    min_df: float = 1
    max_df: float = 1.0
    max_features: int | None = None
    binary: bool = False
    missing: str = "keep"

    def __post_init__(self) -> None:
        require_tokens("CountVectorizer", self.tokens, self.ngram_range)
        require_choice("CountVectorizer", "lowercase", self.lowercase, (True, False))
        require_frequencies("CountVectorizer", self.min_df, self.max_df, self.max_features)
        require_choice("CountVectorizer", "binary", self.binary, (True, False))
        require_choice("CountVectorizer", "missing", self.missing, KEEP_OR_ERROR)

    def fitter(self, fields: Fields) -> TermFitter:
        """Return a fitter; one pass."""
        return TermFitter(self, fields)

    def solve(self, fields: Fields, counts: list[TermCounts]) -> Arrays:
        """Return the vocabularies."""
        chosen = [c.vocabulary(self.min_df, self.max_df, self.max_features) for c in counts]
        return pack_vocabularies(fields, chosen)

    def restore(self, fields: Fields, arrays: Arrays) -> FittedCountVectorizer:
        """Return the fitted vectorizer."""
        vocabularies = [v.values for v in unpack_vocabularies(fields, arrays)]
        tables = tuple({term: at for at, term in enumerate(values)} for values in vocabularies)
        return FittedCountVectorizer(self, fields, tables)


@dataclass(frozen=True, slots=True, eq=False)
class FittedCountVectorizer(FittedKind):
    """A fitted `CountVectorizer`; a table from term to place a column."""

    kind: CountVectorizer
    fields: Fields
    tables: tuple[dict[Any, int], ...]

    def outputs(self) -> Fields:
        """Return one number field a term."""
        return tuple(
            f.renamed(f"{f.name}_{t}") for f, table in zip(self.fields, self.tables, strict=True) for t in table
        )

    def apply(self, values: tuple[Column, ...], tally: Counters | None) -> Floats:
        """Return (d, n) counts."""
        given = zip(self.fields, values, self.tables, strict=True)
        return np.concatenate([self._counts(field, column, table, tally) for field, column, table in given])

    def _counts(self, field: Field, column: Column, table: dict[Any, int], tally: Counters | None) -> Floats:
        counts, unseen = np.zeros((len(table), len(column))), 0
        if self.kind.missing == "error" and bool(column.is_missing().any()):
            raise MissingValueError(field.source, "CountVectorizer")
        for row, text in enumerate(column.objects()):
            for term, count in Counter(self.kind.terms(text)).items():
                place = table.get(term)
                if place is None:
                    unseen += count
                else:
                    counts[place, row] = 1.0 if self.kind.binary else count
        if tally is not None and unseen:
            tally.add(field.source, "unseen", unseen)
        return counts

    def arrays(self) -> Arrays:
        """Return the vocabularies."""
        return pack_vocabularies(self.fields, [list(table) for table in self.tables])
