"""The compiled form of a fitted transform: columns in, tensors out, in as few array operations as possible.

Chains of steps that are equal but for their columns run as one. What a column's values are does
not depend on which chains they run in, so neither do the bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from likewise.transforms.columns import Column, InputSpec
from likewise.transforms.counters import Counters
from likewise.transforms.kind import Fields, FittedKind, Floats, TextLookup, Values
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.overflow import Overflow, OverflowCount
from likewise.transforms.row_columns import RowColumns
from likewise.transforms.steps import FittedSteps, OutputSpec

Tensors: TypeAlias = dict[str, npt.NDArray[Any]]
_FLOAT64 = np.dtype(np.float64)  # to compare dtypes with; with the class it takes three times as long


@dataclass(frozen=True, slots=True)
class Stage:
    """A fitted kind with what running it needs to know of the fields before it."""

    kind: FittedKind
    fields: Fields
    takes_numbers: bool
    has_side: bool


def stages_of(kinds: Sequence[FittedKind], fields: Fields) -> tuple[Stage, ...]:
    """Return the stages of kinds that follow each other, beginning with these fields."""
    stages = []
    for kind in kinds:
        stages.append(Stage(kind, fields, kind.kind.takes_numbers(fields), bool(kind.side_outputs())))
        fields = kind.outputs()
    return tuple(stages)


@dataclass(frozen=True, slots=True)
class _Target:
    """Where rows of a chain's result go: columns of one output."""

    rows: slice
    output: str
    columns: slice | None  # None: the output is one-dimensional


@dataclass(frozen=True, slots=True)
class _Chain:
    """Steps over some inputs, with where their result goes."""

    numbers: slice | npt.NDArray[np.intp] | None  # rows of the number matrix, or
    columns: tuple[int, ...]  # places among the plan's columns
    stages: tuple[Stage, ...]
    targets: tuple[_Target, ...]
    side_target: _Target | None
    overflows: OverflowCount | None  # None: the results are codes
    holds_lists: bool
    lookup: TextLookup | None  # of the first stage, where that looks plain text up

    def looked_up(self, columns: Sequence[Column]) -> Values | None:
        """Return the values after the first stage if plain values are all it needs, else None."""
        if self.lookup is None or not isinstance(columns, RowColumns):
            return None
        return self.lookup(columns.texts(self.columns), columns.n)

    def given(self, numbers: Floats, columns: Sequence[Column]) -> Values:
        """Return the inputs of this chain."""
        return numbers[self.numbers] if self.numbers is not None else tuple([columns[at] for at in self.columns])

    def count_overflows(self, given: Values, results: Values, tally: Counters | None) -> None:
        """Count what became infinite; lists are always looked through, as their own infinities count here."""
        if tally is not None and self.overflows is not None:
            self.overflows.add(given, results, tally)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to gather, what to run on it and where results go."""

    number_names: tuple[str, ...]
    column_inputs: tuple[InputSpec, ...]
    chains: tuple[_Chain, ...]

    def run(self, numbers: Floats, columns: Sequence[Column], out: Tensors, tally: Counters | None) -> None:
        """Write the results for n rows into preallocated tensors.

        Parameters
        ----------
        numbers
            (k, n) float64, the columns `number_names`.
        columns
            The columns `column_inputs`.
        """
        if tally is not None:
            self._count_missing(numbers, columns, tally)
        # A number beyond float32 becomes an infinity there and is counted; inf - inf is NaN, without a warning.
        overflow = Overflow()
        with np.errstate(over="call", invalid="ignore", call=overflow):
            for chain in self.chains:
                results = _run_chain(chain, numbers, columns, out, tally)
                if overflow.seen or chain.holds_lists:
                    overflow.seen = False
                    chain.count_overflows(chain.given(numbers, columns), results, tally)

    def _count_missing(self, numbers: Floats, columns: Sequence[Column], tally: Counters) -> None:
        finite = np.isfinite(numbers)
        if not finite.all():
            _count_unusual(numbers, ~finite, self.number_names, tally)
        for at in columns.with_missing() if isinstance(columns, RowColumns) else range(len(columns)):
            column = columns[at]
            if column.missing is not None or column.type.is_numeric:
                count = int(np.count_nonzero(column.is_missing()))
                if count:
                    tally.add(self.column_inputs[at].name, "missing", count)


def _count_unusual(numbers: Floats, unusual: npt.NDArray[np.bool_], names: Sequence[str], tally: Counters) -> None:
    """Count NaN as missing and infinities as out of range."""
    for at in np.flatnonzero(unusual.any(axis=1)).tolist():
        infinite = int(np.count_nonzero(np.isinf(numbers[at])))
        missing = int(np.count_nonzero(unusual[at])) - infinite
        if missing:
            tally.add(names[at], "missing", missing)
        if infinite:
            tally.add(names[at], "out_of_range", infinite)


def _run_chain(
    chain: _Chain, numbers: Floats, columns: Sequence[Column], out: Tensors, tally: Counters | None
) -> Values:
    values = chain.looked_up(columns)
    if values is None:
        values, sides = run_stages(chain.stages, chain.given(numbers, columns), tally)
    else:
        values, sides = run_stages(chain.stages[1:], values, tally)
    for target in chain.targets:
        if target.columns is None:
            out[target.output][:] = values[target.rows][0]
        else:
            out[target.output][:, target.columns] = values[target.rows].T
    if chain.side_target is not None:
        out[chain.side_target.output][:, chain.side_target.columns] = np.concatenate(sides).T
    return values


def run_stages(stages: Sequence[Stage], values: Values, tally: Counters | None) -> tuple[Values, list[Floats]]:
    """Return the values after some stages, and the indicators made on the way."""
    sides: list[Floats] = []
    for stage in stages:
        values = shaped(values, stage.fields, numbers=stage.takes_numbers)
        if stage.has_side:
            sides.append(stage.kind.side(values))
        values = stage.kind.apply(values, tally)
    return values, sides


def shaped(values: Values, fields: Fields, *, numbers: bool) -> Values:
    """Return values in the form the next step takes."""
    if numbers:
        if isinstance(values, tuple):
            return np.array([column.values for column in values], dtype=np.float64)
        return values if values.dtype == _FLOAT64 else values.astype(np.float64)
    if isinstance(values, tuple):
        return values
    as_numbers = values.astype(np.float64, copy=False)
    return tuple([Column(f.type, row) for f, row in zip(fields, as_numbers, strict=True)])


def takes_numbers_first(steps: FittedSteps) -> bool:
    """Return whether steps begin with a matrix of numbers."""
    if steps.kinds:
        return steps.kinds[0].kind.takes_numbers(steps.fields)
    return True


def compile_plan(parts: Sequence[tuple[OutputSpec, Sequence[FittedSteps]]], inputs: Sequence[InputSpec]) -> Plan:
    """Return the plan of a transform's outputs."""
    chains = [c for spec, steps in parts for c in _located(spec, steps)]
    number_names: dict[str, int] = {}
    column_names: dict[str, int] = {}
    merged = _merged(chains)
    for chain in merged:
        names = number_names if chain.is_numeric else column_names
        for field in chain.fields:
            names.setdefault(field.source, len(names))
    by_name = {spec.name: spec for spec in inputs}
    return Plan(
        tuple(number_names),
        tuple(by_name[name] for name in column_names),
        tuple(_bound(chain, number_names, column_names) for chain in merged),
    )


@dataclass(frozen=True, slots=True)
class _Located:
    """Steps with where their result goes, before inputs are bound."""

    fields: Fields
    is_numeric: bool
    kinds: tuple[FittedKind, ...]
    targets: tuple[_Target, ...]
    side_target: _Target | None
    likeness: tuple[object, ...] | None


def _located(spec: OutputSpec, steps: Sequence[FittedSteps]) -> list[_Located]:
    """Return the chains of an output: results side by side, each with its indicators last."""
    chains, at = [], 0
    for part in steps:
        width, sides = len(part.outputs()), len(part.side_outputs())
        place = None if spec.width is None else slice(at, at + width)
        target = _Target(slice(0, width), spec.name, place)
        side = _Target(slice(0, sides), spec.name, slice(at + width, at + width + sides)) if sides else None
        numeric = takes_numbers_first(part)
        alike = _likeness(part, spec) if numeric and not sides and width else None
        chains.append(_Located(part.fields, numeric, part.kinds, (target,) if width else (), side, alike))
        at += width + sides
    return chains


def _likeness(steps: FittedSteps, spec: OutputSpec) -> tuple[object, ...] | None:
    """Return what must be equal for two chains to run as one, or None when this one must run alone."""
    if not all(kind.elementwise for kind in steps.kinds):
        return None
    return (spec.width is None, *(kind.kind for kind in steps.kinds))


def _merged(chains: Sequence[_Located]) -> list[_Located]:
    groups: dict[object, list[_Located]] = {}
    for at, chain in enumerate(chains):
        groups.setdefault(at if chain.likeness is None else chain.likeness, []).append(chain)
    return [group[0] if len(group) == 1 else _as_one(group) for group in groups.values()]


def _as_one(group: Sequence[_Located]) -> _Located:
    fields = tuple(f for chain in group for f in chain.fields)
    kinds = []
    given = fields
    for alike in zip(*(chain.kinds for chain in group), strict=True):
        arrays = [kind.arrays() for kind in alike]
        joined = {name: np.concatenate([a[name] for a in arrays]) for name in arrays[0]}
        kinds.append(alike[0].kind.restore(given, joined))
        given = kinds[-1].outputs()
    targets, start = [], 0
    for chain in group:
        stop = start + len(chain.fields)
        targets.append(_Target(slice(start, stop), chain.targets[0].output, chain.targets[0].columns))
        start = stop
    return replace(group[0], fields=fields, kinds=tuple(kinds), targets=_joined_targets(targets))


def _joined_targets(targets: Sequence[_Target]) -> tuple[_Target, ...]:
    """Write neighbours that go to neighbouring columns of one output at once."""
    joined = list(targets[:1])
    for target in targets[1:]:
        last = joined[-1]
        if _follows(last, target):
            joined[-1] = _Target(
                _spanning(last.rows, target.rows), last.output, _spanning(last.columns, target.columns)
            )
        else:
            joined.append(target)
    return tuple(joined)


def _follows(last: _Target, target: _Target) -> bool:
    if last.output != target.output or last.columns is None or target.columns is None:
        return False
    return bool(last.columns.stop == target.columns.start)


def _spanning(first: slice | None, last: slice | None) -> slice:
    return slice(first.start if first else None, last.stop if last else None)


def _bound(chain: _Located, number_names: dict[str, int], column_names: dict[str, int]) -> _Chain:
    numbers: slice | npt.NDArray[np.intp] | None = None
    columns: tuple[int, ...] = ()
    if chain.is_numeric:
        rows = [number_names[f.source] for f in chain.fields]
        in_a_row = rows == list(range(rows[0], rows[0] + len(rows)))
        numbers = slice(rows[0], rows[0] + len(rows)) if in_a_row else np.array(rows, dtype=np.intp)
    else:
        columns = tuple(column_names[f.source] for f in chain.fields)
    stages = stages_of(chain.kinds, chain.fields)
    lists = any(f.type.is_list for f in chain.fields)
    lookup = stages[0].kind.look_up if stages and all(f.type is LogicalType.TEXT for f in chain.fields) else None
    return _Chain(numbers, columns, stages, chain.targets, chain.side_target, _overflows(chain), lists, lookup)


def _overflows(chain: _Located) -> OverflowCount | None:
    results = chain.kinds[-1].outputs() if chain.kinds else chain.fields
    if not chain.targets or any(f.cardinality is not None for f in results):
        return None
    return OverflowCount(
        tuple(f.source for f in chain.fields),
        tuple(f.source for f in results),
        is_elementwise=all(kind.elementwise for kind in chain.kinds),
    )
