"""Running fitters over batches: pass by pass, in parts that merge exactly."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from likewise.transforms.columns import Column, InputSpec
from likewise.transforms.errors import EmptyFitError
from likewise.transforms.golden import RowSample
from likewise.transforms.kind import Fields, FittedKind, Fitter, Kind, Values
from likewise.transforms.plan import run_stages, shaped, stages_of
from likewise.transforms.steps import FittedSteps, Steps, check_accepted, first_fields

_THREADS = 2
# Values that may be kept of streamed rows, over all number columns: 64 MB.
_STREAMED_ROOM = 8 << 20


@dataclass(frozen=True, slots=True)
class ToCome:
    """How many rows there will be, if known, and how many values a column may keep of them."""

    rows: int | None = None
    room: int = sys.maxsize

    @classmethod
    def streamed(cls, rows: int | None, inputs: Sequence[InputSpec]) -> ToCome:
        """Return what fits in memory that does not grow with the rows."""
        numbers = sum(spec.type.is_numeric for spec in inputs)
        return cls(rows, _STREAMED_ROOM // max(numbers, 1))


@dataclass(slots=True)
class _Open:
    """A fitter at work on the values after the first `depth` fitted kinds."""

    kind: Kind
    fields: Fields
    fitter: Fitter
    depth: int
    is_waiting: bool = False  # it has seen its pass, but the imputer it shared it with needs more


class StepsFitter:
    """Fits the kinds of some steps one after the other, sharing passes where that changes nothing."""

    __slots__ = ("_fields", "_fitted", "_open", "_to_come", "_waiting", "_where", "first")

    def __init__(self, where: str, steps: Steps, fields: Fields, to_come: ToCome) -> None:
        self._to_come = to_come
        self._where = where
        self.first = fields
        self._fields = fields
        self._fitted: list[FittedKind] = []
        self._waiting = list(steps.kinds)
        self._open: list[_Open] = []
        self._open_next()

    def is_done(self) -> bool:
        """Whether all kinds are fitted."""
        return not self._open

    def update(self, values: Values) -> None:
        """Learn from a batch of values before the first step."""
        given: dict[tuple[int, bool], Values] = {}
        for task in self._open:
            if task.is_waiting:
                continue
            form = (task.depth, task.kind.takes_numbers(task.fields))
            if form not in given:  # what follows an imputer learns from the same values
                before = run_stages(stages_of(self._fitted[: task.depth], self.first), values, None)[0]
                given[form] = shaped(before, task.fields, numbers=form[1])
            task.fitter.update(given[form])

    def merge(self, other: StepsFitter) -> None:
        """Add what another part learned in this pass."""
        for mine, theirs in zip(self._open, other._open, strict=True):
            mine.fitter.merge(theirs.fitter)

    def part(self) -> StepsFitter:
        """Return one with empty fitters for the same pass."""
        other = object.__new__(StepsFitter)
        other._to_come = self._to_come
        other._where, other.first, other._fields = self._where, self.first, self._fields
        other._fitted, other._waiting = self._fitted, self._waiting
        other._open = [_Open(t.kind, t.fields, t.fitter.part(), t.depth, t.is_waiting) for t in self._open]
        return other

    def end_pass(self) -> None:
        """Close a pass: finish what has all it needs and open what follows."""
        while self._open:
            task = self._open[0]
            if task.fitter.end_pass():
                for follower in self._open[1:]:
                    follower.is_waiting = True
                return
            fitted = task.fitter.finish()
            self._append(fitted)
            del self._open[0]
            if self._open:
                self._open[0].is_waiting = False
                self._open[0].fitter.fill(fitted.fill_values())
        self._open_next()

    def fitted(self) -> FittedSteps:
        """Return the fitted steps."""
        return FittedSteps(self.first, tuple(self._fitted))

    def _append(self, fitted: FittedKind) -> None:
        self._fitted.append(fitted)
        self._fields = fitted.outputs()

    def _open_next(self) -> None:
        while self._waiting and not self._open:
            kind = self._waiting.pop(0)
            check_accepted(self._where, kind, self._fields)
            fitter = kind.fitter(self._fields)
            if fitter is None:
                self._append(kind.restore(self._fields, {}))
            else:
                self._begin(kind, fitter)
                self._open_sharing(kind)

    def _begin(self, kind: Kind, fitter: Fitter) -> None:
        fitter.expect(self._to_come.rows, self._to_come.room)
        self._open.append(_Open(kind, self._fields, fitter, len(self._fitted)))

    def _open_sharing(self, kind: Kind) -> None:
        """Let the kind after an imputer learn in the same pass, from the values the imputer sees."""
        if not kind.only_fills or not self._waiting:
            return
        following = self._waiting[0]
        check_accepted(self._where, following, self._fields)
        fitter = following.fitter(self._fields)
        alike = following.takes_numbers(self._fields) == kind.takes_numbers(self._fields)
        if fitter is not None and fitter.fills and alike:
            self._waiting.pop(0)
            self._begin(following, fitter)


class TransformFitter:
    """Fits all steps of a transform; mergeable, so that threads, processes or Spark can share the work.

    A pass is: `part()` on every worker, `update` with batches there, `merge` here, then `end_pass`,
    which says whether another pass over all the data is needed. Then `steps()`.
    """

    __slots__ = ("_outputs", "inputs", "passes", "sample")

    def __init__(
        self,
        outputs: Mapping[str, Sequence[Steps]],
        inputs: Sequence[InputSpec],
        golden_rows: int,
        to_come: ToCome,
    ) -> None:
        types = {spec.name: spec.type for spec in inputs}
        self.inputs = tuple(inputs)
        self._outputs = {
            name: [StepsFitter(f"output {name!r}", s, first_fields(s.columns, types), to_come) for s in steps]
            for name, steps in outputs.items()
        }
        self.passes = 0
        self.sample = RowSample(inputs, golden_rows)

    def update(self, columns: Mapping[str, Column]) -> None:
        """Learn from a batch."""
        if self.passes == 0:
            self.sample.update(columns)
        for fitter in self._all():
            if not fitter.is_done():
                fitter.update(tuple([columns[f.source] for f in fitter.first]))

    def columns(self) -> tuple[str, ...]:
        """Return the columns that this pass needs."""
        if self.passes == 0:
            return tuple(spec.name for spec in self.inputs)
        return tuple(dict.fromkeys(f.source for fitter in self._all() if not fitter.is_done() for f in fitter.first))

    def part(self) -> TransformFitter:
        """Return an empty fitter for the same pass, to be filled elsewhere and merged into this one."""
        other = object.__new__(TransformFitter)
        other.inputs, other.passes = self.inputs, self.passes
        other._outputs = {name: [f.part() for f in fitters] for name, fitters in self._outputs.items()}
        other.sample = self.sample.part()
        return other

    def merge(self, other: TransformFitter) -> None:
        """Add what a part learned in this pass."""
        self.sample.merge(other.sample)
        for mine, theirs in zip(self._all(), other._all(), strict=True):
            mine.merge(theirs)

    def end_pass(self) -> bool:
        """Close a pass; return whether another one over all the data is needed."""
        if self.sample.rows == 0:
            raise EmptyFitError("fit")
        self.passes += 1
        # Sorting for quantiles releases the interpreter, so steps close their pass side by side.
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(StepsFitter.end_pass, self._all()))
        return not all(fitter.is_done() for fitter in self._all())

    def steps(self) -> dict[str, tuple[FittedSteps, ...]]:
        """Return the fitted steps by output."""
        return {name: tuple(f.fitted() for f in fitters) for name, fitters in self._outputs.items()}

    def _all(self) -> list[StepsFitter]:
        return [fitter for fitters in self._outputs.values() for fitter in fitters]
