"""`likewise diff` tells what changed, for people and programs, of files and of versions in a registry."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from likewise.cli.main import main
from likewise.transforms import Bounds, FittedTransform, Steps, Transform
from likewise.transforms import kinds as K  # noqa: N812
from likewise.transforms.registry import Registry


def table(shift: float = 0.0, categories: tuple[str, ...] = ("AA", "B6", "UA")) -> pa.Table:
    rng = np.random.default_rng(0)
    return pa.table({"x": rng.normal(size=500) + shift, "c": rng.choice(categories, 500)})


def fitted(shift: float = 0.0, *categories: str, bounds: Bounds | None = None) -> FittedTransform:
    outputs = {"dense": [Steps(["x"], [K.StandardScaler()])], "c": [Steps(["c"], [K.OrdinalEncoder()])]}
    transform = Transform("delay", outputs)
    declared = transform.bounded(bounds) if bounds else transform
    return declared.fit(table(shift, categories or ("AA", "B6", "UA")))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with a registry of two versions, the file of a third, and sample rows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIKEWISE_HOME", str(tmp_path))
    registry = Registry(f"sqlite:///{tmp_path}/registry.db")
    registry.publish(fitted())
    registry.publish(fitted(0.01, bounds=Bounds(psi=0.3)))
    fitted(0.0, "AA", "DL", "UA").save(tmp_path / "third.safetensors")
    pyarrow.parquet.write_table(table(0.005), tmp_path / "rows.parquet")
    return tmp_path


def run(*arguments: str) -> int:
    try:
        main(["diff", *arguments])
    except SystemExit as exit_:
        return int(exit_.code or 0)
    return 0


def test_versions_are_compatible_within_the_declared_bounds(home: Path, capsys: Any) -> None:
    """Two versions of a registry, on sample rows: the verdict, what moved, and by which bounds it was judged."""
    assert run("transform:delay:1", "transform:delay:2", "--sample", "rows.parquet") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("compatible transform:delay:1 -> transform:delay:2")
    for words in ("standard_scaler/1", "500 rows of rows.parquet", "100.0%", "stability index 0.3"):
        assert words in printed


def test_the_same_version_is_identical(home: Path, capsys: Any) -> None:
    """A version against itself prints the verdict and the digests, and nothing else."""
    assert run("transform:delay:1", "transform:delay:1") == 0
    assert capsys.readouterr().out.splitlines()[0] == "identical transform:delay:1 -> transform:delay:1"


def test_a_lost_category_is_breaking_and_told_to_ci(home: Path, capsys: Any) -> None:
    """A category that is gone breaks: the reason names it, and --exit-code exits 1."""
    assert run("transform:delay:1", "third.safetensors", "--exit-code") == 1
    printed = capsys.readouterr().out
    assert "lost or moved categories: ['B6']" in printed
    assert "1: 'DL'" in printed
    assert "not judged" in printed


def test_options_come_before_declared_bounds(home: Path, capsys: Any) -> None:
    """--largest makes a small move breaking; without a sample nothing is judged by bounds."""
    assert run("transform:delay:1", "transform:delay:2", "--sample", "rows.parquet", "--largest", "0.001") == 0
    assert "breaking" in capsys.readouterr().out.splitlines()[0]
    assert run("transform:delay:1", "transform:delay:2", "--largest", "0.001") == 0
    assert "compatible" in capsys.readouterr().out.splitlines()[0]


def test_json_has_all(home: Path, capsys: Any) -> None:
    """--json prints sound JSON with verdict, bounds, categories, states and outputs."""
    assert run("transform:delay:1", "third.safetensors", "--sample", "rows.parquet", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "breaking"
    assert found["new"]["name"] == "third.safetensors"
    assert found["categories"][0] | {"new": ["DL"], "lost": ["B6"]} == found["categories"][0]
    assert found["outputs"][0]["psi"]["x"] == 0.0
    assert found["rows"] == 500


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing.safetensors", "third.safetensors"], "nothing.safetensors: expected the file of a transform"),
        (["transform:delay:9", "third.safetensors"], "delay"),
        (["transform:delay:1", "third.safetensors", "--sample", "third.safetensors"], "expected a Parquet file"),
    ],
)
def test_what_cannot_be_read_is_named(home: Path, capsys: Any, arguments: list[str], words: str) -> None:
    """A file, version or sample that cannot be read is an error with its name, exit 2."""
    assert run(*arguments) == 2
    assert words in capsys.readouterr().err.replace("\n", " ")


def test_a_sample_without_a_column_names_it(home: Path, capsys: Any) -> None:
    """Sample rows that lack a column of the transform are refused by its name."""
    pyarrow.parquet.write_table(table().select(["x"]), home / "narrow.parquet")
    assert run("transform:delay:1", "transform:delay:2", "--sample", "narrow.parquet") == 2
    assert "column 'c' is not in the data" in capsys.readouterr().err


def test_the_damaged_one_of_two_files_is_named(home: Path, capsys: Any) -> None:
    """Of two files the error names the one that is no artifact, and what is wrong with it."""
    (home / "bad.safetensors").write_bytes(b"hello")
    assert run("third.safetensors", "bad.safetensors") == 2
    error = " ".join(capsys.readouterr().err.split())
    assert "bad.safetensors: expected the file of a transform" in error
    assert "5 bytes" in error
