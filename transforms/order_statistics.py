"""Exact order statistics: the value at any rank, whatever the order and partition of the data.

A small column is kept and sorted. One beyond the memory it may use is counted in buckets of its
sortable bits; only buckets that hold a wanted rank are looked into in the next pass, until what
they hold is small enough to keep. So the result is exact in bounded memory, for more passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from likewise.transforms.kind import Floats

Ranks: TypeAlias = npt.NDArray[np.int64]
Keys: TypeAlias = npt.NDArray[np.uint64]
WantedRanks: TypeAlias = Callable[[int], Ranks]
QuantileMethod: TypeAlias = Literal["linear", "averaged_inverted_cdf"]
Phase: TypeAlias = Literal["keep", "count", "collect"]

_SIGN = np.uint64(1 << 63)
_TABLE_BITS = 17  # a pass may use 2**17 counters, 1 MB, a column and worker


def keys_of(values: Floats) -> Keys:
    """Return uint64 keys in the order of the values (-0.0 must be gone)."""
    bits = values.view(np.uint64)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def values_of_keys(keys: Keys) -> Floats:
    """Return the values of sortable keys."""
    return np.where(keys & _SIGN, keys ^ _SIGN, ~keys).view(np.float64)


@dataclass(slots=True)
class _Buckets:
    """Counts of keys by prefix: `counts[i, j]` of those with prefix i followed by the bits of j."""

    prefixes: Keys
    before: Ranks  # how many values lie below each prefix
    prefix_bits: int
    step_bits: int
    counts: npt.NDArray[np.int64]

    @classmethod
    def below(cls, prefixes: Keys, before: Ranks, prefix_bits: int) -> _Buckets:
        """Return empty buckets one step finer than these prefixes."""
        room = _TABLE_BITS - int(len(prefixes) - 1).bit_length()
        step = max(1, min(63 - prefix_bits, 16, room))
        return cls(prefixes, before, prefix_bits, step, np.zeros((len(prefixes), 1 << step), np.int64))

    def add(self, keys: Keys, count: int = 1) -> None:
        """Count keys, each `count` times; those under no prefix are left out."""
        at, keys = self.inside(keys)
        step = keys >> np.uint64(64 - self.prefix_bits - self.step_bits)
        cell = (at << self.step_bits) + (step & np.uint64((1 << self.step_bits) - 1)).astype(np.int64)
        counted = np.bincount(cell, minlength=self.counts.size).reshape(self.counts.shape)
        self.counts += counted if count == 1 else counted * count

    def inside(self, keys: Keys) -> tuple[npt.NDArray[np.int64], Keys]:
        """Return prefix index and key of the keys that are under a prefix."""
        if self.prefix_bits == 0:
            return np.zeros(len(keys), np.int64), keys
        prefix = keys >> np.uint64(64 - self.prefix_bits)
        at = np.searchsorted(self.prefixes, prefix).clip(max=len(self.prefixes) - 1)
        hit = self.prefixes[at] == prefix
        return at[hit], keys[hit]

    def holding(self, ranks: Ranks) -> tuple[_Buckets, int]:
        """Return empty finer buckets under which the ranks lie, and how many values are in them."""
        flat = self.counts.ravel()
        starts = (self.before[:, None] + np.cumsum(self.counts, axis=1) - self.counts).ravel()
        held = np.flatnonzero(flat)
        chosen = np.unique(held[np.searchsorted(starts[held], ranks, side="right") - 1])
        step = (chosen & ((1 << self.step_bits) - 1)).astype(np.uint64)
        prefixes = (self.prefixes[chosen >> self.step_bits] << np.uint64(self.step_bits)) | step
        finer = _Buckets.below(prefixes, starts[chosen], self.prefix_bits + self.step_bits)
        return finer, int(flat[chosen].sum())

    def empty(self) -> _Buckets:
        """Return the same buckets with nothing counted."""
        return _Buckets(self.prefixes, self.before, self.prefix_bits, self.step_bits, np.zeros_like(self.counts))


class OrderStatistics:
    """The values at wanted ranks of a column, exact.

    Parameters
    ----------
    wanted
        Number of values n -> the sorted distinct ranks (0 .. n-1) to know.
    capacity
        How many values may be kept; the number of passes depends on it, the result does not.

    Examples
    --------
    >>> order = OrderStatistics(lambda n: np.array([0, n // 2]), capacity=100)
    >>> order.update(np.array([5.0, 1.0, 3.0])); order.end_pass()
    False
    >>> order.result().tolist()
    [1.0, 3.0]
    """

    __slots__ = (
        "_buckets",
        "_capacity",
        "_chosen",
        "_closed",
        "_constant",
        "_held",
        "_kept",
        "_phase",
        "_wanted",
        "count",
    )

    def __init__(self, wanted: WantedRanks, capacity: int) -> None:
        self.count = 0
        self._wanted = wanted
        self._capacity = capacity
        self._phase: Phase = "keep"
        self._kept: list[Floats] = []
        self._held = 0
        self._buckets: _Buckets | None = None
        self._constant = (0.0, 0)
        self._closed = False
        self._chosen: Floats | None = None

    def update(self, values: Floats) -> None:
        """Add finite values; once all ranks are known, further passes change nothing."""
        if self._closed:
            return
        if self._phase == "keep":
            self._keep(values.copy())
        elif self._phase == "collect":
            self._keep(values_of_keys(self._under().inside(keys_of(values))[1]))
        else:
            self._under().add(keys_of(values))
            self._held += len(values)
        if self._phase == "keep" and self._held > self._capacity:
            self._start_counting()

    def expect(self, rows: int | None, room: int) -> None:
        """Keep no more than `room` values; start counting at once when more are to come than may be kept."""
        self._capacity = min(self._capacity, room)
        if rows is not None and rows > self._capacity and self._phase == "keep":
            self._start_counting()

    def add_constant(self, value: float, count: int) -> None:
        """Add one value `count` times, once, before the first pass is closed."""
        self._constant = (value + 0.0, count)

    def part(self) -> OrderStatistics:
        """Return an empty one for the same pass."""
        # Two parts together hold little more than one whole, yet half the rows each fit.
        other = OrderStatistics(self._wanted, self._capacity * 5 // 8)
        other._phase, other.count, other._closed = self._phase, self.count, self._closed
        other._buckets = None if self._buckets is None else self._buckets.empty()
        return other

    def merge(self, other: OrderStatistics) -> None:
        """Take over what another one of the same pass saw."""
        if self._closed:
            return
        if self._phase == "keep" and other._phase == "count":
            self._start_counting()
        if self._phase == "count" and other._phase == "keep":
            other._start_counting()
        if self._phase == "count":
            self._under().counts += other._under().counts
        self._kept.extend(other._kept)
        self._held += other._held
        if self._phase == "keep" and self._held > self._capacity:
            self._start_counting()

    def end_pass(self) -> bool:
        """Close a pass; return whether another one is needed."""
        if self.count == 0:
            self.count = self._held + self._constant[1]
        if self._phase != "count":
            self._closed = True
            return False
        buckets = self._under()
        constant = keys_of(np.array([self._constant[0]]))
        if self._constant[1]:
            buckets.add(constant, self._constant[1])
        self._buckets, inside = buckets.holding(self._wanted(self.count))
        if len(self._buckets.inside(constant)[1]):
            inside -= self._constant[1]  # which is known, so nothing of it will be kept
        self._held = 0
        # At 63 bits a prefix holds two neighbouring numbers: what is left is few distinct values.
        if inside <= self._capacity or self._buckets.prefix_bits == 63:
            self._phase = "collect"
        return True

    def result(self) -> Floats:
        """Return the values at the wanted ranks; what was kept to find them is let go."""
        if self._chosen is None:
            ranks = self._wanted(self.count)
            if self._phase == "keep":
                kept, self._kept = np.concatenate(self._kept or [np.zeros(0)]), []
                self._chosen = self._select(kept, ranks)
            else:
                self._chosen = self._select_in_buckets(ranks)
            self._kept = []
        return self._chosen

    def _under(self) -> _Buckets:
        if self._buckets is None:
            raise RuntimeError("no buckets in this phase")
        return self._buckets

    def _keep(self, values: Floats) -> None:
        self._kept.append(values)
        self._held += len(values)

    def _start_counting(self) -> None:
        self._buckets = _Buckets.below(np.zeros(1, np.uint64), np.zeros(1, np.int64), 0)
        for kept in self._kept:
            self._buckets.add(keys_of(kept))
        self._kept, self._phase = [], "count"

    def _select(self, values: Floats, ranks: Ranks) -> Floats:
        """Return the values at the ranks; `values` are put in another order."""
        constant, times = self._constant
        below = int(np.count_nonzero(values < constant)) if times else len(values)
        at = np.where(ranks >= below + times, ranks - times, ranks)
        own = at[(ranks < below) | (ranks >= below + times)]
        # A partition takes a fifth of a sort's time around 2 ranks, half of it around 22 (1,000,000 values, 2026-11).
        if 0 < len(own) <= 64:
            values.partition(own)
        else:
            values.sort()
        chosen = np.full(len(ranks), constant)
        chosen[(ranks < below) | (ranks >= below + times)] = values[own]
        return chosen

    def _select_in_buckets(self, ranks: Ranks) -> Floats:
        buckets = self._under()
        kept = np.concatenate([*self._kept, np.array([self._constant[0]])])
        keys, index = np.unique(buckets.inside(keys_of(kept))[1], return_inverse=True)
        weights = np.bincount(index, minlength=len(keys))
        if len(index) and self._constant[1] != 1:
            hit = buckets.inside(keys_of(np.array([self._constant[0]])))[1]
            weights[np.searchsorted(keys, hit)] += self._constant[1] - 1
        within = np.cumsum(weights) - weights
        bucket = buckets.inside(keys)[0]
        first = np.searchsorted(bucket, np.arange(len(buckets.prefixes)))
        starts = buckets.before[bucket] + within - within[first[bucket]]
        keys, starts = keys[weights > 0], starts[weights > 0]
        return values_of_keys(keys[np.searchsorted(starts, ranks, side="right") - 1])


def fraction_ranks(fractions: Sequence[Fraction], method: QuantileMethod = "linear") -> WantedRanks:
    """Return the function n -> sorted ranks between which the quantiles of these fractions lie."""
    return partial(_ranks_around, tuple(fractions), method)  # a closure would not cross processes


def _ranks_around(fractions: tuple[Fraction, ...], method: QuantileMethod, n: int) -> Ranks:
    lower = {_place(f, n, method).rank for f in fractions}
    return np.array(sorted(lower | {min(rank + 1, n - 1) for rank in lower}), dtype=np.int64)


def quantiles(order: OrderStatistics, fractions: Sequence[Fraction], method: QuantileMethod = "linear") -> list[float]:
    """Return the quantiles of ascending fractions, each rounded once.

    Parameters
    ----------
    method
        "linear" interpolates between order statistics (numpy's default); "averaged_inverted_cdf"
        takes one, or the mean of two where the fraction falls between them.

    Source: definitions 7 and 2 of Hyndman and Fan, "Sample quantiles in statistical packages", The
    American Statistician 50 (1996).
    """
    n = order.count
    ranks = fraction_ranks(fractions, method)(n)
    value_at = dict(zip(ranks.tolist(), order.result().tolist(), strict=True))
    return [_between(value_at, _place(f, n, method), n - 1) for f in fractions]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a quantile lies: at a rank, or `part / whole` of the way to the next."""

    rank: int
    part: int
    whole: int


def _place(fraction: Fraction, n: int, method: QuantileMethod) -> _Place:
    over, under = fraction.numerator, fraction.denominator
    if method == "linear":
        rank, part = divmod(over * (n - 1), under)
        return _Place(rank, part, under)
    rank, part = divmod(over * n, under)
    if part == 0 and 0 < rank < n:
        return _Place(rank - 1, 1, 2)
    return _Place(min(rank, n - 1), 0, 1)


def _between(value_at: dict[int, float], place: _Place, last: int) -> float:
    low, high = value_at[place.rank], value_at[min(place.rank + 1, last)]
    if place.part == 0 or low == high:
        return low
    # Exact, then rounded once by the division of integers.
    (a, b), (c, d) = low.as_integer_ratio(), high.as_integer_ratio()
    rest = place.whole - place.part
    return (a * d * rest + c * b * place.part) / (b * d * place.whole)
