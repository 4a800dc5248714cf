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

PACKAGES = ("transforms", "stores", "models", "training")


def history_key(store: FeatureStore, recipe: Recipe, repo: Path) -> str | None:
    """Return the digest of all that decides the history: definitions, source files, entity rows, our code.

    None when a view reads from something else than files.
    """
    service = recipe.transform.feature_service
    sources = [view.batch_source for view in store.list_feature_views()]
    paths = [source.path for source in sources if isinstance(source, FileSource)]
    if service is None or len(paths) < len(sources):
        return None
    files = sorted({repo / path for path in paths} | {repo / recipe.entities})
    return _digest(
        [
            describe_definitions(store, service).fingerprint,
            str(recipe.sample),
            *(_file_digest(path) for path in files),
            *_code(("stores", "training")),
        ]
    )


def run_key(history_fingerprint: str, recipe_file: Path) -> str:
    """Return the digest of all that decides a release: history, the recipe's text, our code, library versions."""
    libraries = sorted(f"{one.metadata['Name']}=={one.version}" for one in distributions())
    return _digest([history_fingerprint, _file_digest(recipe_file), *_code(PACKAGES), *libraries])


def _code(packages: Iterable[str]) -> list[str]:
    root = Path(__file__).parent.parent
    return [_file_digest(path) for package in packages for path in sorted((root / package).rglob("*.py"))]


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
