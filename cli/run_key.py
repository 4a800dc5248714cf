"""What a run's result follows from, as one key: equal keys mean that running again would change nothing.

A part that can't be digested makes the key None: the run is then done anew, never taken over by mistake.
"""

import hashlib
from collections.abc import Iterable
from importlib.metadata import distributions
from pathlib import Path

from feast import FeatureStore, FileSource

from likewise.stores.definitions import describe_definitions
from likewise.training import Recipe
from likewise.training.history_file import History, file_fingerprint

PACKAGES = ("transforms", "stores", "models", "training", "cli")


def history_key(store: FeatureStore, recipe: Recipe, repo: Path) -> str | None:
    """Return the digest of all that decides the history: definitions, source files, entity rows, our code.

    None when a view reads from something else than single files.
    """
    service = recipe.transform.feature_service
    sources = [view.batch_source for view in store.list_feature_views()]
    paths = [source.path for source in sources if isinstance(source, FileSource)]
    if service is None or len(paths) < len(sources):
        return None
    files = sorted({repo / path for path in paths} | {repo / recipe.entities})
    if not all(path.is_file() for path in files):
        return None
    return _digest(
        [
            describe_definitions(store, service).fingerprint,
            str(recipe.sample),
            *(file_fingerprint(path) for path in files),
            *_code(("stores", "training")),
        ]
    )


def run_key(history: History, recipe_file: Path, registry_url: str) -> str:
    """Return the digest of all that decides a release.

    These are the history and the definitions it was retrieved with, the recipe and the Python files beside it, our
    code, the versions of all libraries, and the registry it is published to.
    """
    libraries = sorted(f"{one.metadata['Name']}=={one.version}" for one in distributions())
    recipes = [file_fingerprint(path) for path in sorted(recipe_file.parent.rglob("*.py"))]
    decided = [history.fingerprint, history.definitions_fingerprint, recipe_file.name, registry_url]
    return _digest([*decided, *recipes, *_code(PACKAGES), *libraries])


def _code(packages: Iterable[str]) -> list[str]:
    root = Path(__file__).parent.parent
    return [file_fingerprint(path) for package in packages for path in sorted((root / package).rglob("*.py"))]


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
