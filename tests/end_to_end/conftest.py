"""A project of its own on a slice of the flights: prepared, applied, trained once for all tests here."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from likewise.cli.demo.prepare import prepare
from likewise.cli.down_command import server_folders
from likewise.cli.feast_repository import feast_apply
from likewise.cli.main import main
from likewise.stores import embedded

ROOT = Path(__file__).resolve().parents[2]
DAYS = 45
CLOCK = "2013-02-11T17:00:00+00:00"
SLICE_RECIPE = '''
"""The demo's recipe on a few weeks: the same transform, a small model, gates that such a slice can meet."""

from dataclasses import replace
from pathlib import Path

from likewise.models import WideAndDeep
from likewise.training import AtMost, TimeSplit, load_recipe

recipe = replace(
    load_recipe(Path(__file__).with_name("flight_delay.py")),
    split=TimeSplit(train_until="2013-01-31", validate_until="2013-02-04", test_until="2013-02-09"),
    model=WideAndDeep(hidden=(16,), epochs=2),
    gates=[AtMost("log_loss", 2.0), "golden"],
)
'''


@dataclass(frozen=True, slots=True)
class Project:
    """Where the project is, and a function that runs `likewise` in it and returns the exit status."""

    home: Path
    repo: Path
    recipe: Path
    likewise: Callable[..., int]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Point the settings at a fresh folder for this module alone: other tests must not meet its clock."""
    project = tmp_path_factory.mktemp("end_to_end")
    wanted = {
        "LIKEWISE_HOME": str(project / ".likewise"),
        "LIKEWISE_REPO": str(project / "feature_repo"),
        "LIKEWISE_CLOCK": CLOCK,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("LIKEWISE_") or name == "REDIS_URL"]:
            patch.delenv(name)
        for name, value in wanted.items():
            patch.setenv(name, value)
        yield project
        for folder in server_folders(project):
            embedded.stop(folder)


@pytest.fixture(scope="module")
def project(environment: Path) -> Project:
    """Prepare the data, register the features, bring the online store up, and publish a release as prod."""
    repo = shutil.copytree(
        ROOT / "feature_repo", environment / "feature_repo", ignore=shutil.ignore_patterns("data", "__pycache__")
    )
    prepare(repo / "data", days=DAYS)
    feast_apply(repo)
    recipe = repo / "recipes" / "slice.py"
    recipe.write_text(SLICE_RECIPE, "utf-8")
    assert run_likewise("materialize") == 0
    assert run_likewise("run", str(recipe)) == 0
    return Project(environment / ".likewise", repo, recipe, run_likewise)


def run_likewise(*arguments: str) -> int:
    """Run a command in this process and return its exit status."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)
