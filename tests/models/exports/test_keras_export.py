import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from likewise.models import TensorSpec, WideAndDeep
from likewise.models.exports import tables
from likewise.models.exports.encoding import fed_inputs, feed
from likewise.models.exports.errors import ExportBoundError, ModelNotExportableError
from likewise.models.exports.keras_export import FACTS_FILE, ReleaseModel, export_keras
from likewise.models.exports.keras_model import composed_model, preprocessing_model
from likewise.models.exports.number_exporters import standard_scaler
from likewise.models.exports.proof import prove
from likewise.models.exports.proof_rows import proof_rows
from likewise.models.keras_files import keras_bytes, load_keras
from likewise.models.packaging import ModelRecord, package_model
from likewise.models.tensorflow_import import import_tensorflow
from likewise.transforms import FittedTransform, Steps, Transform
from likewise.transforms import kinds as K  # noqa: N812
from likewise.transforms.columns import columns_from_arrow, columns_from_rows, schema_of
from likewise.transforms.errors import ExportUnavailableError, LikewiseError
from likewise.transforms.testing import KindCase
from tests.models.exports.export_cases import EVERY, label

pytestmark = pytest.mark.slow  # TensorFlow takes 8 s to import


def answer(model: Any, fitted: FittedTransform, columns: Any) -> dict[str, np.ndarray]:
    tensors = {name: import_tensorflow().constant(value) for name, value in feed(fed_inputs(fitted), columns).items()}
    return {name: np.asarray(value) for name, value in model(tensors).items()}


@pytest.mark.parametrize("case", EVERY, ids=label)
def test_keras_gives_the_bits_of_the_transform(case: KindCase) -> None:
    """Every exportable kind, with every policy and in chains, gives Keras the same float32 and the same codes."""
    fitted = case.fitted(200)
    try:
        model = preprocessing_model(fitted)
    except ExportUnavailableError:
        pytest.skip("listed as not exportable: test_tables says so")
    proof = proof_rows(fitted, 300, subnormals=False)
    # As a graph: the optimizer that moves last bits works on graphs only.
    graph = import_tensorflow().function(model)
    measured = prove("Keras", fitted.outputs, proof, answer(graph, fitted, proof.columns))
    assert sum(one.values_that_differ for one in measured) == 0


def small() -> FittedTransform:
    rng = np.random.default_rng(0)
    data = pa.table(
        {
            "x": rng.normal(size=300),
            "y": pa.array([None if v > 1 else v for v in rng.normal(size=300)]),
            "s": rng.choice(["red", "blue", ""], 300),
            "t": pa.array(rng.integers(0, 10**15, 300), pa.timestamp("us")),
            "l": pa.array([[float(v)] * v for v in rng.integers(0, 4, 300)]),
        }
    )
    outputs = {
        "dense": [
            Steps(["x", "y"], [K.SimpleImputer("median", add_indicator=True), K.StandardScaler()]),
            Steps(["t"], [K.DatetimeFeatures(("hour",), zone="America/New_York"), K.CyclicalFeatures(24.0)]),
            Steps(["l"], [K.SequencePadder(2)]),
        ],
        "bins": [Steps(["x", "y"], [K.MinMaxScaler((-1.0, 2.0)), K.StandardScaler(), K.KBinsDiscretizer(30)])],
        "code": [Steps(["s"], [K.OrdinalEncoder()])],
    }
    return Transform("small", outputs).fit(data)


SMALL = small()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_keras(SMALL, tmp_path_factory.mktemp("keras") / "small").path


NUMBER = st.one_of(st.none(), st.floats(allow_nan=False, allow_subnormal=False), st.integers(-4, 4).map(float))
ROW = st.fixed_dictionaries(
    {
        "x": NUMBER,
        "y": NUMBER,
        "s": st.one_of(
            st.none(), st.sampled_from(["red", "", "Red"]), st.text(st.characters(codec="utf-8"), max_size=3)
        ),
        "t": st.one_of(st.none(), st.datetimes()),
        "l": st.one_of(st.none(), st.lists(NUMBER, max_size=4)),
    }
)


# A failing example is not made smaller: each try runs a graph, and all of them took minutes.
@settings(max_examples=40, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(st.lists(ROW, min_size=1, max_size=20).filter(lambda rows: all(r["s"] != "\uffff" for r in rows)))
def test_any_rows_agree(exported: Path, rows: list[dict[str, Any]]) -> None:
    """Whatever numbers, texts, times and lists come, the saved model is within the bound and codes are equal."""
    loaded = import_tensorflow().saved_model.load(str(exported)).signatures["tensors"]
    columns = columns_from_rows(rows, schema_of(SMALL.inputs))
    proof = replace(proof_rows(SMALL, 0), columns=columns, expected=SMALL.apply_rows(rows), rows=len(rows), golden=0)
    prove("Keras", SMALL.outputs, proof, answer(lambda tensors: loaded(**tensors), SMALL, columns))


def test_it_loads_and_answers_without_our_code(exported: Path, tmp_path: Path) -> None:
    """A process that can't import Likewise loads both forms, Keras in safe mode, and gets the transform's tensors."""
    rows = [
        {"x": 1.5, "y": None, "s": "red", "t": 10**14, "l": [1.0]},
        {"x": None, "y": 2.0, "s": None, "t": None, "l": None},
    ]
    columns = columns_from_arrow(
        pa.table(
            {k: pa.array([r[k] for r in rows], spec.type.to_arrow()) for k, spec in ((s.name, s) for s in SMALL.inputs)}
        ),
        schema_of(SMALL.inputs),
    )
    np.savez(tmp_path / "fed.npz", **feed(fed_inputs(SMALL), columns))
    code = f"""
import sys
sys.modules["likewise"] = None
import numpy as np, tensorflow as tf, keras
fed = {{k: tf.constant(v) for k, v in np.load({str(tmp_path / "fed.npz")!r}, allow_pickle=True).items()}}
one = tf.saved_model.load({str(exported)!r}).signatures["serving_default"](**fed)
two = keras.models.load_model({str(exported / "model.keras")!r}, safe_mode=True)(fed)
named = {{"one_" + k: v for k, v in one.items()}} | {{"two_" + k: v for k, v in two.items()}}
np.savez({str(tmp_path / "got.npz")!r}, **named)
"""
    environ = {"TF_CPP_MIN_LOG_LEVEL": "3", "PATH": "/usr/bin"}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=environ, capture_output=True)
    got, expected = np.load(tmp_path / "got.npz"), SMALL.apply_columns(columns)
    for name, tensor in expected.items():
        for form in ("one", "two"):
            assert np.array_equal(got[f"{form}_{name}"], tensor, equal_nan=True), (form, name)


def test_the_file_holds_no_code(exported: Path) -> None:
    """The `.keras` file names Keras' own parts only: no Lambda, nothing registered, nothing pickled."""
    config = zipfile.ZipFile(exported / "model.keras").read("config.json").decode()
    assert "Lambda" not in config
    assert "likewise" not in config
    modules = {m for m in json_values(json.loads(config), "module") if m}
    assert all(m == "keras" or m.startswith("keras.") or m == "builtins" for m in modules), modules


def json_values(value: Any, key: str) -> list[str]:
    if isinstance(value, list):
        return [found for item in value for found in json_values(item, key)]
    if not isinstance(value, dict):
        return []
    own = [value[key]] if isinstance(value.get(key), str) else []
    return own + [found for item in value.values() for found in json_values(item, key)]


def test_the_facts_say_how_it_is_fed_and_measured(exported: Path) -> None:
    """likewise.json holds the digest, every input with its mark, every tensor and what was measured."""
    facts = json.loads((exported / FACTS_FILE).read_text())
    assert facts["transform"]["digest"] == SMALL.digest
    assert {i["column"]: i["missing"] for i in facts["inputs"]} == {
        "x": "NaN",
        "y": "NaN",
        "s": "\uffff",
        "t": -(2**63),
        "l": "length -1",
    }
    assert [t["name"] for t in facts["tensors"]] == ["dense", "bins", "code"]
    assert all(m["rows"] > 1000 and m["values_that_differ"] == 0 for m in facts["measured"])


@pytest.fixture(scope="module")
def model() -> ReleaseModel:
    specs = [spec for spec in SMALL.outputs if spec.name != "bins"]
    network = WideAndDeep(hidden=(4,), embedding=2).build(specs)
    tensors = proof_rows(SMALL, 200).expected
    sound = np.isfinite(tensors["dense"]).all(axis=1)
    held = {spec.name: tensors[spec.name][sound] for spec in specs}
    return ReleaseModel("release:small:1", package_model(network, specs, held, ModelRecord("late")))


def test_transform_and_model_are_one_saved_model(model: ReleaseModel, tmp_path: Path) -> None:
    """Raw columns go in and the release's prediction comes out; the tensors stay within reach."""
    done = export_keras(SMALL, tmp_path / "whole", model)
    assert done.prediction is not None
    assert done.prediction.largest_absolute < 1e-6
    assert done.prediction.rows > 500
    loaded = import_tensorflow().saved_model.load(str(done.path))
    proof = proof_rows(SMALL, 50)
    got = answer(lambda fed: loaded.signatures["serving_default"](**fed), SMALL, proof.columns)
    assert list(got) == ["late"]
    assert got["late"].shape == (proof.rows,)
    tensors = answer(lambda fed: loaded.signatures["tensors"](**fed), SMALL, proof.columns)
    assert set(tensors) == {spec.name for spec in SMALL.outputs}


def test_another_model_is_found_out(model: ReleaseModel, tmp_path: Path) -> None:
    """A Keras file that predicts otherwise than the release's runtime is refused, and nothing is written."""
    specs = [TensorSpec.of(spec) for spec in SMALL.outputs if spec.name != "bins"]
    other = WideAndDeep(hidden=(4,), embedding=2, seed=5).build(specs)
    sound = proof_rows(SMALL, 200).expected
    keep = np.isfinite(sound["dense"]).all(axis=1)
    files = package_model(other, specs, {s.name: sound[s.name][keep] for s in specs}, ModelRecord("late")).files
    swapped = replace(model.files, files={**model.files.files, "model.keras": files["model.keras"]})  # type: ignore[type-var]
    with pytest.raises(ExportBoundError, match="predictions differ by up to"):
        export_keras(SMALL, tmp_path / "out", ReleaseModel("release:small:1", swapped))
    assert list(tmp_path.iterdir()) == []


def test_a_model_without_a_keras_file_is_refused_by_name(model: ReleaseModel, tmp_path: Path) -> None:
    """A release of another kind of model says what it holds and what can be exported instead."""
    bare = replace(model.files, files={"model.txt": b"trees"})  # type: ignore[type-var]
    with pytest.raises(ModelNotExportableError, match=r"release:small:1.*model\.txt"):
        export_keras(SMALL, tmp_path / "out", ReleaseModel("release:small:1", bare))


def test_a_wrong_formula_is_refused_and_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exporter that is off by one part in 100,000 is found, and an earlier export stays as it was."""
    place = export_keras(SMALL, tmp_path / "out").path
    before = (place / "saved_model.pb").read_bytes()
    wrong = replace(tables.KERAS["standard_scaler/1"], lower=lambda kind, x: standard_scaler(kind, x) * 1.00001)  # type: ignore[type-var]
    monkeypatch.setitem(tables.KERAS, "standard_scaler/1", wrong)  # type: ignore[arg-type]
    with pytest.raises(ExportBoundError, match="output 'dense' column 'x' differs in"):
        export_keras(SMALL, place)
    assert (place / "saved_model.pb").read_bytes() == before
    assert list(tmp_path.iterdir()) == [place]


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
def test_what_a_policy_refuses_spoils_the_row(kind: Any, value: str | None) -> None:
    """Where the transform raises an error, numbers are NaN and codes -1; the other rows are answered."""
    fitted = Transform("p", {"o": [Steps(["s"], [kind])]}).fit(pa.table({"s": ["a", "b", "a"]}))
    with pytest.raises(LikewiseError):
        fitted.apply_rows([{"s": value}])
    columns = columns_from_rows([{"s": "a"}, {"s": value}], schema_of(fitted.inputs))
    got = answer(preprocessing_model(fitted), fitted, columns)["o"]
    assert np.array_equal(got[:1], fitted.apply_rows([{"s": "a"}])["o"])
    assert np.all(got[1] == -1) if got.dtype == np.int32 else np.isnan(got[1]).all()


def test_a_refused_row_has_no_prediction() -> None:
    """Behind a policy of "error" a refused row is NaN, though Keras takes any code; other rows are predicted."""
    data = pa.table({"s": ["a", "b", "a"], "x": [1.0, 2.0, 3.0]})
    outputs = {
        "code": [Steps(["s"], [K.OrdinalEncoder(unseen="error", missing="error")])],
        "dense": [Steps(["x"], [K.StandardScaler(missing="error")])],
    }
    fitted = Transform("p", outputs).fit(data)
    classifier = WideAndDeep(hidden=(2,), embedding=1).build(fitted.outputs)
    whole = composed_model(fitted, _saved(classifier), "p")
    rows = [{"s": "a", "x": 1.0}, {"s": "new", "x": 1.0}, {"s": None, "x": 1.0}, {"s": "b", "x": None}]
    got = answer(whole, fitted, columns_from_rows(rows, schema_of(fitted.inputs)))["p"]
    assert np.isnan(got).tolist() == [False, True, True, True]
    assert got[0] == pytest.approx(np.asarray(classifier(fitted.apply_rows(rows[:1])))[0, 0], abs=1e-6)


def _saved(model: Any) -> Any:
    return load_keras(keras_bytes(model), "model.keras")
