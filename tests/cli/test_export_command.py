import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from likewise.cli.main import main
from likewise.transforms import FittedTransform, Steps, Transform
from likewise.transforms import kinds as K  # noqa: N812
from likewise.transforms.registry import Node, Registry, ReleaseSpec

DATA = pa.table({"distance": [1.0, 2.0, None, 9.0], "carrier": ["UA", "AA", None, "UA"], "row": [0, 1, 2, 3]})


@dataclass(frozen=True)
class Outcome:
    """What a command printed, and how it ended."""

    code: int
    printed: str
    error: str


Likewise = Callable[..., Outcome]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIKEWISE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def likewise(home: Path, capsys: pytest.CaptureFixture[str]) -> Likewise:
    """Return what runs `likewise` in this process."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        code = ended.value.code if isinstance(ended.value.code, int) else 0
        return Outcome(code, captured.out, captured.err)

    return run


def fit(*extra: Steps) -> FittedTransform:
    outputs = {
        "dense": [Steps(["distance"], [K.SimpleImputer("median"), K.StandardScaler()])],
        "carrier": [Steps(["carrier"], [K.OrdinalEncoder()])],
        **{f"extra{at}": [steps] for at, steps in enumerate(extra)},
    }
    return Transform("flight_delay", outputs, feature_service="flights_v1").fit(DATA)


@pytest.fixture
def filled(home: Path) -> Registry:
    """Return a registry with a transform and a release whose model has no Keras file."""
    registry = Registry(f"sqlite:///{home}/registry.db", home / "blobs")
    model = registry.put_model({"model.txt": b"trees"}, metadata={"runtime": "lightgbm"})
    version = registry.publish(fit(), verified=True)
    registry.publish_release(
        ReleaseSpec(
            name="flight_delay",
            feast_project="flights",
            feature_service="flights_v1",
            feature_refs=("view:distance",),
            definitions_fingerprint="sha256:" + "0" * 64,
            definitions={},
            transform=version.digest,
            nodes=(Node("model", "model", model, ("dense", "carrier"), "late"),),
            join_keys=("carrier",),
        )
    )
    return registry


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("reference", ["transform:flight_delay:1", "flight_delay:1", "release:flight_delay:1"])
def test_a_reference_is_exported_to_sql(likewise: Likewise, tmp_path: Path, reference: str) -> None:
    """A transform or a release by reference becomes a file that DuckDB runs to the transform's outputs."""
    done = likewise("export", reference, "--to", "sql", "--output", tmp_path / "x.sql", "--keep", "row")
    assert done.code == 0, done.error
    for word in ("x.sql", "dense", "carrier", "1e-06", "flights_v1"):
        assert word in done.printed.replace("\n", "")
    with duckdb.connect() as connection:
        connection.register("data", DATA)
        connection.execute("CREATE TABLE flights_v1 AS SELECT * FROM data")
        rows = sorted(connection.execute((tmp_path / "x.sql").read_text()).fetchall())
    expected = fit().apply(DATA)
    assert [row[0] for row in rows] == [0, 1, 2, 3]
    assert np.array_equal(np.array([row[1] for row in rows], np.float32), expected["dense"][:, 0])
    assert [row[2] for row in rows] == expected["carrier"].tolist()


def test_a_file_is_exported_and_measured_as_json(likewise: Likewise, tmp_path: Path) -> None:
    """An artifact file needs no registry; --json tells what was measured and the columns."""
    artifact = fit().save(tmp_path / "fitted.safetensors")
    done = likewise("export", artifact, "--to", "sql", "--output", tmp_path / "x.sql", "--table", "t", "--json")
    facts = json.loads(done.printed)
    assert facts["digest"] == fit().digest
    assert facts["columns"] == ["distance", "carrier"]
    assert [one["values_that_differ"] for one in facts["measured"]] == [0, 0]
    assert 'FROM "t"' in (tmp_path / "x.sql").read_text()


@pytest.mark.parametrize("target", ["keras", "sql"])
def test_steps_without_a_form_are_named_and_nothing_is_written(likewise: Likewise, tmp_path: Path, target: str) -> None:
    """Exit 2 with every kind that can't be exported, and no file."""
    artifact = fit(Steps(["carrier"], [K.CountVectorizer()]), Steps(["carrier"], [K.FeatureHasher()])).save(
        tmp_path / "fitted.safetensors"
    )
    done = likewise("export", artifact, "--to", target, "--output", tmp_path / "out")
    assert done.code == 2
    for word in ("count_vectorizer/1", "feature_hasher/1", "'carrier'", target):
        assert word in done.error
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("filled")
def test_a_release_without_a_keras_model_is_refused_by_name(likewise: Likewise, tmp_path: Path) -> None:
    """Exit 2: what the model holds, and what to export instead."""
    done = likewise("export", "flight_delay:1", "--to", "keras", "--output", tmp_path / "out")
    assert done.code == 2
    assert "model.txt" in done.error
    assert "transform:NAME:VERSION" in done.error.replace("\n", " ")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere:1", "--to", "sql"], "nowhere"),
        (["flight_delay", "--to", "sql"], "expected one of 'flight_delay:1', 'transform:flight_delay:1'"),
        (["transform:flight_delay", "--to", "keras"], "expected one of 'transform:flight_delay:1'"),
        (["missing.safetensors", "--to", "sql"], "No such file"),
        (["model:sha256:" + "0" * 64, "--to", "sql"], "transform or a release"),
        (["flight_delay:1", "--to", "keras", "--table", "t"], "--table"),
        (["flight_delay:1", "--to", "keras", "--keep", "row"], "--keep"),
        (["flight_delay:1", "--to", "onnx"], "onnx"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value)[:30],
)
def test_bad_input_is_a_message(likewise: Likewise, tmp_path: Path, arguments: list[str], said: str) -> None:
    """Exit 2 with what was wrong; never a traceback, never a file."""
    done = likewise("export", *arguments, "--output", tmp_path / "out")
    assert done.code == 2
    assert said in done.error.replace("\n", " ")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("filled")
def test_something_foreign_at_the_output_is_left_alone(likewise: Likewise, tmp_path: Path) -> None:
    """Exit 2 when the output holds anything but an earlier export; it stays as it was."""
    (tmp_path / "notes.sql").write_text("mine")
    done = likewise("export", "flight_delay:1", "--to", "sql", "--output", tmp_path / "notes.sql")
    assert done.code == 2
    assert (tmp_path / "notes.sql").read_text() == "mine"


@pytest.mark.slow
@pytest.mark.usefixtures("filled")
def test_a_transform_is_exported_to_keras(likewise: Likewise, tmp_path: Path) -> None:
    """The folder is a SavedModel with its `.keras` file and the facts; what is printed says how to load it."""
    place = tmp_path / "keras"
    done = likewise("export", "transform:flight_delay:1", "--to", "keras", "--output", place)
    assert done.code == 0, done.error
    assert {"saved_model.pb", "model.keras", "likewise.json"} <= {path.name for path in place.iterdir()}
    for word in ("tf.saved_model.load", "raw columns to tensors", "dense"):
        assert word in done.printed.replace("\n", "")
    again = likewise("export", "transform:flight_delay:1", "--to", "keras", "--output", place, "--json")
    assert json.loads(again.printed)["prediction"] is None
