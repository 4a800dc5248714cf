"""Sums and sums of squares that are exact, hence the same for any order and any partition.

Every float64 is a whole multiple of 2**-1074, so a sum of them is an integer on that grid, and a sum
of squares one on the grid 2**-2148. Python's integers hold both without bound. To get there at
numpy's speed, a chunk of values is cut into slices of 20 bits on a common binary grid: slice times
slice stays below 2**40, so a dot product over 8,192 of them stays below 2**53 and is exact in
float64 whatever order the CPU adds in. Where only sums are wanted, slices of 39 bits do: fewer of them.

Source: slicing by adding and subtracting a large power of two is the error-free extraction of Rump,
Ogita and Oishi, "Accurate floating-point summation part I", SIAM J. Sci. Comput. 31 (2008), section 3;
dot products of slices are after Ozaki et al., Numer. Algorithms 59 (2012).
"""

from __future__ import annotations

import math

import numpy as np

from likewise.transforms.kind import Floats

_CHUNK = 8192  # 2**13 products below 2**40, or slices below 2**39, add up to at most 2**53
_AT_ONCE = 4 * _CHUNK  # many chunks share one call, or threads would only wait for each other
_BITS, _SUM_BITS = 20, 39
_LEVELS = 4
_GRID = 1074
# Within these exponents no extraction constant overflows and no slice underflows.
_HIGH, _LOW = 400, -400


class ExactSums:
    """Count, sum and (if asked) sum of squares of a column, exact.

    Examples
    --------
    >>> sums = ExactSums(squares=True)
    >>> sums.update(np.array([1e300, 1.0, -1e300]))
    >>> sums.count, sums.mean()
    (3, 0.3333333333333333)
    """

    __slots__ = ("count", "squares", "total", "with_squares")

    def __init__(self, *, squares: bool) -> None:
        self.count = 0
        self.total = 0
        self.squares = 0
        self.with_squares = squares

    def update(self, values: Floats, count: int | None = None) -> None:
        """Add finite values; `count` of them are real when the others are zeros that stand for missing."""
        self.count += len(values) if count is None else count
        for start in range(0, len(values), _AT_ONCE):
            rest = values[start : start + _AT_ONCE]
            while len(rest):
                rest = self._add_group(rest)

    def add_constant(self, value: float, count: int) -> None:
        """Add one value `count` times."""
        whole = _on_grid(value)
        self.count += count
        self.total += whole * count
        if self.with_squares:
            self.squares += whole * whole * count

    def merge(self, other: ExactSums) -> None:
        """Add the sums of another part of the data."""
        self.count += other.count
        self.total += other.total
        self.squares += other.squares

    def mean(self) -> float:
        """Return the mean, rounded once. Raises OverflowError beyond float64."""
        return self.total / (self.count << _GRID)

    def variance_ratio(self) -> tuple[int, int]:
        """Return the population variance as an exact ratio of integers."""
        return self.count * self.squares - self.total * self.total, self.count**2 << (2 * _GRID)

    def deviation(self) -> float:
        """Return the population standard deviation (ddof 0), rounded once."""
        return root_of_ratio(*self.variance_ratio())

    def _add_group(self, values: Floats) -> Floats:
        """Add the values that fit one grid; return those that do not."""
        peak = max(float(values.max()), -float(values.min()))
        if peak == 0.0:
            return values[:0]
        exponent = math.frexp(peak)[1]
        if exponent > _HIGH:
            small = np.abs(values) < 2.0**300
            left = self._add_slices(values[~small] * 2.0**-500, exponent - 500, 500)
            return np.concatenate((values[small], left))
        if exponent < _LOW:
            return self._add_slices(values * 2.0**600, exponent + 600, -600)
        return self._add_slices(values, exponent, 0)

    def _add_slices(self, values: Floats, exponent: int, shift: int) -> Floats:
        """Add values times 2**shift, all below 2**exponent; return (unscaled) those with bits left over."""
        bits = _BITS if self.with_squares else _SUM_BITS
        chunks = -(-len(values) // _CHUNK)
        residue = np.zeros(chunks * _CHUNK)
        residue[: len(values)] = values
        slices = np.empty((_LEVELS, len(residue)))
        grids: list[int] = []
        for part in slices:
            grid = exponent - bits * (len(grids) + 1)
            anchor = math.ldexp(1.5, grid + 52)
            np.add(residue, anchor, out=part)
            np.subtract(part, anchor, out=part)
            np.subtract(residue, part, out=residue)
            np.multiply(part, math.ldexp(1.0, -grid), out=part)
            grids.append(grid + shift)
            if not residue.any():
                self._add_products(slices[: len(grids)].reshape(-1, chunks, _CHUNK), grids)
                return values[:0]
        wide = residue != 0.0
        slices[:, wide] = 0.0
        self._add_products(slices.reshape(-1, chunks, _CHUNK), grids)
        left: Floats = values[wide[: len(values)]] * math.ldexp(1.0, shift)
        return left

    def _add_products(self, slices: Floats, grids: list[int]) -> None:
        """Add (levels, chunks, chunk) slices on their grids: of each chunk exact in float64, then as integers."""
        sums = slices.sum(axis=2).astype(np.int64).sum(axis=1).tolist()
        for grid, total in zip(grids, sums, strict=True):
            self.total += _shifted(total, grid + _GRID)
        if self.with_squares:
            for i, grid in enumerate(grids):
                for j in range(i + 1):
                    product = int(np.vecdot(slices[i], slices[j]).astype(np.int64).sum())
                    self.squares += _shifted(product, grid + grids[j] + 2 * _GRID + (i != j))


def _shifted(whole: int, bits: int) -> int:
    # A slice below the grid can only hold multiples of it, so nothing is cut off.
    return whole << bits if bits >= 0 else whole >> -bits


def _on_grid(value: float) -> int:
    numerator, denominator = value.as_integer_ratio()
    return (numerator << _GRID) // denominator


def root_of_ratio(numerator: int, denominator: int) -> float:
    """Return the square root of a ratio of integers, correctly rounded.

    The root is taken with 55 bits or more and its last bit set when inexact; rounding that to 53
    bits equals rounding the true root, because no tie can hide behind the sticky bit.
    """
    if numerator == 0:
        return 0.0
    scale = (numerator.bit_length() - denominator.bit_length() - 112) // 2
    if scale >= 0:
        quotient, remainder = divmod(numerator, denominator << (2 * scale))
    else:
        quotient, remainder = divmod(numerator << (-2 * scale), denominator)
    root = math.isqrt(quotient)
    if remainder or root * root != quotient:
        root |= 1
    return root * 2**scale / 1 if scale >= 0 else root / (1 << -scale)
