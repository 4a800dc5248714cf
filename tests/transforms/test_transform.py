"""Fitting and applying: one function, reproducible fits, few passes, errors that name the column."""

import pickle
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest

from likewise.transforms import (
    Counters,
    FittedTransform,
    LikewiseError,
    LogicalType,
    Steps,
    Transform,
    errors,
    number_fitter,
)
from likewise.transforms import kinds as K  # noqa: N812
from likewise.transforms.columns import columns_from_arrow, schema_of
from likewise.transforms.testing import assert_same_bits

ROWS = 2000


def table(rows: int = ROWS) -> pa.Table:
    rng = np.random.default_rng(0)
    wide = np.where(np.arange(rows) % 2 == 0, 1e300, 1e-300)
    return pa.table(
        {
            "x": pa.array(rng.normal(size=rows), mask=rng.random(rows) < 0.1),
            "n": pa.array(rng.integers(0, 50, rows), mask=rng.random(rows) < 0.1),
            "wide": wide,
            "c": pa.array(rng.choice(["UA", "AA", "B6"], rows), mask=rng.random(rows) < 0.05),
            "id": rng.integers(2**60, 2**60 + 40, rows),
            "flag": pa.array(rng.random(rows) < 0.5, mask=rng.random(rows) < 0.05),
            "extra": ["ignored"] * rows,
        }
    )


def transform(**settings: Any) -> Transform:
    return Transform(
        "t",
        {
            "dense": [
                Steps(["x", "n"], [K.SimpleImputer("median"), K.StandardScaler()]),
                Steps(["x"], [K.SimpleImputer("mean", add_indicator=True), K.QuantileTransformer(50)]),
                Steps(["wide"], [K.MinMaxScaler()]),
                Steps(["flag"]),
            ],
            "codes": [Steps(["c", "id"], [K.OrdinalEncoder()])],
            "bin": [Steps(["n"], [K.KBinsDiscretizer(4)])],
        },
        **settings,
    )


FITTED = transform().fit(table())


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_digest_is_that_of_the_rows(size: int) -> None:
    """Shuffled rows in batches of 1, 7 and 1,000 give one digest, 1e300 beside 1e-300 among them."""
    shuffled = table().take(np.random.default_rng(1).permutation(ROWS))
    assert transform().fit(iter(shuffled.to_batches(max_chunksize=size))).digest == FITTED.digest


def test_digest_does_not_depend_on_the_container(tmp_path: Any) -> None:
    """Arrow, pandas, polars, Parquet, readers and dictionary-encoded text give one digest."""
    data = table()
    pyarrow.parquet.write_table(data, tmp_path / "t.parquet", row_group_size=300)
    encoded = data.set_column(3, "c", data.column("c").dictionary_encode())
    for other in (
        data.to_pandas(),
        pl.from_arrow(data),
        pyarrow.dataset.dataset(tmp_path),
        data.to_reader(),
        encoded,
        data.to_batches(),
    ):
        assert transform().fit(other).digest == FITTED.digest


def part_of(transform_: Transform, piece: pa.Table) -> bytes:
    fitter = transform_.fitter(transform_.inputs(piece.schema)).part()
    fitter.update(columns_from_arrow(piece, schema_of(fitter.inputs)))
    return pickle.dumps(fitter)


def transform_without_views() -> Transform:
    return Transform("t", {"d": [Steps(["x", "n"], [K.SimpleImputer("median"), K.StandardScaler()])]})


def fit_part(bounds: tuple[int, int]) -> bytes:
    return part_of(transform_without_views(), table().slice(*bounds))


def test_two_processes_merge_to_the_same_digest() -> None:
    """Parts fitted in two processes merge to the digest of one fit."""
    whole = transform_without_views().fit(table())
    fitter = transform_without_views().fitter(whole.inputs)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for part in pool.map(fit_part, [(0, 700), (700, ROWS - 700)]):
            fitter.merge(pickle.loads(part))
    assert not fitter.end_pass()
    assert transform_without_views().finish(fitter).digest == whole.digest


def test_memory_changes_passes_not_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for 100 values a column the fit takes more passes and gives the same digest."""
    assert FITTED.provenance["passes"] == 1
    monkeypatch.setattr(number_fitter, "KEPT_VALUES", 100)
    again = transform().fit(iter(table().to_batches(max_chunksize=64)))
    assert again.digest == FITTED.digest
    assert again.provenance["passes"] > 1


def test_a_step_after_an_imputer_costs_no_pass_and_learns_the_same() -> None:
    """An imputer and what follows share a pass; fitting on imputed data gives the same numbers."""
    both = Transform("t", {"d": [Steps(["x"], [K.SimpleImputer("median"), K.StandardScaler()])]}).fit(table())
    filled = table().column("x").fill_null(both.steps["d"][0].kinds[0].fill_values()[0])
    alone = Transform("t", {"d": [Steps(["x"], [K.StandardScaler()])]}).fit(pa.table({"x": filled}))
    mine, theirs = both.steps["d"][0].kinds[1].arrays(), alone.steps["d"][0].kinds[0].arrays()
    assert {n: a.tolist() for n, a in mine.items()} == {n: a.tolist() for n, a in theirs.items()}


def test_rows_columns_and_tables_agree() -> None:
    """apply, apply_columns and apply_rows give the same bits and the same counts."""
    data = table()
    counted = [Counters() for _ in range(3)]
    whole = FITTED.apply(data, counted[0])
    assert_same_bits(whole, FITTED.apply_rows(data.to_pylist(), counted[1]), "rows")
    columns = columns_from_arrow(data, schema_of(FITTED.inputs))
    assert_same_bits(whole, FITTED.apply(columns, counted[2]), "columns")
    assert dict(counted[0]) == dict(counted[1]) == dict(counted[2])
    assert counted[0].rows == ROWS


def test_threads_share_one_transform() -> None:
    """Many threads applying one transform at once get the bits of one thread."""
    data = table(40_000)
    whole = FITTED.apply(data, threads=1)
    got: list[Any] = [None] * 4

    def work(at: int) -> None:
        got[at] = FITTED.apply(data, threads=3)

    threads = [threading.Thread(target=work, args=(at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for tensors in got:
        assert_same_bits(whole, tensors, "threads")


def test_equal_steps_run_as_one_without_changing_a_bit() -> None:
    """A step a column gives the bits of one step over all columns, in the order declared."""
    kinds = [K.SimpleImputer("median"), K.StandardScaler()]
    apart = Transform("t", {"d": [Steps([c], kinds) for c in ("n", "x", "wide")]}).fit(table())
    together = Transform("t", {"d": [Steps(["n", "x", "wide"], kinds)]}).fit(table())
    assert_same_bits(together.apply(table()), apart.apply(table()), "merged chains")
    assert apart.outputs == together.outputs


def test_long_identifiers_stay_apart() -> None:
    """Integers beyond 2**53, which float64 cannot tell apart, are different categories."""
    codes = FITTED.apply_rows([{**dict.fromkeys(["x", "n", "wide", "c", "flag"]), "id": 2**60 + i} for i in (0, 1)])
    assert codes["codes"][0, 1] != codes["codes"][1, 1]


def test_pickling_goes_through_the_artifact() -> None:
    """A pickled transform comes back with the same digest; it is frozen."""
    assert pickle.loads(pickle.dumps(FITTED)).digest == FITTED.digest
    with pytest.raises(AttributeError, match="frozen"):
        FITTED.digest = "sha256:0"
    assert isinstance(FITTED, FittedTransform)


def test_synthetic_golden_rows_hold_no_data() -> None:
    """golden='synthetic' keeps rows of the data out of the artifact."""
    secret = pa.table({"c": ["a secret name"] * 3 + ["other"] * 3})
    steps = [Steps(["c"], [K.FeatureHasher(4)])]
    assert b"a secret name" in Transform("t", {"o": steps}).fit(secret).to_bytes()
    assert b"a secret name" not in Transform("t", {"o": steps}, golden="synthetic").fit(secret).to_bytes()


def fit_one(values: list[Any], *kinds: Any, **settings: Any) -> FittedTransform:
    return Transform("t", {"o": [Steps(["col"], kinds)]}, **settings).fit(pa.table({"col": values}))


@pytest.mark.parametrize(
    "kind", [K.StandardScaler(), K.SimpleImputer("mean"), K.QuantileTransformer(), K.RobustScaler()]
)
def test_all_missing_column_is_an_error_with_advice(kind: Any) -> None:
    """A column without a value is refused by name with what to do."""
    with pytest.raises(errors.AllMissingError, match=r"'col'.*missing"):
        fit_one([None, None], kind, types={"col": "number"})


@pytest.mark.parametrize("kind", [K.StandardScaler(), K.MinMaxScaler(), K.KBinsDiscretizer(), K.Winsorizer()])
def test_infinity_in_a_fit_is_an_error(kind: Any) -> None:
    """An infinity in a fit is refused by name with what to do."""
    with pytest.raises(errors.InfiniteValueError, match=r"'col'.*Clip"):
        fit_one([1.0, float("inf")], kind)


def test_overflow_names_the_column() -> None:
    """A range beyond float64 is an error, never a silent infinity."""
    with pytest.raises(errors.StatisticOverflowError, match=r"'col'.*range"):
        fit_one([-1.7e308, 1.7e308], K.MinMaxScaler())


def test_empty_input_is_an_error() -> None:
    """No rows, or no batches: nothing can be fitted, and the error says so."""
    with pytest.raises(errors.EmptyFitError):
        transform().fit(table().slice(0, 0))
    with pytest.raises(errors.EmptyFitError):
        transform().fit(iter([]))


@pytest.mark.parametrize(
    "kind", [K.StandardScaler(), K.MinMaxScaler(), K.RobustScaler(), K.QuantileTransformer(), K.KBinsDiscretizer()]
)
@pytest.mark.parametrize("values", [[5.0], [5.0] * 9])
def test_one_row_and_constant_columns_give_zero(kind: Any, values: list[float]) -> None:
    """One row, or a constant column, maps its value to 0 without a warning."""
    assert fit_one(values, kind).apply_rows([{"col": 5.0}])["o"].tolist() in ([[0.0]], [0])


def test_missing_columns_suggest_the_closest_name() -> None:
    """A column that is absent is named with the closest one, when fitting and when applying."""
    with pytest.raises(errors.ColumnMissingError, match=r"'wide'.*Did you mean 'wild'"):
        transform().fit(table().rename_columns(["x", "n", "wild", "c", "id", "flag", "extra"]))
    with pytest.raises(errors.ColumnMissingError, match=r"'col'.*Did you mean 'coll'"):
        fit_one([1.0, 2.0]).apply_rows([{"coll": 1.0}])


@pytest.mark.parametrize("value", ["12", True, [1.0], {}])
def test_wrong_python_types_are_errors(value: Any) -> None:
    """Text, booleans and lists are no numbers, and the error says what was expected and got."""
    with pytest.raises(errors.ColumnTypeError, match=r"'col': expected number, got"):
        fit_one([1.0, 2.0]).apply_rows([{"col": value}])


def test_wrong_arrow_types_are_errors_but_nulls_change_nothing() -> None:
    """Text for a number is an error; an integer column that nulls made float, or all null, still matches."""
    fitted = fit_one([1, 2, 3], K.SimpleImputer("mean"))
    with pytest.raises(errors.ColumnTypeError, match=r"'col': expected number, got text"):
        fitted.apply(pa.table({"col": ["1"]}))
    assert fitted.apply(pa.table({"col": [1.0, None]}))["o"].tolist() == [[1.0], [2.0]]
    assert fitted.apply(pa.table({"col": pa.nulls(2)}))["o"].tolist() == [[2.0], [2.0]]
    assert fitted.apply(pd.DataFrame({"col": [float("nan")]}))["o"].tolist() == [[2.0]]


def test_columns_that_cannot_be_held_are_named() -> None:
    """Columns of one name, objects of several types and integers beyond float64 are refused by name."""
    steps = {"o": [Steps(["col"], [K.OrdinalEncoder()])]}
    twice = pa.Table.from_arrays([pa.array([1.0]), pa.array([2.0])], names=["col", "col"])
    with pytest.raises(errors.ColumnTypeError, match="'col': expected one column of that name, got 2"):
        Transform("t", steps).fit(twice)
    with pytest.raises(errors.ColumnTypeError, match="'col': expected values of one type"):
        Transform("t", steps).fit(pd.DataFrame({"col": ["a", 1]}))
    with pytest.raises(errors.ColumnTypeError, match=r"'col'.*beyond the range of float64"):
        fit_one([1.0, 2.0]).apply_rows([{"col": 10**400}])


def test_policies_of_error_name_column_and_value() -> None:
    """Unseen and missing values under 'error' are refused by column and value."""
    fitted = fit_one(["a", "b"], K.OrdinalEncoder(unseen="error", missing="error"))
    with pytest.raises(errors.UnseenValueError, match=r"'col'.*'zebra'"):
        fitted.apply_rows([{"col": "a"}, {"col": "zebra"}])
    with pytest.raises(errors.MissingValueError, match=r"'col'"):
        fitted.apply_rows([{"col": None}])


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([Steps(["c"], [K.StandardScaler()])], "StandardScaler.*boolean or number.*text"),
        ([Steps(["c"])], "numbers or codes after the last step"),
        ([Steps(["x"]), Steps(["c"], [K.OrdinalEncoder()])], "codes only or numbers only"),
        ([Steps(["c"], [K.SimpleImputer("mean")])], "number columns"),
    ],
)
def test_steps_that_do_not_fit_together_are_errors(steps: Any, words: str) -> None:
    """Steps that cannot follow each other or share an output are refused with both sides named."""
    with pytest.raises(errors.StepError, match=words):
        Transform("t", {"o": steps}).fit(table())


@pytest.mark.parametrize(
    "make",
    [
        lambda: K.KBinsDiscretizer(1),
        lambda: K.MinMaxScaler((1.0, 0.0)),
        lambda: K.SimpleImputer("constant"),
        lambda: K.SimpleImputer("average"),  # type: ignore[arg-type]
        lambda: K.Clip(),
        lambda: K.Bucketizer(()),
        lambda: K.DatetimeFeatures(zone="Mars/Olympus"),
        lambda: K.OneHotEncoder(min_frequency=1.5),
        lambda: Steps("x"),
        lambda: Steps(["x"], ["StandardScaler"]),  # type: ignore[list-item]
        lambda: Transform("t", {}),
        lambda: Transform("t", {"o": []}),
        lambda: Transform("t", {"o": [Steps(["x"])]}, golden="none"),  # type: ignore[arg-type]
        lambda: Transform("t", {"o": [Steps(["x"])]}, types={"x": "numbr"}),
        lambda: Transform("t", {"o": [Steps(["x"])]}, types={"y": "number"}),
        lambda: Transform("t", {"": [Steps(["x"])]}),
        lambda: Transform("t", {"o": [Steps(["x"])]}).fit(pa.table({"x": [1.0]}), provenance={"at": object()}),
    ],
)
def test_settings_are_checked_at_construction(make: Any) -> None:
    """A setting that cannot work is refused when it is written, not when it runs."""
    with pytest.raises(errors.SettingError, match="must be"):
        make()


def test_errors_survive_process_boundaries() -> None:
    """Errors pickle with their message and attributes."""
    error = pickle.loads(pickle.dumps(errors.ColumnTypeError("c", "number", "text")))
    assert isinstance(error, LikewiseError)
    assert (error.column, error.expected) == ("c", "number")
    assert "expected number" in error.message


def test_progress_is_reported() -> None:
    """Progress counts rows up to the number of rows, which is known for tables."""
    seen: list[tuple[int, int | None]] = []
    transform().fit(table(), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (ROWS, ROWS)


def test_progress_counts_every_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over several passes progress goes on counting, towards the rows of the passes begun; a stream's are not known."""
    monkeypatch.setattr(number_fitter, "KEPT_VALUES", 100)
    seen: list[tuple[int, int | None]] = []
    fitted = transform().fit(table(), progress=lambda done, total: seen.append((done, total)), threads=1)
    passes = fitted.provenance["passes"]
    assert passes > 1
    assert seen[-1] == (passes * ROWS, passes * ROWS)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert all(done <= total for done, total in seen if total is not None)
    unknown: list[int | None] = []
    transform().fit(iter(table().to_batches()), progress=lambda done, total: unknown.append(total))
    assert set(unknown) == {None}


def test_logical_types_follow_arrow() -> None:
    """Inputs are logical types, whatever dtype carried them."""
    assert {spec.name: spec.type for spec in FITTED.inputs} == {
        "x": LogicalType.NUMBER,
        "n": LogicalType.NUMBER,
        "wide": LogicalType.NUMBER,
        "flag": LogicalType.BOOLEAN,
        "c": LogicalType.TEXT,
        "id": LogicalType.NUMBER,
    }
