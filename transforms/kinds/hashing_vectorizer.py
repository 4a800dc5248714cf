"""Kind `hashing_vectorizer/1`: terms of a text to a fixed number of columns, without a vocabulary."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from likewise.transforms.columns import Column
from likewise.transforms.counters import Counters
from likewise.transforms.errors import MissingValueError
from likewise.transforms.kind import Arrays, Fields, FittedKind, Floats, Form, Kind, require_choice, require_integer
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.murmur import bucket_and_sign
from likewise.transforms.policies import KEEP_OR_ERROR
from likewise.transforms.tokens import Tokens, ngrams, require_tokens, tokens_of


@dataclass(frozen=True, slots=True)
class HashingVectorizer(Kind):
    """Each term adds a signed 1 to the column its MurmurHash3 picks; then each text is scaled to length 1.

    Learns nothing, so no term is unseen. As scikit-learn's, with fewer columns by default. Several
    text columns add into the same output. Missing values: no terms, or an error. An empty text: zeros.

    Parameters
    ----------
    n_features
        The number of output columns.
    tokens, lowercase, ngram_range
        As for `CountVectorizer`.
    alternate_sign
        Whether the hash also picks the sign.
    norm
        "l2", "l1" or None.
    missing
        "keep" (no terms) or "error".

    Examples
    --------
    >>> from likewise.transforms.columns import column_from_values
    >>> from likewise.transforms.testing import fit_values
    >>> fitted = fit_values(HashingVectorizer(4, norm=None), LogicalType.TEXT, ["x"])
    >>> fitted.apply((column_from_values("x", ["red red", None], LogicalType.TEXT),), None).T.tolist()
    [[0.0, 0.0, 0.0, -2.0], [0.0, 0.0, 0.0, 0.0]]
    """

    id: ClassVar[str] = "hashing_vectorizer/1"
    form: ClassVar[Form] = Form.COLUMNS
    accepts = frozenset({LogicalType.TEXT})

    n_features: int = 1024
    tokens: Tokens = "words"
    lowercase: bool = True
    ngram_range: tuple[int, int] = (1, 1)
    alternate_sign: bool = True
    norm: Literal["l2", "l1"] | None = "l2"
    missing: str = "keep"

    def __post_init__(self) -> None:
        require_integer("HashingVectorizer", "n_features", self.n_features, 1, 1 << 20)
        require_tokens("HashingVectorizer", self.tokens, self.ngram_range)
        require_choice("HashingVectorizer", "lowercase", self.lowercase, (True, False))
        require_choice("HashingVectorizer", "alternate_sign", self.alternate_sign, (True, False))
        require_choice("HashingVectorizer", "norm", self.norm, ("l2", "l1", None))
        require_choice("HashingVectorizer", "missing", self.missing, KEEP_OR_ERROR)

    def columns_asked(self, given: Fields) -> int:  # noqa: ARG002
        """Return how many columns it makes."""
        return self.n_features

    def fitter(self, fields: Fields) -> None:
        """Return None: nothing is learned."""

    def restore(self, fields: Fields, arrays: Arrays) -> FittedHashingVectorizer:  # noqa: ARG002
        """Return the transformer."""
        return FittedHashingVectorizer(self, fields)


@dataclass(frozen=True, slots=True, eq=False)
class FittedHashingVectorizer(FittedKind):
    """A `HashingVectorizer` over given fields."""

    kind: HashingVectorizer
    fields: Fields

    def outputs(self) -> Fields:
        """Return `n_features` number fields."""
        return tuple(self.fields[0].renamed(f"hash_{at}") for at in range(self.kind.n_features))

    def apply(self, values: tuple[Column, ...], tally: Counters | None) -> Floats:  # noqa: ARG002
        """Return (d, n) sums."""
        for field, column in zip(self.fields, values, strict=True):
            if self.kind.missing == "error" and bool(column.is_missing().any()):
                raise MissingValueError(field.source, "HashingVectorizer")
        result = np.zeros((self.kind.n_features, len(values[0])))
        for row, texts in enumerate(zip(*(column.objects() for column in values), strict=True)):
            sums = self._sums([str(text) for text in texts if text is not None])
            result[list(sums), row] = self._scaled(list(sums.values()))
        return result

    def _sums(self, texts: list[str]) -> dict[int, float]:
        kind, sums = self.kind, dict[int, float]()
        joint = "" if kind.tokens == "characters" else " "
        for text in texts:
            for term in ngrams(tokens_of(text, kind.tokens, lowercase=kind.lowercase), kind.ngram_range, joint):
                bucket, sign = bucket_and_sign(term.encode("utf-8", "surrogatepass"), kind.n_features)
                sums[bucket] = sums.get(bucket, 0.0) + (sign if kind.alternate_sign else 1.0)
        return sums

    def _scaled(self, sums: list[float]) -> list[float]:
        # Sums are whole numbers, so their total is exact in any order.
        total = sum(s * s for s in sums) if self.kind.norm == "l2" else sum(abs(s) for s in sums)
        if self.kind.norm is None or total == 0.0:
            return sums
        length = math.sqrt(total) if self.kind.norm == "l2" else total
        return [s / length for s in sums]

    def arrays(self) -> Arrays:
        """Return nothing."""
        return {}
