"""Finding the place of many numbers among sorted knots, quicker than by bisection.

A number goes to a cell by a map that never decreases (equal steps of the value, or of its bits), and
knots go to cells by the same map. So knots of lower cells lie below the number and those of higher
cells above it, and only the few of its own cell are compared: the place is exactly that of bisection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from likewise.transforms.kind import Floats

_CELLS = 4096
# With more comparisons than this a number, bisection is as quick (1,000 knots, 2026-11).
_MOST_IN_CELL = 8


@dataclass(frozen=True, slots=True, eq=False)
class Knots:
    """Sorted distinct finite knots; `places` is `np.searchsorted(knots, x, side="right")`.

    Examples
    --------
    >>> Knots.of(np.array([0.0, 1.0, 5.0])).places(np.array([0.0, 0.5, 5.0])).tolist()
    [1, 1, 3]
    """

    knots: Floats
    padded: Floats
    guide: npt.NDArray[np.int32] | None
    by_bits: bool
    scale: float
    most: int

    @classmethod
    def of(cls, knots: Floats) -> Knots:
        """Return the index of some knots; the map that spreads them best is taken."""
        padded = np.append(knots, np.inf)
        choices = [cls._guided(knots, padded, by_bits=by_bits) for by_bits in (False, True)]
        best = min(choices, key=lambda choice: choice.most)
        return best if best.most <= _MOST_IN_CELL else cls(knots, padded, None, by_bits=False, scale=0.0, most=0)

    @classmethod
    def _guided(cls, knots: Floats, padded: Floats, *, by_bits: bool) -> Knots:
        span = float(_bits(knots[-1:], knots[0])[0]) if by_bits else float(knots[-1] - knots[0])
        scale = (_CELLS - 1) / span if span > 0.0 else 0.0
        if not np.isfinite(scale):
            return cls(knots, padded, None, by_bits=by_bits, scale=0.0, most=len(knots))
        cells = _cells(knots, float(knots[0]), scale, by_bits=by_bits)
        counts = np.bincount(cells, minlength=_CELLS + 1)
        guide = (np.cumsum(counts) - counts).astype(np.int32)
        return cls(knots, padded, guide, by_bits=by_bits, scale=scale, most=int(counts.max()))

    def places(self, x: Floats) -> npt.NDArray[Any]:
        """Return (n,) places of numbers from the first knot to the last; of NaN any place."""
        if self.guide is None:
            return np.searchsorted(self.knots, x, side="right")
        low = float(self.knots[0])
        sound = np.fmax(x, low)  # NaN becomes the first knot
        places = self.guide[_cells(sound, low, self.scale, by_bits=self.by_bits)]
        for _ in range(self.most):
            places = places + (sound >= self.padded[places])
        return places


def _cells(x: Floats, low: float, scale: float, *, by_bits: bool) -> npt.NDArray[np.intp]:
    steps = _bits(x, low) if by_bits else x - low
    return (steps * scale).astype(np.intp)


def _bits(x: Floats, low: float) -> Floats:
    """Return how many floats lie between `low` and x, rounded to float64; never decreasing in x."""
    keys = _ordered(np.ascontiguousarray(x).view(np.int64))
    return keys.astype(np.float64) - float(_ordered(np.array([low]).view(np.int64))[0])


def _ordered(bits: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    # Two's complement order equals that of the values once negative ones are turned round.
    return np.where(bits < 0, np.int64(-(2**63)) - bits, bits)


def count_at_or_below(edges: Floats, x: Floats) -> npt.NDArray[Any]:
    """Return `np.searchsorted(edges, x, side="right")`, for NaN 0; a comparison an edge is quick for few."""
    places = np.zeros(x.shape, np.uint8)
    for edge in edges.tolist():
        places += x >= edge
    return places
