"""Columns whose numbers lie in one matrix already: what a store read, handed over without a column for each feature."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

from likewise.transforms.columns import Column, InputSpec
from likewise.transforms.kind import Floats


class GatheredColumns(Mapping[str, Column]):
    """Named columns that can give their numbers at once; columns themselves are made when somebody asks.

    A row of 60 features is 60 columns of one value: making and unpacking them took longer than transforming
    them (2026-11).
    """

    @abstractmethod
    def numbers(self, specs: Sequence[InputSpec]) -> Floats | None:
        """Return the (k, n) float64 values of k numeric inputs, NaN where missing; None if the matrix lacks some.

        A caller that gets None takes columns one by one, and so finds out which is wrong.
        """
