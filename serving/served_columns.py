"""Features as the store answered them, as a transform's inputs: numbers in one matrix, other columns on demand."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from likewise.stores.packed_answer import ReadAnswer
from likewise.transforms.columns import Column, InputSpec
from likewise.transforms.gathered_columns import GatheredColumns

Floats = npt.NDArray[np.float64]


class ServedPlaces:
    """Where served features lie among all that a plan reads; what follows for a transform is worked out once.

    Parameters
    ----------
    places
        Name of a served feature -> its place among all that are read, view by view.
    """

    __slots__ = ("_lines", "places")

    def __init__(self, places: Mapping[str, int]) -> None:
        self.places = places
        # By identity: a transform asks with the same tuple each time. Holding it keeps its identity its own.
        self._lines: dict[int, tuple[Sequence[InputSpec], npt.NDArray[np.intp] | None]] = {}

    def lines(self, answer: ReadAnswer, specs: Sequence[InputSpec]) -> npt.NDArray[np.intp] | None:
        """Return where numeric inputs lie in `ReadAnswer.numbers`; None when one does not, or is of another type."""
        known = self._lines.get(id(specs))
        if known is None:
            known = self._lines[id(specs)] = (specs, self._find(answer, specs))
        return known[1]

    def _find(self, answer: ReadAnswer, specs: Sequence[InputSpec]) -> npt.NDArray[np.intp] | None:
        found = []
        for spec in specs:
            place = self.places.get(spec.name)
            line = None if place is None else answer.asked.number_lines.get(place)
            if line is None or line.type is not spec.type:
                return None
            found.append(line.at)
        return np.array(found, np.intp)


class ServedColumns(GatheredColumns):
    """Join keys, request data and served features by name, none of them made before somebody asks.

    Parameters
    ----------
    sent
        Gives the columns that came with the request.
    answer
        What the store said.
    served
        Where features lie in it; a feature hides what was sent under its name.
    """

    __slots__ = ("_answer", "_sent", "_served")

    def __init__(self, sent: Callable[[], Mapping[str, Column]], answer: ReadAnswer, served: ServedPlaces) -> None:
        self._sent, self._answer, self._served = sent, answer, served

    def numbers(self, specs: Sequence[InputSpec]) -> Floats | None:
        """Return the (k, n) float64 values of k numeric inputs, NaN where missing; None if some are not stored."""
        lines = self._served.lines(self._answer, specs)
        return None if lines is None else self._answer.numbers.take(lines, axis=0)

    def __getitem__(self, name: str) -> Column:
        place = self._served.places.get(name)
        return self._sent()[name] if place is None else self._answer.column(place)

    def __iter__(self) -> Iterator[str]:
        yield from self._sent().keys() - self._served.places.keys()
        yield from self._served.places

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a column; the default where there is none."""
        try:
            return self[name]
        except KeyError:
            return default
