"""Exact counts of terms and of the texts that hold them, and the vocabulary they lead to."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from fractions import Fraction
from typing import Any

from likewise.transforms.columns import Column
from likewise.transforms.kind import Arrays, Fields, FittedKind, Fitter, Kind, require, require_integer
from likewise.transforms.tokens import Tokens, ngrams, tokens_of


class TermKind(Kind):
    """A kind that learns terms from the texts of one or more columns apart, through `TermFitter`."""

    __slots__ = ()

    tokens: Tokens
    lowercase: bool
    ngram_range: tuple[int, int]

    @abstractmethod
    def solve(self, fields: Fields, counts: list[TermCounts]) -> Arrays:
        """Return the fitted arrays from the counts of each column."""

    def terms(self, text: object) -> list[str]:
        """Return the terms of a text in order; none of a missing one."""
        if text is None:
            return []
        joint = "" if self.tokens == "characters" else " "
        return ngrams(tokens_of(str(text), self.tokens, lowercase=self.lowercase), self.ngram_range, joint)


class TermCounts:
    """Of one column: how often each term occurs, in how many texts, and how many texts there are."""

    __slots__ = ("occurrences", "texts", "texts_with")

    def __init__(self) -> None:
        self.occurrences: Counter[str] = Counter()
        self.texts_with: Counter[str] = Counter()
        self.texts = 0

    def merge(self, other: TermCounts) -> None:
        """Add the counts of another part."""
        self.occurrences.update(other.occurrences)
        self.texts_with.update(other.texts_with)
        self.texts += other.texts

    def vocabulary(self, min_df: float, max_df: float, max_features: int | None) -> list[str]:
        """Return the terms within the bounds, in order of code points.

        Of more than `max_features`, the most frequent are kept; of equally frequent ones the first in
        order of code points (scikit-learn keeps whichever its sort left in front).
        """
        low, high = (bound_of(bound, self.texts) for bound in (min_df, max_df))
        terms = [t for t, count in self.texts_with.items() if low <= count <= high]
        if max_features is not None:
            terms = sorted(terms, key=lambda t: (-self.occurrences[t], t))[:max_features]
        return sorted(terms)


def bound_of(bound: Any, texts: int) -> Fraction:
    """Return a document frequency bound as a number of texts: counts are given as integers, shares as floats."""
    return Fraction(bound) * texts if isinstance(bound, float) else Fraction(bound)


def require_frequencies(kind: str, min_df: object, max_df: object, max_features: object) -> None:
    """Raise SettingError unless the bounds of a vocabulary make sense."""
    for name, bound in (("min_df", min_df), ("max_df", max_df)):
        is_share = isinstance(bound, float) and 0.0 <= bound <= 1.0
        is_count = isinstance(bound, int) and not isinstance(bound, bool) and bound >= 1
        require(is_share or is_count, kind, name, "a count (integer) or a share (float from 0 to 1)", bound)
    if max_features is not None:
        require_integer(kind, "max_features", max_features, 1, 2**31)


class TermFitter(Fitter):
    """Counts the terms of each column."""

    __slots__ = ("_counts", "_fields", "_kind")

    def __init__(self, kind: TermKind, fields: Fields) -> None:
        self._kind, self._fields = kind, fields
        self._counts = [TermCounts() for _ in fields]

    def update(self, values: tuple[Column, ...]) -> None:
        """Count the terms of k text columns."""
        for counts, column in zip(self._counts, values, strict=True):
            for text in column.objects():
                terms = self._kind.terms(text)
                counts.occurrences.update(terms)
                counts.texts_with.update(set(terms))
            counts.texts += len(column)

    def merge(self, other: TermFitter) -> None:
        """Add the counts of another fitter."""
        for mine, theirs in zip(self._counts, other._counts, strict=True):
            mine.merge(theirs)

    def part(self) -> TermFitter:
        """Return an empty fitter."""
        return TermFitter(self._kind, self._fields)

    def finish(self) -> FittedKind:
        """Return the fitted kind."""
        return self._kind.restore(self._fields, self._kind.solve(self._fields, self._counts))
