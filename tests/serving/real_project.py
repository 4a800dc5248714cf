"""A real project: the repository of `real_repository` and a registry with a release that reads it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from feast import FeatureStore

from likewise.serving.settings import ServingSettings
from likewise.stores.definitions import describe_definitions
from likewise.transforms import Steps, Transform
from likewise.transforms import kinds as K  # noqa: N812  as recipes write it
from likewise.transforms.registry import Node, Registry, Release, ReleaseSpec
from tests.serving.fakes import NOW
from tests.serving.real_repository import repository_in

MODEL = Path(__file__).parents[1] / "models" / "artifact_format_1"
ROWS = {"carrier": ["UA", "OO", "ZZ"], "distance": [100.0, None, 7.5], "departs": ["2013-11-05T23:30:00Z"] * 3}


@dataclass(frozen=True)
class Project:
    """A repository and a registry with one release, `small@prod`."""

    repo: Path
    url: str
    registry: Registry
    spec: ReleaseSpec
    release: Release

    def environ(self) -> dict[str, str]:
        """Return what tells a command where its registry is."""
        return {"LIKEWISE_REGISTRY": self.url, "LIKEWISE_BLOBS": str(self.repo / "blobs")}

    def settings(self, **changes: Any) -> ServingSettings:
        """Return settings that serve it."""
        base = ServingSettings(
            repo=self.repo, registry=self.url, releases=("small@prod",), clock=NOW.isoformat(), poll_seconds=0.05
        )
        return replace(base, **changes)


def training_rows() -> pa.Table:
    """Return rows that give the codes that the frozen model has: 5 carriers and 38 numbers of flights."""
    n = 190
    random = np.random.default_rng(3)
    return pa.table(
        {
            "mean_delay": random.normal(size=n),
            "delay_per_mile": random.normal(size=n),
            "hour": random.integers(0, 24, n),
            "busy": random.normal(size=n),
            "distance": random.normal(size=n),
            "carrier": [("UA", "OO", "DL", "B6", "AA")[at % 5] for at in range(n)],
            "flights": [at % 38 for at in range(n)],
        }
    )


@contextmanager
def project_in(folder: Path) -> Iterator[Project]:
    """Make the project in a folder for the length of a `with`."""
    with repository_in(folder) as store:
        yield _publish(folder, store)


def _publish(folder: Path, store: FeatureStore) -> Project:
    as_code = [K.OrdinalEncoder(unseen="oov", missing="category")]
    numbers = ["mean_delay", "delay_per_mile", "hour", "busy", "distance"]
    transform = Transform(
        name="small",
        feature_service="full",
        outputs={
            "numbers": [Steps(numbers, [K.SimpleImputer("median"), K.StandardScaler()])],
            "carrier": [Steps(["carrier"], as_code)],
            "route": [Steps(["flights"], as_code)],
        },
    )
    url = f"sqlite:///{folder}/likewise.db"
    registry = Registry(url)
    version = registry.publish(transform.fit(training_rows()), verified=True)
    files = {path.name: path.read_bytes() for path in MODEL.iterdir() if path.suffix != ".json"}
    model = registry.put_model(files, metadata=json.loads((MODEL / "metadata.json").read_text()))
    definitions = describe_definitions(store, "full")
    spec = ReleaseSpec(
        name="small",
        feast_project="tested",
        feature_service="full",
        feature_refs=definitions.feature_refs,
        definitions_fingerprint=definitions.fingerprint,
        definitions=dict(definitions.parts),
        transform=version.digest,
        nodes=(Node("model", "model", model, ("numbers", "carrier", "route"), "late"),),
        join_keys=definitions.join_keys,
        request_fields={name: kind.value for name, kind in definitions.request_fields.items()},
        metrics={"roc_auc": 0.7},
    )
    release = registry.publish_release(spec)
    registry.set_alias("small", "prod", release.version, why="first")
    return Project(folder, url, registry, spec, release)
