"""Kind `group_scaler/1`: centre and scale numbers by the statistics of their group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from likewise.transforms.categories import pack_vocabularies, unpack_vocabularies
from likewise.transforms.category_counts import Category, distinct
from likewise.transforms.columns import Column
from likewise.transforms.counters import Counters
from likewise.transforms.errors import (
    AllMissingError,
    ArtifactError,
    InfiniteValueError,
    StatisticOverflowError,
    StepError,
    UnseenValueError,
)
from likewise.transforms.exact_sums import ExactSums
from likewise.transforms.kind import (
    SCALARS,
    Arrays,
    Fields,
    FittedKind,
    Fitter,
    Floats,
    Form,
    Kind,
    frozen,
    require_choice,
    require_integer,
)
from likewise.transforms.packed_values import array_of
from likewise.transforms.policies import KEEP_OR_ERROR, check_missing
from likewise.transforms.vocabulary import UNSEEN, Vocabulary


@dataclass(frozen=True, slots=True)
class GroupScaler(Kind):
    """(x - mean of its group) / deviation of its group; the first column is the key, the others are scaled.

    Population standard deviations (ddof 0), exact. Groups with fewer than `min_count` values, unseen
    keys (counted) and missing keys use the statistics of all rows. Missing values: skipped in the
    fit; stay missing, or an error. Infinities: an error in the fit. Constant group: deviation 1, so
    0. A column without any value, an empty fit: an error.

    Parameters
    ----------
    min_count
        Values a group needs for statistics of its own.
    unseen
        "global" or "error", for keys not seen in the fit.
    missing
        "keep" or "error", for the numbers.

    Examples
    --------
    >>> from likewise.transforms.columns import column_from_values
    >>> from likewise.transforms.kind import Field
    >>> from likewise.transforms.logical_types import LogicalType as T
    >>> fitter = GroupScaler(min_count=2).fitter((Field("k", T.TEXT, "k"), Field("x", T.NUMBER, "x")))
    >>> key = column_from_values("k", ["a", "a", "b", "b"], T.TEXT)
    >>> batch = (key, column_from_values("x", [1.0, 3.0, 10.0, 30.0], T.NUMBER))
    >>> fitter.update(batch)
    >>> fitter.finish().apply(batch, None)
    array([[-1.,  1., -1.,  1.]])
    """

    id: ClassVar[str] = "group_scaler/1"
    form: ClassVar[Form] = Form.COLUMNS
    accepts = SCALARS

    min_count: int = 30
    unseen: Literal["global", "error"] = "global"
    missing: str = "keep"

    def __post_init__(self) -> None:
        require_integer("GroupScaler", "min_count", self.min_count, 1, 2**62)
        require_choice("GroupScaler", "unseen", self.unseen, ("global", "error"))
        require_choice("GroupScaler", "missing", self.missing, KEEP_OR_ERROR)

    def fitter(self, fields: Fields) -> Fitter:
        """Return a fitter; one pass."""
        numbers = all(f.type.is_numeric for f in fields[1:])
        if len(fields) < 2 or not numbers:
            got = ", ".join(f"{f.type} {f.name!r}" for f in fields)
            raise StepError("GroupScaler", "a key column, then one number column or more", got)
        return _GroupFitter(self, fields)

    def restore(self, fields: Fields, arrays: Arrays) -> FittedGroupScaler:
        """Return the fitted scaler."""
        keys = unpack_vocabularies(fields[:1], arrays)[0]
        shape = (len(fields) - 1, len(keys) + 2)
        mean, scale = (array_of(arrays, name, np.float64, shape) for name in ("mean", "scale"))
        if not bool(np.isfinite(mean).all() and np.isfinite(scale).all() and (scale > 0.0).all()):
            raise ArtifactError("a mean is not finite or a scale not positive")
        return FittedGroupScaler(self, fields, keys, frozen(mean), frozen(scale))


class _GroupFitter(Fitter):
    """Exact sums a column and key; None stands for all rows."""

    __slots__ = ("_fields", "_kind", "_sums")

    def __init__(self, kind: GroupScaler, fields: Fields) -> None:
        self._kind, self._fields = kind, fields
        self._sums: list[dict[Category | None, ExactSums]] = [{} for _ in fields[1:]]

    def update(self, values: tuple[Column, ...]) -> None:
        """Learn from a key column and number columns."""
        known = distinct(values[0])[0]
        places = Vocabulary(values[0].type, known).places(values[0])
        order = np.argsort(places, kind="stable")
        bounds = np.searchsorted(places[order], np.arange(len(known) + 1))
        for sums, field, column in zip(self._sums, self._fields[1:], values[1:], strict=True):
            self._add(sums, field.source, None, column.values)
            ordered = column.values[order]
            for at, key in enumerate(known):
                self._add(sums, field.source, key, ordered[bounds[at] : bounds[at + 1]])

    def _add(self, sums: dict[Category | None, ExactSums], source: str, key: Category | None, values: Any) -> None:
        present = values[~np.isnan(values)]
        if bool(np.isinf(present).any()):
            raise InfiniteValueError(source, "GroupScaler")
        sums.setdefault(key, ExactSums(squares=True)).update(present)

    def merge(self, other: _GroupFitter) -> None:
        """Add what another part learned."""
        for mine, theirs in zip(self._sums, other._sums, strict=True):
            for key, sums in theirs.items():
                mine.setdefault(key, ExactSums(squares=True)).merge(sums)

    def part(self) -> _GroupFitter:
        """Return an empty fitter."""
        return _GroupFitter(self._kind, self._fields)

    def finish(self) -> FittedKind:
        """Return the fitted scaler."""
        keys = sorted(key for key in self._sums[0] if key is not None)
        moments = [self._moments(at, keys) for at in range(len(self._sums))]
        arrays: dict[str, Any] = dict(pack_vocabularies(self._fields[:1], [keys]))
        arrays["mean"] = np.array([[mean for mean, _ in row] for row in moments])
        arrays["scale"] = np.array([[scale for _, scale in row] for row in moments])
        return self._kind.restore(self._fields, arrays)

    def _moments(self, at: int, keys: list[Category]) -> list[tuple[float, float]]:
        """Return mean and scale of each key, then of unseen and missing keys."""
        field, sums = self._fields[at + 1], self._sums[at]
        if None not in sums or sums[None].count == 0:
            raise AllMissingError(field.source, "GroupScaler", "Leave the column out.")
        try:
            whole = (sums[None].mean(), sums[None].deviation() or 1.0)
            rows = [
                (sums[k].mean(), sums[k].deviation() or 1.0) if sums[k].count >= self._kind.min_count else whole
                for k in keys
            ]
        except OverflowError:
            raise StatisticOverflowError(field.source, "standard deviation") from None
        return [*rows, whole, whole]


@dataclass(frozen=True, slots=True, eq=False)
class FittedGroupScaler(FittedKind):
    """A fitted `GroupScaler`; mean and scale are (k - 1, keys + 2), the last two of all rows."""

    kind: GroupScaler
    fields: Fields
    keys: Vocabulary
    mean: Floats
    scale: Floats

    def outputs(self) -> Fields:
        """Return one number field a scaled column."""
        return tuple(f.renamed(f.name) for f in self.fields[1:])

    def apply(self, values: tuple[Column, ...], tally: Counters | None) -> Floats:
        """Return (k - 1, n) scaled numbers."""
        places = self.keys.places(values[0])
        unseen = places == UNSEEN
        if bool(unseen.any()):
            if self.kind.unseen == "error":
                value = values[0].objects()[int(np.argmax(unseen))]
                raise UnseenValueError(self.fields[0].source, "GroupScaler", value)
            if tally is not None:
                tally.add(self.fields[0].source, "unseen", int(np.count_nonzero(unseen)))
        numbers = np.array([column.values for column in values[1:]], dtype=np.float64)
        if self.kind.missing == "error":
            check_missing(numbers, self.fields[1:], "GroupScaler", "error")
        return (numbers - self.mean[:, places]) / self.scale[:, places]

    def arrays(self) -> Arrays:
        """Return keys, means and scales."""
        packed = pack_vocabularies(self.fields[:1], [self.keys.values])
        return {**packed, "mean": self.mean, "scale": self.scale}
