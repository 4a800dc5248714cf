"""The project of the serving benchmark: views of ten features, a thousand entities, a release of 60 features."""

import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, Int64, String

from likewise.models import TensorSpec, WideAndDeep
from likewise.models.packaging import ModelRecord, package_model
from likewise.stores.definitions import describe_definitions
from likewise.transforms import Steps, Transform
from likewise.transforms import kinds as K  # noqa: N812  as recipes write it
from likewise.transforms.registry import Node, Registry, ReleaseSpec

ENTITIES = 1_000
VIEWS = 25
PER_VIEW = 10
OURS = "likewise.stores.packed_redis.PackedRedisOnlineStore"


@dataclass(frozen=True)
class Repository:
    """A Feast repository with services `wide_50` and `wide_250`."""

    folder: Path
    store: FeatureStore


def make_repository(folder: Path, online: str) -> Repository:
    """Apply the views to a new repository and write every entity's rows.

    Parameters
    ----------
    online
        The `online_store:` part of `feature_store.yaml`.
    """
    folder.mkdir(parents=True)
    (folder / "feature_store.yaml").write_text(
        f"project: bench\nprovider: local\nregistry: {folder}/registry.db\n"
        f"online_store:\n{online}\nentity_key_serialization_version: 3\n"
    )
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
    views = [_view(folder, at, user) for at in range(VIEWS)]
    store = FeatureStore(repo_path=str(folder))
    services = [FeatureService(name=f"wide_{count * PER_VIEW}", features=views[:count]) for count in (1, 5, 6, VIEWS)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store.apply([user, *views, *services])
    for view in views:
        store.write_to_online_store(view.name, rows_of(view.name))
    return Repository(folder, store)


def _names(view: str) -> list[str]:
    return [f"{view}_f{at}" for at in range(PER_VIEW)]


def _view(folder: Path, at: int, user: Entity) -> FeatureView:
    name = f"v{at}"
    types = [*[Float64] * 7, Int64, Int64, String]
    schema = [Field(name=feature, dtype=kind) for feature, kind in zip(_names(name), types, strict=True)]
    pq.write_table(pa.table({"user_id": pa.array([], pa.int64())}), folder / f"{name}.parquet")
    source = FileSource(name=f"s{at}", path=str(folder / f"{name}.parquet"), timestamp_field="event_timestamp")
    keyed = [Field(name="user_id", dtype=Int64), *schema]
    return FeatureView(name=name, entities=[user], ttl=timedelta(days=3650), schema=keyed, source=source)


def rows_of(view: str) -> pd.DataFrame:
    """Return the rows of a view: seven floats, two integers, a text of 40 categories."""
    random = np.random.default_rng(int(view[1:]))
    names = _names(view)
    columns: dict[str, object] = {"user_id": np.arange(ENTITIES)}
    columns |= {name: random.normal(size=ENTITIES).round(4) for name in names[:7]}
    columns |= {name: random.integers(0, 1000, ENTITIES) for name in names[7:9]}
    columns[names[9]] = [f"c{code}" for code in random.integers(0, 40, ENTITIES)]
    columns["event_timestamp"] = datetime.now(UTC) - timedelta(minutes=5)
    return pd.DataFrame(columns)


def publish_release(repository: Repository, url: str, views: int = 6, seed: int = 0) -> None:
    """Publish another release of 10 features a view: nine scaled numbers, one code, wide and deep, untrained.

    The alias `prod` is set with the first one. Releases of different seeds differ in transform and in model.
    """
    service = f"wide_{views * PER_VIEW}"
    frames = [rows_of(f"v{at}").drop(columns="event_timestamp").set_index("user_id") for at in range(views)]
    data = pd.concat(frames, axis=1).sample(frac=1 / (seed + 1), random_state=seed)
    numbers = [name for name in data if not name.endswith("f9")]
    codes = [name for name in data if name.endswith("f9")]
    outputs = {"numbers": [Steps(numbers, [K.SimpleImputer("median"), K.StandardScaler()])]}
    outputs |= {name: [Steps([name], [K.OrdinalEncoder(unseen="oov", missing="category")])] for name in codes}
    fitted = Transform(name="bench", feature_service=service, outputs=outputs).fit(data)
    registry = Registry(url)
    version = registry.publish(fitted, verified=True)
    family = WideAndDeep(seed=seed)
    specs = [TensorSpec.of(output) for output in fitted.outputs]
    artifact = package_model(family.build(specs), fitted.outputs, fitted.apply(data), ModelRecord("late"))
    definitions = describe_definitions(repository.store, service)
    release = registry.publish_release(
        ReleaseSpec(
            name="bench",
            feast_project="bench",
            feature_service=service,
            feature_refs=definitions.feature_refs,
            definitions_fingerprint=definitions.fingerprint,
            definitions=dict(definitions.parts),
            transform=version.digest,
            nodes=(
                Node("model", "model", registry.put_model(artifact.files, metadata=artifact.metadata),
                     tuple(spec.name for spec in specs), "late"),
            ),
            join_keys=definitions.join_keys,
        )
    )  # fmt: skip
    if release.version == 1:
        registry.set_alias("bench", "prod", 1, why="benchmark")
