"""Declaring the preprocessing of a model, and fitting it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from types import MappingProxyType
from typing import Any, Literal, Protocol, TypeAlias

import pyarrow as pa

from likewise.transforms.assembly import Made, assembled
from likewise.transforms.bounds import Bounds
from likewise.transforms.columns import InputSpec, columns_from_arrow, schema_of
from likewise.transforms.declaration_checks import (
    Keep,
    logical_types,
    new_names,
    require_json,
    require_kept,
    require_outputs,
)
from likewise.transforms.errors import ColumnMissingError, ColumnTypeError, OutputMissingError, SettingError
from likewise.transforms.fitted_transform import FittedTransform
from likewise.transforms.fitting import ToCome, TransformFitter
from likewise.transforms.golden import DATA_ROWS
from likewise.transforms.kept import Kept
from likewise.transforms.logical_types import READABLE, LogicalType, is_text_type
from likewise.transforms.scikit_learn import adopted
from likewise.transforms.sources import Batches, batches_of, blocks
from likewise.transforms.steps import FittedSteps, Steps

Progress: TypeAlias = Callable[[int, int | None], None]
_FIT_THREADS = 2


class Versions(Protocol):
    """Where published transforms are loaded from."""

    def load(self, reference: str) -> FittedTransform:
        """Return the fitted transform of a reference."""


class Transform:
    """The declared preprocessing of a model: ordered, named outputs, each made by steps over columns.

    Parameters
    ----------
    name
        Its name in the registry.
    outputs
        Output name -> steps whose results stand side by side in it.
    feature_service
        The Feast feature service its columns come from.
    types
        Logical types of columns whose data does not tell (all null); the others follow from the data.
    target, folds
        Reserved for kinds that learn from the label.
    golden
        "rows" keeps some rows of the data in the artifact as a proof at load, "synthetic" made-up
        rows only, where raw rows must not leave the data.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from likewise.transforms import kinds as K
    >>> delay = Transform(name="delay", outputs={"dense": [Steps(["x"], [K.StandardScaler()])]})
    >>> fitted = delay.fit(pa.table({"x": [1.0, 3.0]}))
    >>> fitted.apply_rows([{"x": 5.0}])["dense"].tolist()
    [[3.0]]
    """

    __slots__ = ("_origin", "bounds", "feature_service", "folds", "golden", "name", "outputs", "target", "types")

    def __init__(
        self,
        name: str,
        outputs: Mapping[str, Sequence[Steps]],
        *,
        feature_service: str | None = None,
        types: Mapping[str, LogicalType | str] | None = None,
        target: str | None = None,
        folds: str | None = None,
        golden: Literal["rows", "synthetic"] = "rows",
    ) -> None:
        require_outputs(name, outputs)
        if golden not in ("rows", "synthetic"):
            raise SettingError(f"Transform {name!r}", "golden", "'rows' or 'synthetic'", golden)
        self.name = name
        self.outputs = MappingProxyType({output: tuple(steps) for output, steps in outputs.items()})
        self.feature_service = feature_service
        self.types = MappingProxyType(logical_types(name, types or {}, self.columns))
        self.target, self.folds = target, folds
        self.golden = golden
        self.bounds: Bounds | None = None
        self._origin: str | None = None

    def __repr__(self) -> str:
        return f"Transform({self.name!r}, outputs={list(self.outputs)})"

    @classmethod
    def from_sklearn(
        cls, name: str, fitted: Any, sample: Any, *, feature_service: str | None = None
    ) -> FittedTransform:
        """Return a fitted scikit-learn ColumnTransformer as a fitted transform, proved on a sample of rows."""
        return adopted(name, fitted, sample, feature_service=feature_service)

    @classmethod
    def from_version(cls, reference: str, registry: Versions, *, keep: Collection[Keep] = ()) -> Transform:
        """Return the declaration behind a published transform, to change and fit anew.

        Parameters
        ----------
        reference
            "transform:NAME:3" or "transform:sha256:...".
        registry
            Whatever has `load(reference)`: a `likewise.transforms.registry.Registry`.
        keep
            As in `from_fitted`.
        """
        return cls.from_fitted(registry.load(reference), keep=keep)

    @classmethod
    def from_fitted(cls, fitted: FittedTransform, *, keep: Collection[Keep] = ()) -> Transform:
        """Return the declaration behind a fitted transform, to change and fit anew.

        Parameters
        ----------
        keep
            What stays as fitted while the others learn again: names of outputs, or ("dense", 0) for the first
            steps of an output.
        """
        require_kept(fitted, keep)
        outputs = {
            name: [_declared(part, kept=name in keep or (name, at) in keep) for at, part in enumerate(parts)]
            for name, parts in fitted.steps.items()
        }
        declared = cls(
            fitted.name,
            outputs,
            feature_service=fitted.feature_service,
            types={spec.name: spec.type for spec in fitted.inputs},
            golden="synthetic" if fitted.provenance.get("golden") == "synthetic" else "rows",
        )
        declared.bounds, declared._origin = fitted.bounds, fitted.digest
        return declared

    def replace(
        self,
        *,
        name: str | None = None,
        outputs: Mapping[str, Sequence[Steps] | None] | None = None,
        rename: Mapping[str, str] | None = None,
    ) -> Transform:
        """Return this transform with some things changed.

        Parameters
        ----------
        outputs
            Outputs to add or put in place of those of the same name; None drops one.
        rename
            Old -> new names of input columns; applied after `outputs`.
        """
        changed = {**self.outputs, **(outputs or {})}
        for output, steps in (outputs or {}).items():
            if steps is None and output not in self.outputs:
                raise OutputMissingError(output, list(self.outputs))
        kept = {output: steps for output, steps in changed.items() if steps is not None}
        read = list(dict.fromkeys(c for steps in kept.values() for s in steps for c in s.columns))
        names = new_names(rename or {}, read)
        renamed = {
            output: [Steps([names.get(c, c) for c in s.columns], s.kinds) for s in steps]
            for output, steps in kept.items()
        }
        made = Transform(
            name or self.name,
            renamed,
            feature_service=self.feature_service,
            types={names.get(c, c): logical for c, logical in self.types.items() if c in read},
            target=self.target,
            folds=self.folds,
            golden=self.golden,
        )
        made.bounds, made._origin = self.bounds, self._origin
        return made

    def bounded(self, bounds: Bounds) -> Transform:
        """Return this transform with bounds on how far outputs may move from one fit to the next.

        They are noted beside the digest; beyond them `likewise diff` calls a new version breaking.
        """
        if not isinstance(bounds, Bounds):
            raise SettingError(f"Transform {self.name!r}", "bounds", "Bounds(psi=..., ...)", bounds)
        made = self.replace()
        made.bounds = bounds
        return made

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads, in order of first use."""
        every = [c for steps in self.outputs.values() for s in steps for c in s.columns]
        return tuple(dict.fromkeys(every))

    def inputs(self, schema: pa.Schema) -> tuple[InputSpec, ...]:
        """Return the input specs over data of an Arrow schema."""
        return tuple(InputSpec(name, self._type_of(name, schema)) for name in self.columns)

    def _type_of(self, name: str, schema: pa.Schema) -> LogicalType:
        if name not in schema.names:
            raise ColumnMissingError(name, schema.names)
        if schema.names.count(name) > 1:
            raise ColumnTypeError(name, "one column of that name", f"{schema.names.count(name)} of them")
        if name in self.types:
            return self.types[name]
        try:
            return LogicalType.from_arrow(schema.field(name).type)
        except TypeError as error:
            told = "a type that tells what it holds, or Transform(types={...}) that says so"
            expected = told if pa.types.is_null(schema.field(name).type) else READABLE
            raise ColumnTypeError(name, expected, f"Arrow type {error}") from None

    def fitter(
        self, inputs: Sequence[InputSpec], rows: int | None = None, *, is_streamed: bool = False
    ) -> TransformFitter:
        """Return a mergeable fitter, to spread a fit over processes or machines; see `finish`.

        `rows` says how many rows are to come, if known, `is_streamed` that they are not in memory anyway;
        speed and memory depend on it, results do not.
        """
        to_come = ToCome.streamed(rows, inputs) if is_streamed else ToCome(rows)
        return TransformFitter(self.outputs, inputs, DATA_ROWS if self.golden == "rows" else 0, to_come)

    def fit(
        self,
        data: Any,
        *,
        progress: Progress | None = None,
        provenance: Mapping[str, Any] | None = None,
        threads: int = _FIT_THREADS,
    ) -> FittedTransform:
        """Return the transform fitted on all rows of `data`; the same rows give the same digest.

        Parameters
        ----------
        data
            A pyarrow Table, dataset, RecordBatchReader, an iterable of batches, or a pandas or polars
            frame. What can be read only once is spilled to a temporary file for further passes.
        progress
            Called with (rows read so far, rows of the passes begun or None when not known). How many passes
            it takes shows as it runs; `provenance["passes"]` says it in the end.
        provenance
            Plain JSON to record beside what the fit notes itself.
        threads
            How many threads share the work.
        """
        require_json(provenance)
        source = batches_of(data, self.columns)
        fitter = self.fitter(self.inputs(source.schema), source.rows, is_streamed=source.is_streamed)
        read = _Reading(source, progress)
        with closing(source):
            _one_pass(fitter, read.batches(fitter.columns()), threads)
            while fitter.end_pass():
                _one_pass(fitter, read.batches(fitter.columns()), threads)
        return self.finish(fitter, provenance)

    def _noted(self) -> dict[str, Any]:
        """Return what a fit notes of its declaration beside the digest, where there is something to note."""
        noted: dict[str, Any] = {}
        if self.bounds is not None:
            noted["bounds"] = self.bounds.noted()
        if self.golden == "synthetic":
            noted["golden"] = self.golden
        if self._origin is not None:
            noted["derived_from"] = self._origin
        return noted

    def finish(self, fitter: TransformFitter, provenance: Mapping[str, Any] | None = None) -> FittedTransform:
        """Return the fitted transform of a fitter whose last pass is closed."""
        noted = {
            "rows": fitter.sample.rows,
            "data_fingerprint": f"rows64:{fitter.sample.fingerprint:016x}",
            "passes": fitter.passes,
            **self._noted(),
            **(provenance or {}),
        }
        made = Made(self.name, self.feature_service, fitter.inputs, fitter.steps())
        return assembled(made, fitter.sample.chosen(), noted)


def _declared(steps: FittedSteps, *, kept: bool) -> Steps:
    kinds = [Kept(kind) if kept else kind.kind for kind in steps.kinds]
    return Steps([f.source for f in steps.fields], kinds)


class _Reading:
    """Reads the source once a pass and reports progress."""

    def __init__(self, source: Batches, progress: Progress | None) -> None:
        self._source, self._progress = source, progress
        self._done, self._passes = 0, 0

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        self._passes += 1
        total = None if self._source.rows is None else self._source.rows * self._passes
        for batch in blocks(self._source.read(columns)):
            yield batch
            self._done += batch.num_rows
            if self._progress is not None:
                self._progress(self._done, total)


def _one_pass(fitter: TransformFitter, batches: Iterator[pa.RecordBatch], threads: int) -> None:
    """Feed a pass to parts on threads and merge them; exact statistics make the split invisible."""
    needed = set(fitter.columns())
    schema = schema_of(spec for spec in fitter.inputs if spec.name in needed)
    lock = threading.Lock()

    def work(part: TransformFitter) -> None:
        while True:
            with lock:
                batch = next(batches, None)
            if batch is None:
                return
            part.update(columns_from_arrow(_with_texts_encoded(batch), schema))

    if threads <= 1:
        work(fitter)
        return
    parts = [fitter.part() for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, parts))
    for part in parts:
        fitter.merge(part)


def _with_texts_encoded(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Encode text as dictionary once, for the sample of rows and every fitter alike."""
    arrays = [a.dictionary_encode() if is_text_type(a.type) else a for a in batch.columns]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)
