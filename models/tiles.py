"""Predict any number of rows with tensors of fixed heights, so that no row depends on its company.

A matrix product may add up a row's terms in another order when the matrix has another height, and then the last bits
of one row depend on how many rows came with it. A runtime is therefore only ever run at heights that, on this machine,
gave the golden rows the same bits at every position of a tile: 1 and `WIDE` if they agree with each other, else `WIDE`
alone (a single row then travels with zeros), else 1 alone: slower, still independent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from .tensors import Tensors

WIDE = 32


class Tile(Protocol):
    """A runtime prepared for a fixed number of rows; used by one thread at a time."""

    def run(self, tensors: Tensors, start: int, stop: int) -> np.ndarray[Any, Any]:
        """Return (stop - start,) float32 for these rows, which are at most as many as the tile's height."""
        ...


MakeTile = Callable[[int], Tile]


class TiledRuntime:
    """Runs tiles of proved heights; thread-safe: each call borrows a tile that nobody else uses."""

    def __init__(self, make_tile: MakeTile, tensors: Tensors, rows: int) -> None:
        self._make_tile = make_tile
        # A list's pop and append are atomic, so the stacks need no lock.
        self._idle: dict[int, list[Tile]] = {1: [], WIDE: []}
        self.heights = self._prove(tensors, rows)

    def predict(self, tensors: Tensors, rows: int) -> np.ndarray[Any, Any]:
        """Return (rows,) float32."""
        smallest, largest = self.heights[0], self.heights[-1]
        if rows == 1:
            return self._run(smallest, tensors, 0, 1)
        prediction = np.empty(rows, np.float32)
        start = 0
        while start < rows:
            height = largest if rows - start > 1 else smallest
            stop = min(rows, start + height)
            prediction[start:stop] = self._run(height, tensors, start, stop)
            start = stop
        return prediction

    def _prove(self, tensors: Tensors, rows: int) -> tuple[int, ...]:
        """Return the heights to use: together they give these rows the same bits wherever a row stands."""
        alone = np.concatenate([self._run(1, tensors, row, row + 1) for row in range(rows)])
        wide = self._in_wide_tiles(tensors, rows, 0)
        moved = (self._in_wide_tiles(tensors, rows, shift) for shift in range(1, WIDE))
        if not all(np.array_equal(found, np.roll(wide, shift), equal_nan=True) for shift, found in enumerate(moved, 1)):
            return (1,)
        return (1, WIDE) if np.array_equal(alone, wide, equal_nan=True) else (WIDE,)

    def _run(self, height: int, tensors: Tensors, start: int, stop: int) -> np.ndarray[Any, Any]:
        try:
            tile = self._idle[height].pop()
        except IndexError:
            tile = self._make_tile(height)
        prediction = tile.run(tensors, start, stop)
        self._idle[height].append(tile)
        return prediction

    def _in_wide_tiles(self, tensors: Tensors, rows: int, shift: int) -> np.ndarray[Any, Any]:
        moved = {name: np.roll(tensor, shift, axis=0) for name, tensor in tensors.items()}
        starts = range(0, rows, WIDE)
        return np.concatenate([self._run(WIDE, moved, start, min(rows, start + WIDE)) for start in starts])


def fill(buffer: np.ndarray[Any, Any], tensor: np.ndarray[Any, Any], start: int, stop: int) -> np.ndarray[Any, Any]:
    """Return the rows as a tensor of the buffer's height: a view if they fill it, else zeros after them."""
    if stop - start == len(buffer):
        return tensor[start:stop]
    buffer[: stop - start] = tensor[start:stop]
    buffer[stop - start :] = 0
    return buffer
