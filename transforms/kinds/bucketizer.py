"""Kind `bucketizer/1`: cut a number at given edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from likewise.transforms.codes import one_hot
from likewise.transforms.counters import Counters
from likewise.transforms.kind import (
    NUMERIC,
    Arrays,
    Codes,
    Field,
    Fields,
    FittedKind,
    Floats,
    Form,
    Kind,
    frozen,
    require,
    require_choice,
    require_finite,
)
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.policies import check_missing


@dataclass(frozen=True, slots=True)
class Bucketizer(Kind):
    """How many of the given edges are at or below x: code 0 below the first, len(edges) from the last on.

    Learns nothing. Missing values: a code of their own after the buckets, or an error. No number is
    out of range: the outer buckets are open, to infinity.

    Parameters
    ----------
    edges
        Strictly ascending finite numbers.
    encode
        "ordinal" for codes, "onehot" for a 0/1 column a bucket (and one for missing).
    missing
        "category" or "error".

    Examples
    --------
    >>> from likewise.transforms.testing import fit_numbers
    >>> fit_numbers(Bucketizer((0, 10)), [0.0]).apply(np.array([[-1.0, 0.0, 99.0, np.nan]]), None)
    array([[0, 1, 2, 3]], dtype=int32)
    """

    id: ClassVar[str] = "bucketizer/1"
    form: ClassVar[Form] = Form.NUMBERS
    accepts = NUMERIC

    edges: tuple[float, ...]
    encode: Literal["ordinal", "onehot"] = "ordinal"
    missing: Literal["category", "error"] = "category"

    def __post_init__(self) -> None:
        _require_edges(self.edges)
        require_choice("Bucketizer", "encode", self.encode, ("ordinal", "onehot"))
        require_choice("Bucketizer", "missing", self.missing, ("category", "error"))

    def fitter(self, fields: Fields) -> None:
        """Return None: nothing is learned."""

    def restore(self, fields: Fields, arrays: Arrays) -> FittedBucketizer:  # noqa: ARG002
        """Return the transformer."""
        return FittedBucketizer(self, fields, frozen(self.edges))


def _require_edges(edges: object) -> None:
    if not isinstance(edges, tuple):
        require(False, "Bucketizer", "edges", "a tuple of numbers", edges)  # noqa: FBT003
        return
    for edge in edges:
        require_finite("Bucketizer", "edges", edge)
    ascending = len(edges) > 0 and list(edges) == sorted(set(edges))
    require(ascending, "Bucketizer", "edges", "one number or more, strictly ascending", edges)


@dataclass(frozen=True, slots=True, eq=False)
class FittedBucketizer(FittedKind):
    """A `Bucketizer` over given fields."""

    kind: Bucketizer
    fields: Fields
    edges: Floats

    def outputs(self) -> Fields:
        """Return one field of codes an input, or one number field a bucket."""
        width = len(self.edges) + 1 + (self.kind.missing == "category")
        if self.kind.encode == "ordinal":
            return tuple(Field(f.name, LogicalType.NUMBER, f.source, width) for f in self.fields)
        labels = [f"bucket{at}" if at <= len(self.edges) else "missing" for at in range(width)]
        return tuple(f.renamed(f"{f.name}_{label}") for f in self.fields for label in labels)

    def apply(self, values: Floats, tally: Counters | None) -> Codes | Floats:  # noqa: ARG002
        """Return (k, n) codes, or (d, n) zeros and ones."""
        if self.kind.missing == "error":
            check_missing(values, self.fields, "Bucketizer", "error")
        codes = np.searchsorted(self.edges, values, side="right").astype(np.int32)
        codes[np.isnan(values)] += 1  # NaN sorts last, into the last bucket; its own code follows
        if self.kind.encode == "ordinal":
            return codes
        width = len(self.edges) + 1 + (self.kind.missing == "category")
        return np.concatenate([one_hot(row, width) for row in codes])

    def arrays(self) -> Arrays:
        """Return nothing: edges are settings."""
        return {}
