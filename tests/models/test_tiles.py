from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from likewise.models.tensors import Tensors
from likewise.models.tiles import WIDE, MakeTile, TiledRuntime

GOLDEN = {"x": np.arange(1, 51, dtype=np.float32)}


class FakeTile:
    """Gives each row `answer(value, height, position in the tile)`."""

    def __init__(self, height: int, answer: Callable[[float, int, int], float], made: Counter) -> None:
        self.height, self.answer = height, answer
        made[height] += 1

    def run(self, tensors: Tensors, start: int, stop: int) -> np.ndarray:
        """Answer each row."""
        assert stop - start <= self.height
        rows = enumerate(tensors["x"][start:stop].tolist())
        return np.array([self.answer(value, self.height, at) for at, value in rows], np.float32)


def runtime(answer: Callable[[float, int, int], float], made: Counter | None = None) -> TiledRuntime:
    counter = Counter() if made is None else made
    make: MakeTile = lambda height: FakeTile(height, answer, counter)  # noqa: E731
    return TiledRuntime(make, GOLDEN, 50)


def test_both_heights_serve_when_they_agree() -> None:
    """A runtime that gives a row the same bits alone and in company may use both heights."""
    assert runtime(lambda value, *_: value * 0.1).heights == (1, WIDE)


def test_only_wide_tiles_serve_when_heights_differ() -> None:
    """If a row alone gets other bits than in a tile, every row goes in tiles, also one that is alone."""
    found = runtime(lambda value, height, _: value * 0.1 + (height == 1) * 1e-7)
    assert found.heights == (WIDE,)
    assert found.predict({"x": np.float32([3])}, 1) == np.float32(0.3)


def test_rows_run_alone_when_their_position_counts() -> None:
    """If the place in a tile changes a row's bits, no row shares a tile."""
    found = runtime(lambda value, _, position: value + (position == 3) * 1e-6 * value)
    assert found.heights == (1,)
    assert np.array_equal(found.predict(GOLDEN, 50), GOLDEN["x"])


@pytest.mark.parametrize("rows", [0, 1, 2, WIDE - 1, WIDE, WIDE + 1, 3 * WIDE + 7])
def test_every_row_is_predicted_in_order(rows: int) -> None:
    """Any number of rows, none included, comes back in order, whatever the tiles."""
    values = np.linspace(-2, 2, rows, dtype=np.float32)
    assert np.array_equal(runtime(lambda value, *_: value * 2).predict({"x": values}, rows), values * 2)


def test_nan_agrees_with_nan_in_the_proof() -> None:
    """A golden row that predicts NaN does not forbid tiles."""
    assert runtime(lambda value, *_: float("nan") if value == 4 else value).heights == (1, WIDE)


def test_tiles_are_made_once() -> None:
    """Tiles are kept and reused: calls one after another need one of each height."""
    made: Counter = Counter()
    found = runtime(lambda value, *_: value, made)
    for _ in range(5):
        found.predict(GOLDEN, 50)
    assert made == {1: 1, WIDE: 1}
