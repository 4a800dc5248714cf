# ruff: noqa: D401  (the first line of a check is the promise it holds, in its own words)
"""The promises of a kind as checks that run over any kind, ours or another package's.

A package with kinds of its own writes one case a kind and runs `check_kind` over them:

>>> from likewise.transforms.kinds import StandardScaler
>>> check_kind(KindCase(StandardScaler(), (LogicalType.NUMBER, LogicalType.NUMBER)))
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from likewise.transforms.artifact import kind_from_json
from likewise.transforms.columns import Column, column_from_objects, column_from_values
from likewise.transforms.counters import Counters
from likewise.transforms.errors import LikewiseError
from likewise.transforms.fitted_transform import FittedTransform
from likewise.transforms.kind import Field, FittedKind, Kind, Values
from likewise.transforms.logical_types import LogicalType
from likewise.transforms.steps import Steps
from likewise.transforms.transform import Transform

Tensors = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class KindCase:
    """A kind with the settings and columns to check it on.

    Parameters
    ----------
    kind
        The kind.
    types
        Logical types of its input columns.
    then
        Kinds that follow, where its own result is no tensor yet (text).
    inverse_within
        How far apply and inverse may miss the value, relative to its size; None when not offered.
    values
        Sample values per type to draw from instead of ours.
    missing
        Share of sample values that are missing; 0 for kinds that refuse them in the fit.
    """

    kind: Kind
    types: tuple[LogicalType, ...]
    then: tuple[Kind, ...] = ()
    inverse_within: float | None = None
    values: Mapping[LogicalType, Sequence[Any]] | None = None
    missing: float = 0.1

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return [f"c{at}" for at in range(len(self.types))]

    def table(self, rows: int, seed: int = 0) -> pa.Table:
        """Return sample rows: repeats, missing values and (in categories) rarities among them."""
        rng = np.random.default_rng(seed)
        arrays = {}
        for name, logical in zip(self.names, self.types, strict=True):
            chosen = (self.values or {}).get(logical)
            values = (
                list(rng.choice(np.array([*chosen, None], dtype=object), rows))
                if chosen
                else draw(logical, rows, rng, self.missing)
            )
            arrays[name] = column_from_objects(name, values, logical).arrow()
        return pa.table(arrays)

    def transform(self) -> Transform:
        """Return the transform of just this kind."""
        return Transform("case", {"out": [Steps(self.names, [self.kind, *self.then])]})

    def fitted(self, rows: int = 400) -> FittedTransform:
        """Return it fitted on sample rows."""
        return self.transform().fit(self.table(rows), threads=1)


def draw(logical: LogicalType, rows: int, rng: np.random.Generator, missing: float = 0.1) -> list[Any]:
    """Return sample values of a type, some of them missing."""
    if logical.is_list:
        lengths = rng.integers(0, 5, rows).tolist()
        values: list[Any] = [[v for v in draw(logical.element, n, rng) if v is not None] for n in lengths]
    elif logical is LogicalType.NUMBER:
        spread = np.where(rng.random(rows) < 0.5, rng.normal(size=rows) * 100, rng.integers(-5, 9, rows))
        values = spread.tolist()
    elif logical is LogicalType.BOOLEAN:
        values = rng.integers(0, 2, rows).astype(float).tolist()
    elif logical is LogicalType.TIME:
        values = (rng.integers(-(10**15), 4 * 10**15, rows)).tolist()
    else:
        words = ["red car", "Blue bus", "red", "", "Ünïcode straße", "a a b", "tail-number 7"]
        values = [words[at] for at in np.minimum(rng.geometric(0.35, rows) - 1, len(words) - 1)]
        if logical is LogicalType.BYTES:
            values = [v.encode() for v in values]
    return [None if absent else value for value, absent in zip(values, rng.random(rows) < missing, strict=True)]


def fit_values(kind: Kind, logical: LogicalType, values: Sequence[object]) -> FittedKind:
    """Return a kind fitted on one column `x` of Python values."""
    fields = (Field("x", logical, "x"),)
    fitter = kind.fitter(fields)
    if fitter is None:
        return kind.restore(fields, {})
    column = column_from_values("x", values, logical)
    while True:
        fitter.update(np.array([column.values]) if kind.takes_numbers(fields) else (column,))
        if not fitter.end_pass():
            return fitter.finish()


def fit_numbers(kind: Kind, values: Sequence[object]) -> FittedKind:
    """Return a kind fitted on one number column `x`."""
    return fit_values(kind, LogicalType.NUMBER, values)


def assert_same_bits(expected: Tensors, got: Tensors, why: str) -> None:
    """Raise AssertionError unless tensors have the same names, shapes, dtypes and bits (any NaN is NaN)."""
    assert list(expected) == list(got), why
    for name, tensor in expected.items():
        other = got[name]
        assert (tensor.dtype, tensor.shape) == (other.dtype, other.shape), f"{why}: {name!r}"
        same = (tensor == other) & (np.signbit(tensor) == np.signbit(other)) | ((tensor != tensor) & (other != other))
        assert bool(same.all()), f"{why}: {name!r} differs in {int((~same).sum())} values"


def check_rows_equal_batch(case: KindCase) -> None:
    """A row gives the same bits alone, in batches of any size, as rows, columns or a table."""
    fitted, table = case.fitted(), case.table(200, seed=1)
    whole = fitted.apply(table)
    rows = table.to_pylist()
    assert_same_bits(whole, fitted.apply_rows(rows), "all rows as Python values")
    for size in (1, 2, 7, 64):
        parts = [fitted.apply_rows(rows[at : at + size]) for at in range(0, len(rows), size)]
        joined = {name: np.concatenate([p[name] for p in parts]) for name in whole}
        assert_same_bits(whole, joined, f"batches of {size}")


def check_row_order_does_not_matter(case: KindCase) -> None:
    """Permuting rows permutes the output."""
    fitted, table = case.fitted(), case.table(300, seed=2)
    order = np.random.default_rng(3).permutation(300)
    whole = fitted.apply(table)
    assert_same_bits({n: t[order] for n, t in whole.items()}, fitted.apply(table.take(order)), "permuted rows")


def check_apply_leaves_input_alone(case: KindCase) -> None:
    """Applying twice gives the same bits, writes to no input, and shares no memory with it."""
    fitted = case.fitted()
    columns = {name: _column(case, name, 50) for name in case.names}
    before = [repr(c.objects()) for c in columns.values()]
    first = fitted.apply_columns(columns)
    assert_same_bits(first, fitted.apply_columns(columns), "the second apply")
    assert [repr(c.objects()) for c in columns.values()] == before, "the input changed"
    for tensor in first.values():
        for column in columns.values():
            shares = isinstance(column.values, np.ndarray) and np.shares_memory(tensor, column.values)
            assert not shares, "the output shares memory with the input"


def _column(case: KindCase, name: str, rows: int) -> Column:
    logical = case.types[case.names.index(name)]
    return column_from_objects(name, draw(logical, rows, np.random.default_rng(9), case.missing), logical)


def check_layout_does_not_matter(case: KindCase) -> None:
    """Strided and read-only columns give the same bits as contiguous ones."""
    fitted, table = case.fitted(), case.table(120, seed=4)
    whole = {n: t[::2] for n, t in fitted.apply(table).items()}
    assert_same_bits(whole, fitted.apply(table.take(np.arange(0, 120, 2))), "every second row")
    sliced = {name: _every_second(fitted, table, name) for name in case.names}
    assert_same_bits(whole, fitted.apply_columns(sliced), "strided columns")


def _every_second(fitted: FittedTransform, table: pa.Table, name: str) -> Column:
    logical = next(spec.type for spec in fitted.inputs if spec.name == name)
    column = _of(table, name, logical)
    strided = column.values[::2]
    strided.flags.writeable = False
    missing = None if column.missing is None else column.missing[::2]
    return Column(logical, strided, missing, None if column.integers is None else column.integers[::2])


def check_fit_ignores_order_and_partition(case: KindCase) -> None:
    """The same rows give the same digest: shuffled, in batches of 1, 7 and 100, on threads."""
    table, transform = case.table(300), case.transform()
    digest = transform.fit(table, threads=1).digest
    shuffled = table.take(np.random.default_rng(5).permutation(300))
    for size in (1, 7, 100):
        batches = iter(shuffled.to_batches(max_chunksize=size))
        assert transform.fit(batches, threads=2).digest == digest, f"batches of {size}"


def check_parts_merge_exactly(case: KindCase) -> None:
    """Fitters filled apart, one of them with nothing, merge to the state of one fitter."""
    table, transform = case.table(300), case.transform()
    fitter = transform.fitter(transform.inputs(table.schema))
    again = True
    while again:
        parts = [fitter.part() for _ in range(3)]
        for part, start, stop in ((parts[0], 200, 300), (parts[2], 0, 200)):
            rows = table.slice(start, stop - start)
            part.update({n: _of(rows, n, t) for n, t in zip(case.names, case.types, strict=True)})
        for part in parts:
            fitter.merge(part)
        again = fitter.end_pass()
    assert transform.finish(fitter).digest == transform.fit(table).digest


def _of(table: pa.Table, name: str, logical: LogicalType) -> Column:
    return column_from_values(name, table.column(name).to_pylist(), logical)


def check_state_is_plain(case: KindCase) -> None:
    """Settings survive JSON; arrays are read-only and of a plain dtype."""
    kind = case.kind
    assert kind_from_json(kind.id, json.loads(json.dumps(kind.settings()))) == kind
    for name, array in _fitted_kind(case).arrays().items():
        assert array.dtype.str[1:] in {"b1", "u1", "i4", "i8", "f4", "f8"}, f"array {name!r} is {array.dtype}"


def _fitted_kind(case: KindCase) -> FittedKind:
    return case.fitted().steps["out"][0].kinds[0]


def check_round_trip_is_exact(case: KindCase) -> None:
    """An artifact loads to the same digest, the same bytes and the same outputs, golden rows included."""
    fitted, table = case.fitted(), case.table(100, seed=6)
    loaded = FittedTransform.from_bytes(fitted.to_bytes())
    assert loaded.digest == fitted.digest
    assert loaded.to_bytes() == fitted.to_bytes()
    assert_same_bits(fitted.apply(table), loaded.apply(table), "the loaded transform")
    loaded.check_golden()


def check_fitted_is_frozen(case: KindCase) -> None:
    """Neither settings nor fitted state can be assigned."""
    for target in (case.kind, _fitted_kind(case)):
        try:
            setattr(target, "kind" if target is not case.kind else "id", None)
        except (AttributeError, TypeError):
            continue
        raise AssertionError(f"{target!r} let itself be changed")


def check_output_matches_declaration(case: KindCase) -> None:
    """Shapes, dtypes and codes are as the output specs say, for no row, one row and many."""
    fitted = case.fitted()
    for rows in (0, 1, 150):
        for spec in fitted.outputs:
            tensor = fitted.apply(case.table(rows, seed=7))[spec.name]
            assert tensor.shape == (rows, *spec.shape)
            assert tensor.dtype == np.dtype(spec.dtype)
            if spec.cardinality is not None and rows > 0:
                assert tensor.min() >= 0
                assert tensor.max() < spec.cardinality


def check_missing_is_counted(case: KindCase) -> None:
    """Rows without any value give a result or our error, and are counted the same as rows and as table."""
    fitted = case.fitted()
    rows = [dict.fromkeys(case.names)] * 3
    counters = Counters()
    try:
        fitted.apply_rows(rows, counters)
    except LikewiseError:
        return
    assert all(counters[name, "missing"] == 3 for name in case.names)
    table, by_row = case.table(200, seed=8), Counters()
    by_table = Counters()
    fitted.apply(table, by_table)
    fitted.apply_rows(table.to_pylist(), by_row)
    assert dict(by_table) == dict(by_row)


def check_infinities_are_counted(case: KindCase) -> None:
    """A finite number whose result is infinite is counted as out of range, alone as within a batch."""
    numbers = [name for name, logical in zip(case.names, case.types, strict=True) if logical is LogicalType.NUMBER]
    fitted, usual = case.fitted(), case.table(6, seed=10).to_pylist()
    rows = [{**row, **dict.fromkeys(numbers, value)} for row, value in zip(usual, _HUGE, strict=True)]
    together, apart = Counters(), Counters()
    try:
        tensors = fitted.apply_rows(rows, together)
        for row in rows:
            alone = Counters()
            infinite = any(bool(np.isinf(t).any()) for t in fitted.apply_rows([row], alone).values())
            assert not infinite or any(event == "out_of_range" for (_, event), _ in alone), f"{row} is silent"
            apart.merge(alone)
    except LikewiseError:
        return
    assert dict(together) == dict(apart)
    assert_same_bits(tensors, fitted.apply_rows(rows), "without counters")


_HUGE = (1.7e308, -1.7e308, 1e300, -1e39, 3.5e38, 1.0)


def check_inverse_undoes(case: KindCase) -> None:
    """Where an inverse is offered, it returns the value, within the stated bound."""
    if case.inverse_within is None:
        return
    fitted = _fitted_kind(case)
    values: Values = np.array([_column(case, n, 200).values for n in case.names], dtype=np.float64)
    low = np.array([np.nanquantile(row, 0.1) for row in values])[:, None]
    values = np.maximum(values, low)
    back = fitted.inverse(fitted.apply(values, None))
    kept = ~np.isnan(values) & ~np.isnan(back)
    error = np.abs(back - values)[kept] / np.maximum(np.abs(values[kept]), 1.0)
    assert error.size == 0 or float(error.max()) <= case.inverse_within


def check_repr_is_one_line(case: KindCase) -> None:
    """The repr of a kind shows its name and settings in one line."""
    text = repr(case.kind)
    assert text.startswith(type(case.kind).__name__ + "(")
    assert "\n" not in text


def check_docstring_is_complete(case: KindCase) -> None:
    """The docstring says what happens to missing values, in an empty fit, and lists its settings."""
    text = (type(case.kind).__doc__ or "").lower()
    for word in ("missing", "parameters", "examples"):
        assert word in text, f"the docstring of {case.kind.id} says nothing of {word!r}"


CHECKS: tuple[Callable[[KindCase], None], ...] = (
    check_rows_equal_batch,
    check_row_order_does_not_matter,
    check_apply_leaves_input_alone,
    check_layout_does_not_matter,
    check_fit_ignores_order_and_partition,
    check_parts_merge_exactly,
    check_state_is_plain,
    check_round_trip_is_exact,
    check_fitted_is_frozen,
    check_output_matches_declaration,
    check_missing_is_counted,
    check_infinities_are_counted,
    check_inverse_undoes,
    check_repr_is_one_line,
    check_docstring_is_complete,
)


def check_kind(case: KindCase) -> None:
    """Run every check over a case; raises AssertionError with the promise that is broken."""
    for check in CHECKS:
        try:
            check(case)
        except AssertionError as error:
            raise AssertionError(f"{case.kind!r} breaks: {check.__doc__} ({error})") from error
