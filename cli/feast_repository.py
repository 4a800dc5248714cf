"""Opens the user's Feast repository, with messages that say what to do when that fails."""

import os
import subprocess
import sys
from pathlib import Path

from feast import FeatureStore

from likewise.cli.errors import FeastCommandError, RepositoryError

YAML = "feature_store.yaml"


def check_repository(repo: Path, *needed: str) -> None:
    """Raise `RepositoryError` unless the folder is a Feast repository with these files."""
    _check_folder(repo)
    for name in needed:
        if not (repo / name).is_file():
            raise RepositoryError(repo, f"there is no {name} in it, which this command needs")


def open_repository(repo: Path) -> FeatureStore:
    """Return the Feast store of a repository.

    Raises
    ------
    RepositoryError
        There is no `feature_store.yaml`, or Feast refuses it.
    """
    _check_folder(repo)
    try:
        return FeatureStore(repo_path=str(repo.resolve()))
    except Exception as error:  # Feast raises bare exceptions of many kinds for a bad yaml
        raise RepositoryError(repo, f"Feast refuses its {YAML}: {error}") from error


def feast_apply(repo: Path) -> str:
    """Register the repository's definitions by the unmodified `feast apply`; return what it printed.

    A process of its own, because Feast imports the repository's files under their bare names.

    Raises
    ------
    FeastCommandError
        With what Feast printed.
    """
    _check_folder(repo)
    command = [sys.executable, "-m", "feast.cli.cli", "apply"]
    found = subprocess.run(command, cwd=repo, env=_environment(), capture_output=True, text=True, check=False)
    if found.returncode != 0:
        raise FeastCommandError("feast apply", repo, (found.stdout + found.stderr).strip())
    return found.stdout.strip()


def _environment() -> dict[str, str]:
    return {**os.environ, "FEAST_USAGE": "False", "PYTHONWARNINGS": "ignore"}


def _check_folder(repo: Path) -> None:
    if not (repo / YAML).is_file():
        raise RepositoryError(repo, f"there is no {YAML} in it; name yours with LIKEWISE_REPO or --repo")
