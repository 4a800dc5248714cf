"""Kind `text_vectorizer/1`: a text to the codes of its tokens, filled up to one length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from likewise.transforms.categories import pack_vocabularies, unpack_vocabularies
from likewise.transforms.columns import Column
from likewise.transforms.counters import Counters
from likewise.transforms.errors import MissingValueError
from likewise.transforms.kind import (
    Arrays,
    Codes,
    Field,
    Fields,
    FittedKind,
    Form,
    require_choice,
    require_integer,
)
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.policies import KEEP_OR_ERROR
from likewise.transforms.term_counts import TermCounts, TermFitter, TermKind
from likewise.transforms.tokens import Tokens, require_tokens

PADDING, OOV, FIRST = 0, 1, 2


@dataclass(frozen=True, slots=True)
class TextVectorizer(TermKind):
    """The first `length` tokens as codes: 0 padding, 1 unseen, from 2 on by falling frequency.

    As Keras' TextVectorization numbers them; equally frequent tokens stand in order of code points.
    Missing values: padding throughout, or an error. An empty text: padding. Unseen tokens: 1, and
    counted. Longer texts are cut and counted as out of range. Empty fit: an error of the transform.

    Parameters
    ----------
    length
        How many codes a text gets.
    max_tokens
        At most so many codes, padding and unseen among them; or None.
    tokens, lowercase, ngram_range
        As for `CountVectorizer`.
    missing
        "keep" (padding) or "error".

    Examples
    --------
    >>> from likewise.transforms.columns import column_from_values
    >>> from likewise.transforms.testing import fit_values
    >>> fitted = fit_values(TextVectorizer(4), LogicalType.TEXT, ["red car", "red bus"])
    >>> fitted.apply((column_from_values("x", ["red old bus", None], LogicalType.TEXT),), None).T
    array([[2, 1, 3, 0],
           [0, 0, 0, 0]], dtype=int32)
    """

    id: ClassVar[str] = "text_vectorizer/1"
    form: ClassVar[Form] = Form.COLUMNS
    accepts = frozenset({LogicalType.TEXT})

    length: int
    max_tokens: int | None = None
    tokens: Tokens = "words"
    lowercase: bool = True
    ngram_range: tuple[int, int] = (1, 1)
    missing: str = "keep"

    def __post_init__(self) -> None:
        require_integer("TextVectorizer", "length", self.length, 1, 65_536)
        if self.max_tokens is not None:
            require_integer("TextVectorizer", "max_tokens", self.max_tokens, 3, 2**31 - 1)
        require_tokens("TextVectorizer", self.tokens, self.ngram_range)
        require_choice("TextVectorizer", "lowercase", self.lowercase, (True, False))
        require_choice("TextVectorizer", "missing", self.missing, KEEP_OR_ERROR)

    def columns_asked(self, given: Fields) -> int:
        """Return how many columns it makes."""
        return len(given) * self.length

    def fitter(self, fields: Fields) -> TermFitter:
        """Return a fitter; one pass."""
        return TermFitter(self, fields)

    def solve(self, fields: Fields, counts: list[TermCounts]) -> Arrays:
        """Return the vocabularies."""
        most = None if self.max_tokens is None else self.max_tokens - FIRST
        by_frequency = [sorted(c.occurrences, key=lambda t, c=c: (-c.occurrences[t], t))[:most] for c in counts]  # type: ignore[misc]
        return pack_vocabularies(fields, by_frequency)

    def restore(self, fields: Fields, arrays: Arrays) -> FittedTextVectorizer:
        """Return the fitted vectorizer."""
        vocabularies = [v.values for v in unpack_vocabularies(fields, arrays)]
        tables = tuple({term: at for at, term in enumerate(values, FIRST)} for values in vocabularies)
        return FittedTextVectorizer(self, fields, tables)


@dataclass(frozen=True, slots=True, eq=False)
class FittedTextVectorizer(FittedKind):
    """A fitted `TextVectorizer`; a table from token to code a column."""

    kind: TextVectorizer
    fields: Fields
    tables: tuple[dict[Any, int], ...]

    def outputs(self) -> Fields:
        """Return `length` fields of codes an input."""
        return tuple(
            Field(f"{f.name}_{at}", LogicalType.NUMBER, f.source, len(table) + FIRST)
            for f, table in zip(self.fields, self.tables, strict=True)
            for at in range(self.kind.length)
        )

    def apply(self, values: tuple[Column, ...], tally: Counters | None) -> Codes:
        """Return (k * length, n) codes."""
        given = zip(self.fields, values, self.tables, strict=True)
        return np.concatenate([self._codes(field, column, table, tally) for field, column, table in given])

    def _codes(self, field: Field, column: Column, table: dict[Any, int], tally: Counters | None) -> Codes:
        if self.kind.missing == "error" and bool(column.is_missing().any()):
            raise MissingValueError(field.source, "TextVectorizer")
        texts = [self.kind.terms(text) for text in column.objects()]
        codes = np.full((self.kind.length, len(texts)), PADDING, np.int32)
        unseen = 0
        for row, terms in enumerate(texts):
            found = [table.get(term, OOV) for term in terms[: self.kind.length]]
            unseen += found.count(OOV)
            codes[: len(found), row] = found
        too_long = sum(len(terms) > self.kind.length for terms in texts)
        for event, count in (("unseen", unseen), ("out_of_range", too_long)):
            if tally is not None and count:
                tally.add(field.source, event, count)  # type: ignore[arg-type]
        return codes

    def arrays(self) -> Arrays:
        """Return the vocabularies."""
        return pack_vocabularies(self.fields, [list(table) for table in self.tables])
