"""All-missing, empty, one-row and constant inputs: what docs/kinds/degenerate-inputs.md says, cell by cell."""

import ast
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from likewise.transforms import Counters, FittedTransform, LogicalType, Steps, Transform, errors
from likewise.transforms import kinds as K  # noqa: N812
from likewise.transforms.columns import column_from_objects
from likewise.transforms.kind import Kind

PAGE = Path(__file__).parents[2] / "docs" / "kinds" / "degenerate-inputs.md"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the page's table."""

    kinds: tuple[Kind, ...]
    values: tuple[Any, ...]
    after_missing: str
    after_one: str
    after_constant: str
    missing: str

    @property
    def types(self) -> list[LogicalType]:
        """Logical types of the columns."""
        return [logical_of(value) for value in self.values]

    def table(self, rows: Sequence[Sequence[Any]]) -> pa.Table:
        """Return rows as a table."""
        columns = enumerate(self.types)
        return pa.table({f"c{i}": column_from_objects("c", [r[i] for r in rows], t).arrow() for i, t in columns})

    def transform(self) -> Transform:
        """Return the transform of just these kinds."""
        names = [f"c{at}" for at in range(len(self.values))]
        types = dict(zip(names, self.types, strict=True))
        return Transform("t", {"o": [Steps(names, self.kinds)]}, types=types)

    def fit(self, *rows: Sequence[Any]) -> FittedTransform:
        """Return it fitted on rows."""
        return self.transform().fit(self.table(rows))

    @property
    def absent(self) -> list[None]:
        """A row of missing values."""
        return [None] * len(self.values)


def logical_of(value: Any) -> LogicalType:
    if isinstance(value, list):
        return LogicalType(f"list<{logical_of(value[0])}>")
    return {int: LogicalType.TIME, str: LogicalType.TEXT, float: LogicalType.NUMBER}[type(value)]


def rows_of_page() -> list[Row]:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    return [row_of(*(cell.strip() for cell in line.strip("|").split("|"))) for line in lines]


def row_of(kinds: str, value: str, *cells: str) -> Row:
    made = tuple(eval("K." + text.strip("` "), {"K": K}) for text in kinds.split(" + "))
    values = ast.literal_eval(value.strip("`"))
    return Row(made, values if isinstance(values, tuple) else (values,), *cells)


TABLE = rows_of_page()


def test_every_kind_is_in_the_table() -> None:
    """The table has a row for every kind we ship."""
    assert {row.kinds[0].id for row in TABLE} == set(K.KINDS)


def check(fitted: FittedTransform, row: Row, values: Sequence[Any], cell: str) -> None:
    """Compare what values become with a cell: numbers, or the name of an error."""
    if cell.endswith("Error"):
        with pytest.raises(getattr(errors, cell), match="'c0'"):
            fitted.apply(row.table([values]))
        return
    expected = np.atleast_1d(np.array(ast.literal_eval(cell.replace("NaN", "None")), dtype=np.float64))
    got = np.atleast_1d(fitted.apply(row.table([values]))["o"][0]).astype(np.float64)
    np.testing.assert_allclose(got, expected, atol=5e-5)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.kinds[0]!r}-{row.values}")
def test_page_holds(row: Row) -> None:
    """Fits on missing values, one row and a constant column give what the page says, without a warning."""
    given = [
        ([row.absent] * 3, row.after_missing),
        ([row.values], row.after_one),
        ([row.values] * 5, row.after_constant),
    ]
    for rows, cell in given:
        if cell.endswith("Error"):
            with pytest.raises(getattr(errors, cell), match=r"'c[01]'"):
                row.fit(*rows)
            continue
        value, _, missing = cell.partition("; ")
        fitted = row.fit(*rows)
        check(fitted, row, row.values, value)
        check(fitted, row, row.absent, missing or row.missing)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.kinds[0]!r}-{row.values}")
def test_empty_input_is_an_error_to_fit_and_nothing_to_apply(row: Row) -> None:
    """No rows cannot be fitted; applied, they give tensors of no rows."""
    with pytest.raises(errors.EmptyFitError, match="no rows"):
        row.fit()
    if not row.after_one.endswith("Error"):
        fitted = row.fit(row.values)
        assert all(len(tensor) == 0 for tensor in fitted.apply(row.table([])).values())
        assert all(len(tensor) == 0 for tensor in fitted.apply_rows([]).values())


HUGE = [1.7e308, -1.7e308]
OVERFLOWS = [HUGE * 2, HUGE * 4]


@pytest.mark.parametrize(
    "kind",
    [
        K.StandardScaler(),
        K.MinMaxScaler(),
        K.MaxAbsScaler(),
        K.RobustScaler(),
        K.QuantileTransformer(),
        K.KBinsDiscretizer(),
        K.KBinsDiscretizer(strategy="uniform"),
        K.Winsorizer(),
        K.SimpleImputer("mean"),
        K.SimpleImputer("median"),
        K.GroupScaler(),
    ],
    ids=repr,
)
@pytest.mark.parametrize("values", [*OVERFLOWS, [1e300, 1e-300, -1e300], [5e-324, 0.0]], ids=str)
def test_state_is_finite_or_an_error_at_the_ends_of_float64(kind: Kind, values: list[float]) -> None:
    """Statistics of the largest and smallest numbers are finite, or an error names the column."""
    columns = ["x", "x"] if isinstance(kind, K.GroupScaler) else ["x"]
    transform = Transform("t", {"o": [Steps(columns, [kind])]})
    if values in OVERFLOWS and isinstance(kind, (K.MinMaxScaler, K.RobustScaler, K.QuantileTransformer)):
        with pytest.raises(errors.StatisticOverflowError, match="column 'x': its range"):
            transform.fit(pa.table({"x": values}))
        return
    for array in transform.fit(pa.table({"x": values})).steps["o"][0].kinds[0].arrays().values():
        assert np.isfinite(array.astype(np.float64)).all()


def fitted_on_small_numbers(*kinds: Kind) -> FittedTransform:
    return Transform("t", {"o": [Steps(["x"], kinds)]}).fit(pa.table({"x": [1.0, 2.0, 3.0]}))


@pytest.mark.parametrize(
    ("kinds", "value", "count"),
    [
        ((), 1e39, 1),
        ((K.SimpleImputer("mean"),), -1e300, 1),
        ((K.StandardScaler(),), 1.7e308, 1),
        ((K.PolynomialFeatures(2),), 1e30, 1),
        ((K.StandardScaler(),), math.inf, 1),
        ((K.Clip(-1, 2),), 1e300, 1),
        ((K.LogTransformer("signed_log1p"),), 1.7e308, 0),
        ((), 3.4028234e38, 0),
    ],
)
def test_no_infinity_is_silent(kinds: tuple[Kind, ...], value: float, count: int) -> None:
    """What leaves float32 is counted once under its column: in a row, in a table, beside other rows, on threads."""
    fitted = fitted_on_small_numbers(*kinds)
    table = pa.table({"x": [1.0, value, 2.0]})
    for apply, rows in (
        (lambda c: fitted.apply_rows([{"x": value}], c), 1),
        (lambda c: fitted.apply(table, c), 3),
        (lambda c: fitted.apply(pa.concat_tables([table, pa.table({"x": np.ones(40_000)})]), c, threads=2), 40_003),
    ):
        counters = Counters()
        apply(counters)
        assert (counters.rows, counters["x", "out_of_range"]) == (rows, count)


def test_infinite_and_overflowing_elements_of_lists_are_counted() -> None:
    """Lists with an infinity or a number beyond float32 are counted, alone as beside other rows."""
    steps = [Steps(["x"], [K.SequencePadder(2)])]
    fitted = Transform("t", {"o": steps}).fit(pa.table({"x": [[1.0], [2.0, 3.0]]}))
    for rows in ([[math.inf]], [[1e39]], [[1.0], [math.inf], [2.0]]):
        counters = Counters()
        tensor = fitted.apply(pa.table({"x": rows}), counters)["o"]
        assert np.isinf(tensor).sum() == 1
        assert counters["x", "out_of_range"] == 1


def test_columns_of_merged_chains_are_counted_apart() -> None:
    """Of two columns that run as one array operation, an infinity in one hides no overflow in the other."""
    fitted = Transform("t", {"o": [Steps(["x"]), Steps(["y"])]}).fit(pa.table({"x": [1.0], "y": [1.0]}))
    counters = Counters()
    fitted.apply(pa.table({"x": [math.inf, 1.0], "y": [1e300, 1.0]}), counters)
    assert dict(counters) == {("x", "out_of_range"): 1, ("y", "out_of_range"): 1}
