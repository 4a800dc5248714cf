import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from likewise.cli.main import main
from likewise.transforms import FittedTransform, Steps, Transform
from likewise.transforms.kinds import OrdinalEncoder, SimpleImputer, StandardScaler
from likewise.transforms.registry import Node, Registry, ReleaseSpec

SERVICE = "flight_delay_v1"


@dataclass(frozen=True)
class Outcome:
    """What a command printed, and how it ended."""

    code: int
    printed: str
    error: str

    @property
    def json(self) -> dict:
        """What it printed, as JSON."""
        return json.loads(self.printed)


Likewise = Callable[..., Outcome]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that the commands take for LIKEWISE_HOME."""
    for name in ("LIKEWISE_REGISTRY", "LIKEWISE_BLOBS", "LIKEWISE_CLOCK", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LIKEWISE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def likewise(home: Path, capsys: pytest.CaptureFixture[str]) -> Likewise:
    """Return what runs `likewise` in this process."""

    def run(*arguments: str) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        captured = capsys.readouterr()
        code = ended.value.code if isinstance(ended.value.code, int) else 0
        return Outcome(code, captured.out, captured.err)

    return run


def fit(distances: list[float]) -> FittedTransform:
    transform = Transform(
        name="flight_delay",
        feature_service=SERVICE,
        outputs={
            "dense": [Steps(["distance"], [SimpleImputer("median"), StandardScaler()])],
            "carrier": [Steps(["carrier"], [OrdinalEncoder(unseen="oov", missing="category")])],
        },
    )
    return transform.fit(pa.table({"distance": distances, "carrier": ["UA", "AA", "B6"]}))


@pytest.fixture
def filled(home: Path) -> Registry:
    """Return a registry with two transforms, a model and two releases, the first of them `prod`."""
    registry = Registry(f"sqlite:///{home}/registry.db", home / "blobs")
    model = registry.put_model({"model.tflite": b"flat"}, metadata={"runtime": "litert"}, by="ann")
    for distances in ([1.0, 2.0, 3.0], [1.0, 2.0, 9.0]):
        transform = registry.publish(fit(distances), by="ann", verified=True)
        spec = ReleaseSpec(
            name="flight_delay",
            feast_project="flights",
            feature_service=SERVICE,
            feature_refs=("carriers:carrier", "routes:distance"),
            definitions_fingerprint="sha256:" + "0" * 64,
            transform=transform.reference,
            nodes=(Node("delay", "model", model, ("dense", "carrier"), "late"),),
            metrics={"test": {"roc_auc": 0.712}},
        )
        registry.publish_release(spec, by="ann")
    registry.set_alias("flight_delay", "prod", 1, by="ann", why="first")
    return registry


def test_list_shows_every_shelf(likewise: Likewise, filled: Registry) -> None:
    """`likewise list` tells releases with their aliases and transforms, transforms and models."""
    outcome = likewise("list")
    assert outcome.code == 0
    for text in ("Releases (2)", "Aliases (1)", "flight_delay@prod", "Transforms (2)", "Models (1)", "litert"):
        assert text in outcome.printed
    assert set(likewise("list", "--json").json) == {"releases", "aliases", "transforms", "models"}
    assert [row["version"] for row in likewise("list", "releases", "--json").json["releases"]] == [1, 2]


def test_list_of_nothing_says_what_fills_it_and_makes_no_file(likewise: Likewise, home: Path) -> None:
    """On a bare machine `likewise list` is no error, and reading leaves no trace."""
    outcome = likewise("list")
    assert (outcome.code, "likewise demo" in outcome.printed) == (0, True)
    assert likewise("list", "models", "--json").json == {"models": []}
    assert not home.exists()


def test_show_release_tells_what_it_pins(likewise: Likewise, filled: Registry) -> None:
    """A release shows its transform, nodes, features and metrics; --json holds the whole manifest."""
    printed = likewise("show", "flight_delay@prod").printed
    for text in ("release:flight_delay:1", "@prod", "transform:flight_delay:1", "verified", "delay", "0.712", "routes"):
        assert text in printed
    shown = likewise("show", "release:flight_delay:1", "--json").json
    assert shown["feature_refs"] == ["carriers:carrier", "routes:distance"]
    assert shown["aliases"] == ["prod"]
    assert shown["nodes"][0]["inputs"] == ["dense", "carrier"]


def test_show_transform_tells_schema_policies_statistics_and_provenance(likewise: Likewise, filled: Registry) -> None:
    """A transform shows inputs, outputs, each kind with its policies, what it fitted, and where it came from."""
    printed = likewise("show", "transform:flight_delay:1").printed
    for text in (
        "distance  number",
        "float32",
        "standard_scaler/1",
        "unseen='oov'",
        "mean 2",
        "categories (3): AA, B6, UA",
    ):
        assert text in printed
    assert "rows" in printed
    shown = likewise("show", "transform:flight_delay:1", "--json").json
    assert shown["releases"] == ["release:flight_delay:1"]
    assert shown["artifact"]["outputs"][1]["cardinality"] == 5


def test_show_takes_the_file_of_an_artifact(likewise: Likewise, tmp_path: Path) -> None:
    """A transform that was only saved, in no registry, shows the same."""
    path = fit([1.0, 2.0, 3.0]).save(tmp_path / "delay.safetensors")
    assert "simple_imputer/1" in likewise("show", str(path)).printed
    assert likewise("show", str(path), "--json").json["feature_service"] == SERVICE


def test_show_model_tells_files_and_metadata(likewise: Likewise, filled: Registry) -> None:
    """A model is shown by its digest, whole or shortened as `likewise list` prints it."""
    digest = filled.models()[0].digest
    assert "model.tflite" in likewise("show", f"model:{digest[:19]}").printed
    assert likewise("show", f"model:{digest}", "--json").json["files"] == {"model.tflite": 4}


def test_alias_moves_and_the_log_tells(likewise: Likewise, filled: Registry) -> None:
    """Promoting and rolling back are one command; the log says who, from where to where, and why."""
    moved = likewise("alias", "flight_delay", "prod", "2", "--why", "better [bold]AUC", "--by", "bob")
    assert "version 1 -> version 2" in moved.printed
    assert "already" in likewise("alias", "flight_delay", "prod", "2", "--why", "again").printed
    likewise("alias", "flight_delay", "prod", "1", "--why", "late\x1b[31m data", "--json")
    rows = likewise("log", "flight_delay", "--json").json
    assert [(row["from_version"], row["to_version"]) for row in rows] == [(None, 1), (1, 2), (2, 1)]
    printed = likewise("log", "flight_delay").printed
    assert "bob" in printed
    assert "better [bold]AUC" in printed
    assert "\x1b" not in printed


def test_a_name_without_version_is_told_its_versions(likewise: Likewise, filled: Registry) -> None:
    """`likewise show NAME` says which references there are."""
    outcome = likewise("show", "flight_delay")
    assert outcome.code == 2
    for text in ("'flight_delay@prod'", "'flight_delay:2'", "'transform:flight_delay:1'"):
        assert text in outcome.error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "flight_dela@prod"], "Did you mean 'flight_delay'?"),
        (["show", "flight_delay@pord"], "Did you mean 'prod'?"),
        (["show", "flight_delay:7"], "versions 1 to 2, got version 7"),
        (["show", "transform:flight_delay:x"], "expected transform:NAME:VERSION"),
        (["show", "model:sha256:0123456789"], "no model with digest sha256:0123456789"),
        (["show", "nowhere/delay.safetensors"], "nowhere/delay.safetensors: expected the file of a transform"),
        (["show", __file__], "not a sound transform artifact"),
        (["show", "a b c"], "is not a reference"),
        (["alias", "flight_delay", "prod", "7", "--why", "x"], "versions 1 to 2, got version 7"),
        (["alias", "flight_delay", "7", "1", "--why", "x"], "can't be an alias"),
        (["alias", "flight_delay", "prod", "1", "--why", " "], "needs a reason"),
        (["alias", "flight_delay", "prod", "1"], "Missing option '--why'"),
        (["alias", "flight_delay", "prod", "0", "--why", "x"], "version"),
        (["log", "nobody"], "no release is called 'nobody'"),
        (["list", "cats"], "'cats' is not one of"),
    ],
)
def test_bad_input_gets_a_message_and_exit_2(
    likewise: Likewise, filled: Registry, arguments: list[str], words: str
) -> None:
    """Whatever is wrong, a sentence says what was expected and got; no traceback, exit 2, nothing moved."""
    outcome = likewise(*arguments)
    assert outcome.code == 2
    assert words in " ".join(outcome.error.split())
    assert outcome.printed == ""
    assert len(filled.alias_log("flight_delay")) == 1


def test_a_registry_that_can_not_be_is_told(likewise: Likewise, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that does not answer, or is none, is a sentence with the setting to check."""
    monkeypatch.setenv("LIKEWISE_REGISTRY", "postgresql://ann:secret@127.0.0.1:1/registry")
    down = likewise("list")
    assert (down.code, "LIKEWISE_REGISTRY" in down.error, "secret" in down.error) == (2, True, False)
    monkeypatch.setenv("LIKEWISE_REGISTRY", f"sqlite:///{__file__}")
    assert "file is not a database" in likewise("list").error


def test_check_names_what_is_damaged(likewise: Likewise, filled: Registry, home: Path) -> None:
    """`likewise check` says that all is whole, or names each damaged thing and exits 1."""
    assert likewise("check").code == 0
    digest = filled.transform("flight_delay:1").blob.removeprefix("sha256:")
    (home / "blobs" / "sha256" / digest[:2] / digest).unlink()
    outcome = likewise("check")
    assert outcome.code == 1
    assert "transform:flight_delay:1" in outcome.printed
    assert likewise("check", "--json").code == 1
    assert "is not at" in likewise("show", "transform:flight_delay:1").error


def test_a_bundle_goes_from_one_registry_to_another(
    likewise: Likewise, filled: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`bundle export` and `bundle import` carry a release to a machine that has no registry yet."""
    file = str(tmp_path / "delay.bundle")
    assert "Exported flight_delay@prod" in likewise("bundle", "export", "flight_delay@prod", file).printed
    monkeypatch.setenv("LIKEWISE_HOME", str(tmp_path / "other"))
    assert "release:flight_delay:1 here." in likewise("bundle", "import", file, "--by", "bob").printed
    again = likewise("bundle", "import", file, "--verified", "--json").json
    assert (again["is_new"], again["created_by"]) == (False, "bob")
    assert "version 1" in likewise("alias", "flight_delay", "prod", "1", "--why", "imported").printed
    bad = likewise("bundle", "import", __file__)
    assert (bad.code, "not a zip file" in bad.error) == (2, True)


def test_the_help_page_loads_no_database() -> None:
    """The commands stand on the help page without loading SQLAlchemy or the registry."""
    code = "import sys, likewise.cli.main; print([n for n in ('sqlalchemy', 'alembic', 'fsspec') if n in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": ""}
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert answer.stdout.strip() == "[]"
