"""Kind `feature_hasher/1`: categories to a fixed number of columns, without a vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from likewise.transforms.category_counts import distinct
from likewise.transforms.codes import label_of
from likewise.transforms.columns import Column
from likewise.transforms.counters import Counters
from likewise.transforms.errors import MissingValueError
from likewise.transforms.kind import (
    SCALARS,
    Arrays,
    Fields,
    FittedKind,
    Floats,
    Form,
    Kind,
    require_choice,
    require_integer,
)
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.murmur import bucket_and_sign
from likewise.transforms.policies import KEEP_OR_ERROR
from likewise.transforms.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class FeatureHasher(Kind):
    """Adds, for every column, a signed 1 (or a number's value) to the output column its hash picks.

    As scikit-learn's: text hashes "column=value" and adds 1; a number hashes "column" and adds its
    value; the sign is that of MurmurHash3; bytes and times count as text of their value. Learns
    nothing, so nothing is unseen. Missing values add nothing, or are an error. Infinities are added.

    Parameters
    ----------
    n_features
        The number of output columns.
    alternate_sign
        Whether the hash also picks the sign, so that collisions cancel on average.
    missing
        "keep" (adds nothing) or "error".

    Examples
    --------
    >>> from likewise.transforms.columns import column_from_values
    >>> from likewise.transforms.testing import fit_values
    >>> fitted = fit_values(FeatureHasher(4), LogicalType.TEXT, ["a"])
    >>> fitted.apply((column_from_values("x", ["a", None], LogicalType.TEXT),), None).T
    array([[0., 0., 1., 0.],
           [0., 0., 0., 0.]])
    """

    id: ClassVar[str] = "feature_hasher/1"
    form: ClassVar[Form] = Form.COLUMNS
    accepts = SCALARS

    n_features: int = 1024
    alternate_sign: bool = True
    missing: str = "keep"

    def __post_init__(self) -> None:
        require_integer("FeatureHasher", "n_features", self.n_features, 1, 1 << 20)
        require_choice("FeatureHasher", "alternate_sign", self.alternate_sign, (True, False))
        require_choice("FeatureHasher", "missing", self.missing, KEEP_OR_ERROR)

    def columns_asked(self, given: Fields) -> int:  # noqa: ARG002
        """Return how many columns it makes."""
        return self.n_features

    def fitter(self, fields: Fields) -> None:
        """Return None: nothing is learned."""

    def restore(self, fields: Fields, arrays: Arrays) -> FittedFeatureHasher:  # noqa: ARG002
        """Return the transformer."""
        return FittedFeatureHasher(self, fields)


@dataclass(frozen=True, slots=True, eq=False)
class FittedFeatureHasher(FittedKind):
    """A `FeatureHasher` over given fields."""

    kind: FeatureHasher
    fields: Fields

    def outputs(self) -> Fields:
        """Return `n_features` number fields."""
        return tuple(self.fields[0].renamed(f"hash_{at}") for at in range(self.kind.n_features))

    def apply(self, values: tuple[Column, ...], tally: Counters | None) -> Floats:  # noqa: ARG002
        """Return (d, n) sums."""
        rows = len(values[0])
        result = np.zeros((self.kind.n_features, rows))
        every = np.arange(rows)
        for field, column in zip(self.fields, values, strict=True):
            missing = column.is_missing()
            if self.kind.missing == "error" and bool(missing.any()):
                raise MissingValueError(field.source, "FeatureHasher")
            if column.type is LogicalType.NUMBER:
                bucket, sign = self._hashed(field.name)
                result[bucket] += np.where(missing, 0.0, column.values * sign)
            else:
                buckets, signs = self._hashed_values(field.name, column)
                result[buckets[~missing], every[~missing]] += signs[~missing]
        return result

    def _hashed(self, name: str) -> tuple[int, float]:
        bucket, sign = bucket_and_sign(name.encode("utf-8", "surrogatepass"), self.kind.n_features)
        return bucket, sign if self.kind.alternate_sign else 1.0

    def _hashed_values(self, name: str, column: Column) -> tuple[Any, Floats]:
        """Return bucket and sign of each value; each distinct one is hashed once."""
        known = distinct(column)[0]
        hashed = [self._hashed(f"{name}={label_of(value)}") for value in known]
        places = _places(column, known)
        buckets = np.array([b for b, _ in hashed] or [0], dtype=np.intp)
        signs = np.array([s for _, s in hashed] or [0.0])
        safe = np.maximum(places, 0)
        return buckets[safe], signs[safe]

    def arrays(self) -> Arrays:
        """Return nothing."""
        return {}


def _places(column: Column, known: list[Any]) -> Any:
    """Return the place of each value among the distinct ones, below 0 where missing."""
    if isinstance(column.values, np.ndarray) and column.values.dtype == object:
        # Python texts may hold half a surrogate pair, which an index of Arrow's could not.
        place = {value: at for at, value in enumerate(known)}
        return np.array([place.get(value, -1) for value in column.values.tolist()], dtype=np.intp)
    return Vocabulary(column.type, known).places(column)
