"""Join keys and an instant as one integer, in whose order facts lie key by key and in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

from likewise.stores.asof_times import Unit

Integers: TypeAlias = npt.NDArray[np.int64]
ABSENT = -1
# Codes must stay below this, so that the code before the first and the one after the last are integers too.
_LARGEST = 2**62


class Coder(Protocol):
    """Turns the values of one join key into codes from 0 to `size - 1`; ABSENT where no fact has the value."""

    @property
    def size(self) -> int:
        """Return how many codes there are."""
        ...

    def encode(self, values: pa.ChunkedArray) -> Integers:
        """Return the code of each value."""
        ...


@dataclass(frozen=True, slots=True)
class RangeCoder:
    """Integers by their distance from the least."""

    low: int
    size: int

    def encode(self, values: pa.ChunkedArray) -> Integers:
        """Return the code of each value."""
        numbers = values.cast(pa.int64()).fill_null(self.low).to_numpy()
        known = (numbers >= self.low) & (numbers <= self.low + self.size - 1) & values.is_valid().to_numpy()
        codes: Integers = np.where(known, numbers, self.low) - self.low
        codes[~known] = ABSENT
        return codes


@dataclass(frozen=True, slots=True)
class ListCoder:
    """Values by their place in a list."""

    known: pa.Array
    size: int

    def encode(self, values: pa.ChunkedArray) -> Integers:
        """Return the code of each value."""
        places = pc.index_in(values.cast(self.known.type), value_set=self.known, skip_nulls=True)
        codes: Integers = places.cast(pa.int64()).fill_null(ABSENT).to_numpy()
        return codes


@dataclass(frozen=True, slots=True)
class Scale:
    """How instants become steps from 0 to `steps - 1`."""

    first: int
    steps: int
    per_step: int

    def encode(self, instants: Integers) -> Integers:
        """Return the step that has begun at each instant: -1 before the first, the last one after the end."""
        last = self.first + (self.steps - 1) * self.per_step
        since: Integers = np.clip(instants, self.first - 1, last) - self.first
        # A division of a million integers takes as long as everything else here.
        return since if self.per_step == 1 else since // self.per_step


@dataclass(frozen=True, slots=True)
class Codes:
    """Codes of (join keys, instant): those of the keys, times the number of instants, plus the instant's step."""

    coders: Mapping[str, Coder]
    scale: Scale

    def floor(self, rows: pa.Table) -> Integers:
        """Return the first code of each row's keys; below 0 where a key is missing or no fact has it."""
        combined = np.zeros(rows.num_rows, dtype=np.int64)
        for name, coder in self.coders.items():
            codes = coder.encode(rows[name])
            combined = np.where((combined < 0) | (codes < 0), ABSENT, combined * coder.size + codes)
        return combined * self.scale.steps


def make_codes(keys: Mapping[str, pa.ChunkedArray], times: Sequence[Integers], unit: Unit) -> Codes | None:
    """Return codes that hold these keys and all of these instants; None where one integer cannot hold them.

    Parameters
    ----------
    keys
        Integers or texts, none missing.
    times
        One or more arrays, not empty.
    """
    scale = _scale(times, unit)
    if scale.steps * scale.per_step >= _LARGEST:
        return None
    # Ranges are cheaper; lists have no gaps.
    for make in (_by_range, _by_list):
        coders = {name: make(values) for name, values in keys.items()}
        if prod([coder.size for coder in coders.values()]) * scale.steps < _LARGEST:
            return Codes(coders, scale)
    return None


def _scale(times: Sequence[Integers], unit: Unit) -> Scale:
    first, last = min(int(some.min()) for some in times), max(int(some.max()) for some in times)
    # Nanoseconds that are whole microseconds, as pandas writes them, need a thousandth of the codes.
    whole = unit is Unit.NANOSECOND and not any((some % 1000).any() for some in times)
    per_step = 1000 if whole else 1
    return Scale(first, (last - first) // per_step + 1, per_step)


def _by_range(values: pa.ChunkedArray) -> Coder:
    if not pat.is_integer(values.type):
        return _by_list(values)
    bounds = pc.min_max(values).as_py()
    return RangeCoder(bounds["min"], bounds["max"] - bounds["min"] + 1)


def _by_list(values: pa.ChunkedArray) -> Coder:
    known = pc.unique(values)
    # Wide enough for whatever integer the entity rows hold.
    known = known.cast(pa.int64()) if pat.is_integer(known.type) else known
    return ListCoder(known, len(known))
