import datetime as dt
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from likewise.models.exports import sql_text, tables
from likewise.models.exports.errors import ExportBoundError, ExportNameError
from likewise.models.exports.number_exporters import standard_scaler
from likewise.models.exports.proof import prove
from likewise.models.exports.proof_rows import proof_rows
from likewise.models.exports.sql_export import export_sql
from likewise.models.exports.sql_proof import run
from likewise.models.exports.sql_query import select
from likewise.transforms import FittedTransform, Steps, Transform
from likewise.transforms import kinds as K  # noqa: N812
from likewise.transforms.columns import Column, column_from_arrow
from likewise.transforms.errors import ExportUnavailableError, LikewiseError
from likewise.transforms.testing import KindCase
from tests.models.exports.export_cases import EVERY, label

NUMBERS = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.integers(-6, 6).map(float))
TEXTS = st.one_of(
    st.none(), st.sampled_from(["red", "", "a", "it's"]), st.text(st.characters(codec="utf-8"), max_size=4)
)


def exportable(case: KindCase) -> FittedTransform:
    fitted = case.fitted(200)
    try:
        tables.check_exportable(fitted, "sql")
    except ExportUnavailableError:
        pytest.skip("listed as not exportable: test_tables says so")
    return fitted


@pytest.mark.parametrize("case", EVERY, ids=label)
def test_duckdb_gives_the_bits_of_the_transform(case: KindCase) -> None:
    """Every exportable kind, with every policy and in chains, gives DuckDB the same float32 and the same codes."""
    fitted = exportable(case)
    proof = proof_rows(fitted, 300)
    answer = run(fitted, select(fitted, "t"), "t", proof)
    measured = prove("SQL", fitted.outputs, proof, answer.tensors)
    assert answer.same_without_order
    assert sum(one.values_that_differ for one in measured) == 0


def everything() -> FittedTransform:
    rng = np.random.default_rng(0)
    data = pa.table(
        {
            "x": pa.array([None if v > 2 else v for v in rng.normal(size=200)]),
            "y": rng.normal(size=200) * 100,
            "s": rng.choice(["red", "a", "", "it's"], 200),
        }
    )
    outputs = {
        "scaled": [Steps(["x", "y"], [K.SimpleImputer("median", add_indicator=True), K.StandardScaler()])],
        "ranks": [Steps(["x", "y"], [K.QuantileTransformer(40, "normal")])],
        "bins": [Steps(["x", "y"], [K.StandardScaler(), K.KBinsDiscretizer(5)])],
        "turns": [Steps(["y"], [K.CyclicalFeatures(24.0)]), Steps(["y"], [K.LogTransformer("signed_log1p")])],
        "code": [Steps(["s"], [K.OrdinalEncoder()])],
    }
    return Transform("everything", outputs).fit(data)


EVERYTHING = everything()


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS, TEXTS), min_size=1, max_size=30))
def test_any_rows_agree(rows: list[tuple[float | None, float | None, str | None]]) -> None:
    """Whatever numbers and texts come, DuckDB is within the bound and codes are equal."""
    proof = proof_rows(EVERYTHING, 0)
    table = pa.table({n: pa.array(v, t) for n, v, t in zip("xys", zip(*rows, strict=True), TYPES, strict=True)})
    columns = {name: _column(name, table) for name in "xys"}
    given_rows = replace(proof, columns=columns, expected=EVERYTHING.apply(table), rows=len(rows), golden=0)
    prove("SQL", EVERYTHING.outputs, given_rows, run(EVERYTHING, select(EVERYTHING, "t"), "t", given_rows).tensors)


TYPES = (pa.float64(), pa.float64(), pa.string())


def _column(name: str, table: pa.Table) -> Column:
    spec = next(spec for spec in EVERYTHING.inputs if spec.name == name)
    return column_from_arrow(name, table.column(name), spec.type)


def test_the_same_artifact_gives_the_same_text(tmp_path: Path) -> None:
    """The text does not change from call to call, after a reload, nor in another process with other hash seeds."""
    first = export_sql(EVERYTHING, tmp_path / "a.sql", "t").path.read_text()
    assert (
        export_sql(FittedTransform.from_bytes(EVERYTHING.to_bytes()), tmp_path / "b.sql", "t").path.read_text() == first
    )
    artifact = EVERYTHING.save(tmp_path / "everything.safetensors")
    code = (
        "from pathlib import Path; from likewise.transforms import FittedTransform; "
        "from likewise.models.exports.sql_export import export_sql; "
        f"export_sql(FittedTransform.load({str(artifact)!r}), Path({str(tmp_path / 'c.sql')!r}), 't')"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONHASHSEED": "7"})
    assert (tmp_path / "c.sql").read_text() == first


def test_hostile_names_and_texts_stay_text(tmp_path: Path) -> None:
    """Quotes, comments and line ends in names and categories neither end a string nor start a statement."""
    name, value = 'drop"; --', "'); DROP TABLE t; --\n'"
    data = pa.table({name: [value, "b", None], "x": [1.0, 2.0, 3.0]})
    fitted = Transform("h\n; DROP TABLE t", {"o\nx": [Steps([name], [K.OneHotEncoder()])]}).fit(data)
    done = export_sql(fitted, tmp_path / "h.sql", 'my "table"', ["x"])
    with duckdb.connect() as connection:
        connection.register("raw", data)
        connection.execute('CREATE TABLE "my ""table""" AS SELECT * FROM raw')
        connection.execute("CREATE TABLE t AS SELECT 1")
        got = connection.execute(done.path.read_text()).to_arrow_table()
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (1,)
    assert got.column_names[1:] == list(fitted.outputs[0].columns)
    ordered = got.sort_by("x")
    assert np.array_equal(np.stack([c.to_numpy() for c in ordered.columns[1:]], axis=1), fitted.apply(data)["o\nx"])


def test_result_columns_are_named_as_the_transforms() -> None:
    """Names are the transform's; where two outputs share one, or differ in case only, the output stands in front."""
    data = pa.table({"x": [1.0, 2.0], "s": ["a", "A"]})
    outputs = {
        "dense": [Steps(["x"], [K.StandardScaler()])],
        "raw": [Steps(["x"])],
        "hot": [Steps(["s"], [K.OneHotEncoder(missing="ignore")])],
    }
    query = select(Transform("n", outputs).fit(data), "t", ["x"])
    assert [c.name for c in query.columns] == ["dense.x", "raw.x", "hot.s_A", "hot.s_a#2"]


def test_inputs_that_duckdb_cannot_tell_apart_are_refused() -> None:
    """DuckDB's names know no case, so a transform over "x" and "X" has no SQL form."""
    fitted = Transform("n", {"o": [Steps(["x", "X"])]}).fit(pa.table({"x": [1.0], "X": [2.0]}))
    with pytest.raises(ExportNameError, match="'x' and 'X'"):
        select(fitted, "t")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (K.OrdinalEncoder(unseen="error"), "new"),
        (K.OrdinalEncoder(missing="error"), None),
        (K.OneHotEncoder(unseen="error"), "new"),
        (K.CountEncoder(missing="error"), None),
        (K.LabelEncoder(), "new"),
    ],
    ids=repr,
)
def test_what_a_policy_refuses_fails_the_query(kind: object, value: str | None) -> None:
    """DuckDB fails, naming the column and the kind, where the transform refuses; other rows are answered."""
    data = pa.table({"s": ["a", "b", "a"]})
    fitted = Transform("p", {"o": [Steps(["s"], [kind])]}).fit(data)
    query = select(fitted, "t").text
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t AS SELECT * FROM data")
        assert connection.execute(query).fetchall()
        connection.execute("INSERT INTO t VALUES (?)", [value])
        with pytest.raises(duckdb.Error, match=f"column 's': {type(kind).__name__} got"):
            connection.execute(query).fetchall()
    with pytest.raises(LikewiseError):
        fitted.apply_rows([{"s": value}])


def test_tables_of_other_types_give_the_same() -> None:
    """Integers, decimals, float32, dates and zoned or naive times of any unit are taken as the transform takes them."""
    when = dt.datetime(2024, 2, 29, 23, 59, 59, 999_999, dt.UTC)
    data = pa.table({"n": [1.0, 2.5, 4.0], "t": pa.array([when] * 3, pa.timestamp("us"))})
    outputs = {
        "n": [Steps(["n"], [K.StandardScaler()])],
        "t": [Steps(["t"], [K.DatetimeFeatures(("hour", "day", "week"), zone="Asia/Kolkata")])],
    }
    fitted = Transform("types", outputs).fit(data)
    expected = fitted.apply(data)
    query = select(fitted, "v").text
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'America/New_York'")
        for number in ("DOUBLE", "FLOAT", "DECIMAL(9, 3)"):
            for moment in ("t", "t::TIMESTAMP_NS", "timezone('UTC', t)", "t::TIMESTAMP_MS + INTERVAL 999 MICROSECOND"):
                connection.execute(f"CREATE OR REPLACE VIEW v AS SELECT n::{number} AS n, {moment} AS t FROM data")
                got = np.array(connection.execute(query).fetchall(), dtype=np.float32)
                assert np.array_equal(got, np.concatenate([expected["n"], expected["t"]], axis=1)), (number, moment)


def test_a_wrong_formula_is_refused_and_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exporter that is off by one part in 100,000 is found: the error names output, column, row and both values."""
    wrong = replace(tables.SQL["standard_scaler/1"], lower=lambda kind, x: standard_scaler(kind, x) * 1.00001)
    monkeypatch.setitem(tables.SQL, "standard_scaler/1", wrong)  # type: ignore[arg-type]
    with pytest.raises(ExportBoundError, match=r"output 'scaled' column 'x' differs in .* expected .* got .*inputs x="):
        export_sql(EVERYTHING, tmp_path / "w.sql", "t")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


@settings(deadline=None)
@given(st.floats(allow_nan=False))
def test_numbers_are_read_back_to_the_bit(connection: duckdb.DuckDBPyConnection, value: float) -> None:
    """DuckDB reads a literal as the float64 it was written from."""
    got = connection.execute(f"SELECT {sql_text.number(value)}").fetchone()
    assert got is not None
    assert np.float64(got[0]).tobytes() == np.float64(value).tobytes()


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8")), st.binary(max_size=20))
def test_texts_and_bytes_are_read_back(connection: duckdb.DuckDBPyConnection, text: str, data: bytes) -> None:
    """DuckDB reads a text and a blob as they were, whatever they hold."""
    assert connection.execute(f"SELECT {sql_text.text(text)}, {sql_text.blob(data)}").fetchone() == (text, data)
