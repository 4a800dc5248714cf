"""A fitted transform: a frozen, pure function from named columns to named tensors."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from likewise.transforms.artifact import Content, digest_of, from_bytes, to_bytes
from likewise.transforms.bounds import Bounds, bounds_of
from likewise.transforms.columns import Column, InputSpec
from likewise.transforms.counters import Counters
from likewise.transforms.errors import ColumnMissingError, ColumnTypeError
from likewise.transforms.gathered_columns import GatheredColumns
from likewise.transforms.golden import GoldenRows
from likewise.transforms.inverse import inverted
from likewise.transforms.kind import Floats
from likewise.transforms.plan import Plan, Tensors, compile_plan
from likewise.transforms.row_gathering import RowGathering
from likewise.transforms.sources import batches_of, blocks
from likewise.transforms.steps import FittedSteps, OutputSpec

# Rows that are transformed at a time: a dozen columns of them stay in a core's cache.
_BLOCK = 16_384
_GROUP = 64


class FittedTransform:
    """What `Transform.fit` returns and artifacts hold; safe from many threads at once.

    `apply` (tables and frames), `apply_columns` and `apply_rows` run one compiled plan; a row gives
    the same bits alone and within any batch.
    """

    __slots__ = ("_blanks", "_content", "_gathering", "_number_specs", "_plan", "digest", "outputs")

    digest: str
    outputs: tuple[OutputSpec, ...]
    _blanks: tuple[tuple[str, tuple[int, ...], np.dtype[Any]], ...]
    _content: Content
    _plan: Plan
    _number_specs: tuple[InputSpec, ...]
    _gathering: RowGathering

    def __init__(self, content: Content) -> None:
        outputs = content.output_specs()
        plan = compile_plan(list(zip(outputs, content.outputs.values(), strict=True)), content.inputs)
        by_name = {spec.name: spec for spec in content.inputs}
        _set(self, "_blanks", tuple((spec.name, spec.shape, np.dtype(spec.dtype)) for spec in outputs))
        _set(self, "_content", content)
        _set(self, "_plan", plan)
        _set(self, "_number_specs", tuple(by_name[name] for name in plan.number_names))
        _set(self, "_gathering", RowGathering.of(plan, content.inputs))
        _set(self, "outputs", outputs)
        _set(self, "digest", digest_of(content))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a fitted transform is frozen; {name!r} cannot be set")

    def __reduce__(self) -> tuple[Callable[[bytes], FittedTransform], tuple[bytes]]:
        return (FittedTransform.from_bytes, (self.to_bytes(),))

    def __repr__(self) -> str:
        return f"FittedTransform({self.name!r}, {self.digest})"

    @property
    def name(self) -> str:
        """The transform's name."""
        return self._content.name

    @property
    def feature_service(self) -> str | None:
        """The feature service its columns come from."""
        return self._content.feature_service

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """The columns it reads."""
        return self._content.inputs

    @property
    def steps(self) -> Mapping[str, tuple[FittedSteps, ...]]:
        """The fitted steps of each output."""
        return self._content.outputs

    @property
    def golden(self) -> GoldenRows:
        """Raw rows with the tensors they must give."""
        return self._content.golden

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Where it came from: rows, data fingerprint, passes, library versions, and what the fitter noted."""
        return self._content.provenance

    @property
    def bounds(self) -> Bounds | None:
        """How far it may move from the version before it, where its declaration said so; see `difference`."""
        return bounds_of(self.provenance)

    def apply(self, data: Any, counters: Counters | None = None, *, threads: int | None = None) -> Tensors:
        """Return the tensors of a table, data frame, batches or columns.

        Parameters
        ----------
        data
            Whatever `Transform.fit` takes, or a mapping of names to `Column`.
        counters
            A tally to add missing, unseen and out-of-range values to.
        threads
            How many threads share the work on many rows; by default one a core, at most 4.

        Returns
        -------
        dict
            Per output (n, d) float32 or int32, or (n,) int32 for a single column of codes.
        """
        if isinstance(data, Mapping):
            return self.apply_columns(data, counters)
        names = [spec.name for spec in self.inputs]
        source = batches_of(data, names, again=False)
        for name in names:
            if name not in source.schema.names:
                raise ColumnMissingError(name, source.schema.names)
        pieces = blocks((batch.select(names) for batch in source.read(names)), _BLOCK)
        rows = source.rows
        if rows is None:
            held = list(pieces)
            rows, pieces = sum(piece.num_rows for piece in held), iter(held)
        return self._apply_pieces(pieces, rows, counters, threads)

    def apply_columns(self, columns: Mapping[str, Column], counters: Counters | None = None) -> Tensors:
        """Return the tensors of n rows given as columns; extra columns are ignored."""
        others = [_checked(columns, spec) for spec in self._plan.column_inputs]
        held = columns.numbers(self._number_specs) if isinstance(columns, GatheredColumns) else None
        if held is None or not len(held):
            numbers = [_checked(columns, spec).values for spec in self._number_specs]
            rows = len(numbers[0]) if numbers else len(others[0])
            held = np.array(numbers, dtype=np.float64).reshape(len(numbers), rows)
        # + 0.0 makes a copy, and -0.0 to 0.0.
        return self._run(held + 0.0, others, held.shape[1], counters)

    def apply_rows(self, rows: Sequence[Mapping[str, object]], counters: Counters | None = None) -> Tensors:
        """Return the tensors of Python rows; every input must be a key, None is missing."""
        gathered = self._gathering
        return self._run(gathered.matrix(rows), gathered.columns(rows), len(rows), counters)

    def inverse(self, tensors: Mapping[str, npt.ArrayLike]) -> pa.Table:
        """Return the columns that tensors of outputs came from, where every step of these outputs has an inverse.

        Parameters
        ----------
        tensors
            Some or all outputs, shaped as `apply` gives them: predicted codes of a label, say.

        Returns
        -------
        pyarrow.Table
            One column an input, in order of first use; nulls where no value is told (codes of missing and unseen).
            What an imputer filled comes back missing where it made an indicator, else as filled.

        Raises
        ------
        InverseUnavailableError
            Names the step that has none.
        """
        return inverted(self.outputs, self.steps, tensors)

    def _run(self, numbers: Floats, others: Sequence[Column], rows: int, counters: Counters | None) -> Tensors:
        tensors = self._empty(rows)
        if counters is not None:
            counters.rows += rows
        if rows:
            self._plan.run(numbers, others, tensors, counters)
        return tensors

    def _empty(self, rows: int) -> Tensors:
        return {name: np.empty((rows, *shape), dtype) for name, shape, dtype in self._blanks}

    def _apply_pieces(
        self, pieces: Iterator[pa.RecordBatch], rows: int, counters: Counters | None, threads: int | None
    ) -> Tensors:
        tensors = self._empty(rows)

        def run(piece: pa.RecordBatch, start: int) -> Counters | None:
            tally = None if counters is None else Counters()
            out = {name: tensor[start : start + piece.num_rows] for name, tensor in tensors.items()}
            self._plan.run(*self._gathering.from_arrow(piece), out, tally)
            return tally

        workers = min(threads or min(os.cpu_count() or 1, 4), -(-rows // _BLOCK))
        with ThreadPoolExecutor(max(workers, 1)) as pool:
            # In groups, so that of a dataset few pieces are held, and the first bad piece is the one that raises.
            start = 0
            while group := list(itertools.islice(pieces, _GROUP)):
                ends = list(itertools.accumulate((piece.num_rows for piece in group), initial=start))
                for tally in (pool.map if workers > 1 else map)(run, group, ends):
                    if counters is not None and tally is not None:
                        counters.merge(tally)
                start = ends[-1]
        if counters is not None:
            counters.rows += rows
        return tensors

    def check_golden(self) -> None:
        """Raise GoldenMismatchError unless the golden rows give the recorded bits, together and one by one."""
        columns = self.golden.columns
        self.golden.compare(self.apply_columns(columns))
        for row in range(len(next(iter(columns.values())))):
            one = {name: _slice(column, row) for name, column in columns.items()}
            self.golden.compare(self.apply_columns(one), row)

    def to_bytes(self) -> bytes:
        """Return the artifact."""
        return to_bytes(self._content)

    @classmethod
    def from_bytes(cls, data: bytes) -> FittedTransform:
        """Return the fitted transform of an artifact; nothing in it is executed."""
        return cls(from_bytes(data))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the artifact to a file, in one piece or not at all; return its path."""
        target = Path(path)
        draft = target.with_name(target.name + ".part")
        draft.write_bytes(self.to_bytes())
        draft.replace(target)
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> FittedTransform:
        """Return the fitted transform of an artifact file."""
        return cls.from_bytes(Path(path).read_bytes())


def _set(fitted: FittedTransform, name: str, value: object) -> None:
    object.__setattr__(fitted, name, value)


def _checked(columns: Mapping[str, Column], spec: InputSpec) -> Column:
    column: Any = columns.get(spec.name)
    if column is None:
        raise ColumnMissingError(spec.name, list(columns))
    if not isinstance(column, Column):
        wanted = f"a Column of {spec.type.value} (tables and frames go as they are, Python values through apply_rows)"
        raise ColumnTypeError(spec.name, wanted, type(column).__name__)
    if column.type is not spec.type:
        raise ColumnTypeError(spec.name, spec.type.value, column.type.value)
    checked: Column = column
    return checked


def _slice(column: Column, row: int) -> Column:
    def cut(values: Any) -> npt.NDArray[Any]:
        piece: npt.NDArray[Any] = values[row : row + 1]
        return piece

    missing = None if column.missing is None else cut(column.missing)
    integers = None if column.integers is None else cut(column.integers)
    return Column(column.type, cut(column.values), missing, integers)
