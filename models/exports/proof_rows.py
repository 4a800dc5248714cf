"""Rows on which an export is proved: golden ones, and random ones made to find what a target does otherwise.

Random values come from the fitted state (categories, edges, bounds and the floats beside them), from the golden
rows and from what breaks naive code: missing, unseen, infinite, huge, tiny, empty; half of the rows hold nothing
infinite or huge, so that whole rows give finite tensors. The artifact's digest is the
seed, so the same artifact is proved on the same rows everywhere.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from likewise.models.exports.encoding import exact_integers
from likewise.transforms import Column, FittedTransform, LogicalType
from likewise.transforms.columns import InputSpec, column_from_objects
from likewise.transforms.errors import LikewiseError
from likewise.transforms.golden import odd_values

RANDOM_ROWS = 2000
# Of each column's fitted state at most so many values are drawn from.
_MOST_OF_STATE = 4096
_LONGEST_LIST = 7
_HUGE = 1e100
_TEXTS = ("", " ", "0", "nan", "NULL", "it's", 'a "b"', "\\N", "a|b", "\n", "unseen \N{SNOWMAN}", "x" * 300, "[UNK]")
_YEAR_TICKS = 31_556_952_000_000


@dataclass(frozen=True, slots=True, eq=False)
class ProofRows:
    """Rows with the outputs the transform gives for them; golden rows and combinations that it refuses are left out.

    Parameters
    ----------
    columns
        Per input its n values.
    expected
        Per output its tensor.
    rows
        n.
    golden
        How many of them, the first ones, are golden rows.
    """

    columns: Mapping[str, Column]
    expected: Mapping[str, npt.NDArray[Any]]
    rows: int
    golden: int


def proof_rows(fitted: FittedTransform, random_rows: int = RANDOM_ROWS, *, subnormals: bool = True) -> ProofRows:
    """Return golden and random rows of a transform with what it makes of them.

    Parameters
    ----------
    fitted
        The transform.
    random_rows
        How many rows beside the golden ones.
    subnormals
        Whether to keep numbers below 2.2e-308 in size; else they are 0, as TensorFlow takes them.
    """
    rng = np.random.default_rng(int(fitted.digest.removeprefix("sha256:")[:16], 16))
    state, made = state_values(fitted), list[list[Any]]()
    golden = [fitted.golden.columns[spec.name].objects() for spec in fitted.inputs]
    for spec, seen in zip(fitted.inputs, golden, strict=True):
        pool = _Pool(spec.type.element, [*state.get(spec.name, ()), *_items(spec, seen)], rng)
        made.append(pool.lists(random_rows) if spec.type.is_list else pool.values(random_rows))
    exact = exact_integers(fitted)
    every = [
        [*map(_whole, seen), *map(_whole, values)] if spec.name in exact else [*seen, *values]
        for spec, seen, values in zip(fitted.inputs, golden, made, strict=True)
    ]
    if not subnormals:
        every = [[_flushed(value) for value in values] for values in every]
    return _without_refused(fitted, every, len(golden[0]), rng)


def _flushed(value: Any) -> Any:
    if isinstance(value, list):
        return [_flushed(item) for item in value]
    return 0.0 if isinstance(value, float) and abs(value) < sys.float_info.min else value


def _whole(value: Any) -> int | None:
    """Return a number as a column of long integers can hold it."""
    return int(value) if value is not None and abs(value) < 2**62 else None


def _items(spec: InputSpec, values: Sequence[Any]) -> list[Any]:
    if not spec.type.is_list:
        return [v for v in values if v is not None]
    return [item for value in values for item in value or () if item is not None]


def _without_refused(
    fitted: FittedTransform, every: Sequence[Sequence[Any]], golden: int, rng: np.random.Generator
) -> ProofRows:
    """Return the rows that no policy refuses; refused values of random rows give way to others of their column."""
    kept = list(range(len(every[0])))
    if not _are_taken(fitted, every):
        every = _with_taken_values(fitted, every, golden, rng)
        kept = [at for at in kept if _are_taken(fitted, [[values[at]] for values in every])]
    columns = _columns(fitted.inputs, [[values[at] for at in kept] for values in every])
    return ProofRows(columns, fitted.apply_columns(columns), len(kept), sum(at < golden for at in kept))


def _are_taken(fitted: FittedTransform, rows: Sequence[Sequence[Any]]) -> bool:
    """Return whether no row is refused, given as the values of each column."""
    try:
        fitted.apply_columns(_columns(fitted.inputs, rows))
    except LikewiseError:
        return False
    return True


def _with_taken_values(
    fitted: FittedTransform, every: Sequence[Sequence[Any]], golden: int, rng: np.random.Generator
) -> Sequence[Sequence[Any]]:
    """Return rows whose random part holds, column by column, only values taken within some golden row.

    Else of ten columns that refuse what is unseen hardly a random row would be left to prove anything.
    """
    rows = ([values[at] for values in every] for at in range(golden))
    base = next((row for row in rows if _are_taken(fitted, [[value] for value in row])), None)
    if base is None:
        return every
    made = []
    for place, values in enumerate(every):
        refused = set(_refused(fitted, base, place, list({repr(value): value for value in values}.values())))
        taken = [value for value in values if repr(value) not in refused]
        instead = rng.integers(len(taken), size=len(values)).tolist()
        made.append(
            [
                taken[other] if at >= golden and repr(value) in refused else value
                for at, (value, other) in enumerate(zip(values, instead, strict=True))
            ]
        )
    return made


def _refused(fitted: FittedTransform, base: Sequence[Any], place: int, values: Sequence[Any]) -> list[str]:
    """Return which values, spelled out, are refused in one column of a row that is taken; found by halving."""
    rows = [values if at == place else [value] * len(values) for at, value in enumerate(base)]
    if _are_taken(fitted, rows):
        return []
    if len(values) == 1:
        return [repr(values[0])]
    middle = len(values) // 2
    return [name for part in (values[:middle], values[middle:]) for name in _refused(fitted, base, place, part)]


def _columns(inputs: Sequence[InputSpec], values: Sequence[Sequence[Any]]) -> dict[str, Column]:
    return {s.name: column_from_objects(s.name, v, s.type) for s, v in zip(inputs, values, strict=True)}


def state_values(fitted: FittedTransform) -> dict[str, list[Any]]:
    """Return, per input, values of its fitted state: categories, and numbers of steps over numbers."""
    state: dict[str, list[Any]] = {}
    for parts in fitted.steps.values():
        for steps in parts:
            for kind in steps.kinds:
                _add_categories(kind, state)
                numbers = [a.reshape(-1) for a in kind.arrays().values() if a.dtype == np.float64]
                numbers += [np.array(getattr(kind.kind, name, None) or (), np.float64) for name in ("edges",)]
                found = np.concatenate([*numbers, np.zeros(0)])[:_MOST_OF_STATE].tolist()
                for field in steps.fields:
                    if field.type.element.is_numeric:
                        state.setdefault(field.source, []).extend(found)
    return state


def _add_categories(kind: Any, state: dict[str, list[Any]]) -> None:
    for field, vocabulary in zip(kind.fields, getattr(kind, "vocabularies", ()), strict=False):
        state.setdefault(field.source, []).extend(vocabulary.values[:_MOST_OF_STATE])
    if hasattr(kind, "keys"):
        state.setdefault(kind.fields[0].source, []).extend(kind.keys.values[:_MOST_OF_STATE])


class _Pool:
    """Values of one type to draw from."""

    def __init__(self, logical: LogicalType, known: Sequence[Any], rng: np.random.Generator) -> None:
        self._logical, self._rng = logical, rng
        # Golden rows hold odd values too; those stay in the half that is meant for them.
        self._known = [v for v in known if self._fits(v) and not (isinstance(v, float) and abs(v) >= _HUGE)]
        self._odd = [value for value in odd_values(logical) if value is not None]
        sizes = [abs(v) for v in self._known if isinstance(v, float) and 0 < abs(v) < np.inf]
        self._scale = float(np.median(sizes)) if sizes else 1.0

    def _fits(self, value: Any) -> bool:
        expected = {LogicalType.TEXT: str, LogicalType.BYTES: bytes, LogicalType.TIME: int}
        if self._logical is LogicalType.BOOLEAN:
            return value in (0.0, 1.0)
        return isinstance(value, expected.get(self._logical, (int, float)))

    def values(self, count: int) -> list[Any]:
        """Return values: an eighth missing, the rest known or new, and in the first half odd ones."""
        return [self._value(part, odd=at < count / 2) for at, part in enumerate(self._parts(count))]

    def lists(self, count: int) -> list[Any]:
        """Return lists of up to seven values, an eighth of them missing; odd values in the first half only."""
        lengths = self._rng.integers(-1, _LONGEST_LIST + 1, count).tolist()
        return [
            None if length < 0 else [self._value(part, odd=at < count / 2) for part in self._parts(length)]
            for at, length in enumerate(lengths)
        ]

    def _parts(self, count: int) -> list[int]:
        parts: list[int] = self._rng.integers(0, 8, count).tolist()
        return parts

    def _value(self, part: int, *, odd: bool) -> Any:
        if part == 0:
            return None
        if part <= 3 and self._known:
            return self._near(self._known[int(self._rng.integers(len(self._known)))], exactly=part < 3)
        if part <= 5 and odd and self._odd:
            return self._odd[int(self._rng.integers(len(self._odd)))]
        return self._new()

    def _near(self, value: Any, *, exactly: bool) -> Any:
        """Return a known value, or one beside it."""
        if exactly or self._logical in (LogicalType.BOOLEAN, LogicalType.BYTES):
            return value
        if self._logical is LogicalType.TEXT:
            return [value.swapcase(), value + " ", value[:-1]][int(self._rng.integers(3))]
        if isinstance(value, int):
            step = int(self._rng.integers(-1, 2))
            return value if abs(value) > 2**62 else value + step
        return float(np.nextafter(value, np.inf if self._rng.random() < 0.5 else -np.inf))

    def _new(self) -> Any:
        if self._logical is LogicalType.BOOLEAN:
            return float(self._rng.integers(2))
        if self._logical is LogicalType.TIME:
            return int(self._rng.integers(-100, 100) * _YEAR_TICKS + self._rng.integers(_YEAR_TICKS))
        if self._logical in (LogicalType.TEXT, LogicalType.BYTES):
            text = _TEXTS[int(self._rng.integers(len(_TEXTS)))]
            return text if self._logical is LogicalType.TEXT else text.encode()
        return [float(self._rng.normal()) * self._scale, float(self._rng.integers(-20, 200))][
            int(self._rng.integers(2))
        ]
