"""The same Feast repository over an online store and a registry of its own, so that replay disturbs nobody."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from feast import FeatureStore

from likewise.stores import embedded
from likewise.stores.clock import VARIABLE as CLOCK_VARIABLE

REDIS_VARIABLE = "REDIS_URL"


@dataclass(frozen=True, slots=True)
class SideStore:
    """A Feast store for writing, and the folder of its `feature_store.yaml` for serving from it."""

    store: FeatureStore
    folder: Path


@contextmanager
def side_store(repo: Path, registry: bytes, folder: Path) -> Iterator[SideStore]:
    """Open the repository on an empty embedded Redis below `folder`; stop that server afterwards.

    Parameters
    ----------
    repo
        A Feast repository that was applied.
    registry
        Its Feast registry, serialized: wherever that lives, the side store has its own copy as a file.
    folder
        Scratch folder; its content is removed first.
    """
    embedded.stop(folder / "redis")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    outside = os.environ.pop(REDIS_VARIABLE, None)
    try:
        yaml_file = _side_yaml(repo, registry, folder.resolve())
        yield SideStore(FeatureStore(repo_path=str(repo), fs_yaml_file=yaml_file), folder)
    finally:
        if outside is not None:
            os.environ[REDIS_VARIABLE] = outside
        embedded.stop(folder / "redis")


@contextmanager
def clock_at(instant: datetime) -> Iterator[None]:
    """Play an instant: inside the block the stores' clock stands there."""
    before = os.environ.get(CLOCK_VARIABLE)
    os.environ[CLOCK_VARIABLE] = instant.isoformat()
    try:
        yield
    finally:
        if before is None:
            del os.environ[CLOCK_VARIABLE]
        else:
            os.environ[CLOCK_VARIABLE] = before


def _side_yaml(repo: Path, registry: bytes, folder: Path) -> Path:
    config: dict[str, Any] = yaml.safe_load(os.path.expandvars((repo / "feature_store.yaml").read_text("utf-8")))
    copy = folder / "registry.db"
    copy.write_bytes(registry)
    config["registry"] = {"registry_type": "file", "path": str(copy)}
    # Of the repository's settings only the type holds for an embedded server.
    config["online_store"] = {
        "type": config["online_store"]["type"],
        "connection_string": f"embedded:{folder / 'redis'}",
    }
    target = folder / "feature_store.yaml"
    target.write_text(yaml.safe_dump(config), "utf-8")
    return target
