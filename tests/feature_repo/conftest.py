import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from feast import FeatureStore

from likewise.cli.demo.prepare import prepare
from likewise.stores.embedded import stop

FEATURE_REPO = Path(__file__).resolve().parents[2] / "feature_repo"
DAYS = 10
Feast = Callable[..., str]


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Copy the repository as it stands, with ten days of data, and stop its Redis in the end."""
    project = tmp_path_factory.mktemp("project")
    ignored = shutil.ignore_patterns("data", "__pycache__")
    repository = shutil.copytree(FEATURE_REPO, project / "feature_repo", ignore=ignored)
    prepare(repository / "data", days=DAYS)
    yield repository
    stop(project / ".likewise" / "redis")


@pytest.fixture(scope="session")
def feast(repository: Path) -> Feast:
    """Return a function that runs the unmodified command and returns what it prints."""

    def run(*arguments: str, clock: str | None = None) -> str:
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        if clock is not None:
            environment["LIKEWISE_CLOCK"] = clock
        command = [str(Path(sys.executable).with_name("feast")), *arguments]
        answer = subprocess.run(
            command, cwd=repository, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout

    return run


@pytest.fixture(scope="session")
def applied(feast: Feast) -> str:
    """Register everything and return what `feast apply` printed."""
    return feast("apply")


@pytest.fixture(scope="session")
def store(repository: Path, applied: str) -> FeatureStore:
    """Open the registered repository."""
    return FeatureStore(repo_path=str(repository))
