# ruff: noqa: D102 (the ports say what each method does)
"""Fakes of every port: a store, a transform, a model, a registry and a Feast repository in memory."""

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np

from likewise.serving.errors import (
    ReleaseRefusedError,
    StoreUnavailableError,
    UnknownFeatureError,
    UnknownFeatureServiceError,
    UnknownReleaseError,
)
from likewise.serving.loaded_release import LoadedRelease, ReleaseIdentity
from likewise.serving.online import (
    NO_TIME,
    NOT_FOUND,
    OUTSIDE_MAX_AGE,
    PRESENT,
    HeldRows,
    OnlineReader,
    StoredRows,
)
from likewise.serving.parts import Parts
from likewise.serving.plan import FeaturePlan, Field, KeyBinding, Served, StoredView
from likewise.serving.ports import FeatureRequest, ServedFeatures, serve_features
from likewise.serving.resident import split_reference
from likewise.stores.clock import FixedClock
from likewise.transforms.columns import LogicalType, column_from_values
from likewise.transforms.counters import Counters

NOW = datetime(2013, 11, 5, 12, tzinfo=UTC)
CARRIER = Field("carrier", LogicalType.TEXT, "STRING")
DISTANCE = Field("distance", LogicalType.NUMBER, "DOUBLE")
CARRIER_FIELDS = (
    Field("mean_delay", LogicalType.NUMBER, "DOUBLE"),
    Field("flights", LogicalType.NUMBER, "INT64"),
    Field("airline", LogicalType.TEXT, "STRING"),
)
ROUTE_FIELDS = (Field("late_share", LogicalType.NUMBER, "FLOAT"),)
CARRIER_VIEW = StoredView(
    "carrier_stats",
    "carrier_stats",
    (KeyBinding("carrier", "carrier"),),
    CARRIER_FIELDS,
    timedelta(days=1),
)
ROUTE_VIEW = StoredView(
    "route_stats",
    "route_stats",
    (KeyBinding("dest", "dest"), KeyBinding("origin", "origin")),
    ROUTE_FIELDS,
    None,
    2,
)
KEYS = (CARRIER, Field("origin", LogicalType.TEXT, "STRING"), Field("dest", LogicalType.TEXT, "STRING"))


def served(*, full_names: bool = False) -> tuple[Served, ...]:
    """Return the features of the fake service."""
    items = [(view, item) for view in (CARRIER_VIEW, ROUTE_VIEW) for item in view.fields]
    return tuple(
        Served(view.name, item, f"{view.name}__{item.name}" if full_names else item.name) for view, item in items
    )


def plan(*, full_names: bool = False) -> FeaturePlan:
    """Return the plan of the fake service: two views, one request field."""
    views = (CARRIER_VIEW, ROUTE_VIEW)
    return FeaturePlan("flight_delay_v1", KEYS, (DISTANCE,), views, (), served(full_names=full_names))


@dataclass
class FakeStore:
    """A `ViewStore` over dictionaries: (view, key values) -> (event time, values)."""

    plan: FeaturePlan
    rows: dict[tuple[str, tuple[object, ...]], tuple[datetime, Mapping[str, object]]]
    is_down: bool = False
    delay_seconds: float = 0.0

    def read(self, keys: Mapping[str, Sequence[object]]) -> Sequence[StoredRows]:
        if self.is_down:
            raise StoreUnavailableError("connection refused")
        return [self._view(view, keys) for view in self.plan.stored]

    async def read_async(self, keys: Mapping[str, Sequence[object]]) -> Sequence[StoredRows]:
        await asyncio.sleep(self.delay_seconds)
        return self.read(keys)

    def _view(self, view: StoredView, keys: Mapping[str, Sequence[object]]) -> StoredRows:
        entities = list(zip(*(keys[key.in_request] for key in view.keys), strict=True))
        found = [self.rows.get((view.name, entity)) for entity in entities]
        statuses, times, values = [], [], []
        for row in found:
            old = row is not None and view.ttl is not None and row[0] < NOW - view.ttl
            statuses.append(NOT_FOUND if row is None else OUTSIDE_MAX_AGE if old else PRESENT)
            times.append(NO_TIME if row is None else int(row[0].timestamp() * 1e6))
            values.append({} if row is None or old else row[1])
        columns = {
            item.name: column_from_values(item.name, [row.get(item.name) for row in values], item.type)
            for item in view.fields
        }
        return HeldRows(columns, np.array(statuses, np.uint8), np.array(times, np.int64))


def flights_rows() -> dict[tuple[str, tuple[object, ...]], tuple[datetime, Mapping[str, object]]]:
    """Return what the fake store holds: UA is fresh, OO has a null, DL is older than its TTL."""
    fresh, old = NOW - timedelta(hours=1), NOW - timedelta(days=3)
    return {
        ("carrier_stats", ("UA",)): (fresh, {"mean_delay": 4.5, "flights": 120, "airline": "United"}),
        ("carrier_stats", ("OO",)): (fresh, {"mean_delay": None, "flights": 3, "airline": "SkyWest"}),
        ("carrier_stats", ("DL",)): (old, {"mean_delay": 2.5, "flights": 80, "airline": "Delta"}),
        ("route_stats", ("SFO", "JFK")): (fresh, {"late_share": 0.25}),
    }


@dataclass
class FakeTransform:
    """Adds the numbers of a row; missing counts as 0."""

    digest: str = "sha256:" + "a" * 64
    name: str = "flight_delay"
    fails: bool = False
    delay_seconds: float = 0.0
    inputs: tuple[Any, ...] = ()
    outputs: tuple[Any, ...] = (SimpleNamespace(name="dense", dtype="float32", width=3, columns=("a", "b", "c")),)

    def apply_columns(self, columns: Any, counters: Counters | None = None) -> dict[str, np.ndarray]:
        time.sleep(self.delay_seconds)
        names = ("mean_delay", "late_share", "distance")
        dense = np.stack([np.asarray(columns[name].values, np.float64) for name in names], axis=1)
        if counters is not None:
            counters.rows += len(dense)
            counters.add("mean_delay", "missing", int(np.isnan(dense[:, 0]).sum()))
        with np.errstate(over="ignore"):
            return {"dense": np.nan_to_num(dense).astype(np.float32)}

    def check_golden(self) -> None:
        if self.fails:
            raise ReleaseRefusedError("flight_delay", "golden row 0 differs")


@dataclass
class FakePredictor:
    """Predicts the sum of a row plus its own offset, so that answers of two releases differ."""

    offset: float = 0.0

    def predict(self, tensors: Any) -> np.ndarray:
        return (tensors["dense"].sum(axis=1) + self.offset).astype(np.float32)

    def check_golden(self) -> None:
        """Hold."""


def loaded(version: int = 1, *, store: FakeStore | None = None, **parts: Any) -> LoadedRelease:
    """Return a loaded release over fakes; its predictions carry 1000 x version."""
    the_plan = plan()
    reader = OnlineReader(the_plan, store or FakeStore(the_plan, flights_rows()), (), FixedClock(NOW))
    transform = FakeTransform(digest=f"sha256:{version:064d}")
    identity = ReleaseIdentity("flight_delay", version, f"sha256:{version:064x}", transform.digest)
    return LoadedRelease(
        **{
            "identity": identity,
            "reader": reader,
            "transform": transform,
            "predictor": FakePredictor(1000.0 * version),
            **parts,
        }
    )


@dataclass
class FakeSource:
    """A `ReleaseSource` with aliases that tests move."""

    store: FakeStore
    aliases: dict[str, int] = field(default_factory=lambda: {"flight_delay@prod": 1})
    refused: set[int] = field(default_factory=set)
    loads: list[int] = field(default_factory=list)
    loaded: list[LoadedRelease] = field(default_factory=list)
    refuse_stale: bool = False
    changed: tuple[str, ...] = ()

    def moved(self, release: LoadedRelease) -> tuple[str, ...]:
        return self.changed

    def version_of(self, reference: str) -> int:
        mark = split_reference(reference)[1]
        if mark.startswith(":"):
            return int(mark[1:])
        if reference.removeprefix("release:") not in self.aliases:
            raise UnknownReleaseError(reference, self.aliases)
        return self.aliases[reference.removeprefix("release:")]

    def load(self, name: str, version: int) -> LoadedRelease:
        self.loads.append(version)
        if version in self.refused:
            raise ReleaseRefusedError(f"{name}:{version}", "golden row 0 of 'dense' differs")
        self.loaded.append(loaded(version, store=self.store, refuse_stale=self.refuse_stale))
        return self.loaded[-1]


@dataclass
class FakeCatalog:
    """A `FeatureCatalog` that knows one service."""

    store: FakeStore
    readers: dict[FeatureRequest, ServedFeatures] = field(default_factory=dict)

    def known(self, request: FeatureRequest) -> ServedFeatures | None:
        return self.readers.get(request)

    def resolve(self, request: FeatureRequest) -> ServedFeatures:
        full = plan(full_names=request.full_names)
        if request.service not in (None, "flight_delay_v1"):
            raise UnknownFeatureServiceError(request.service, ["flight_delay_v1"])
        known = {f"{item.view}:{item.field.name}": item for item in full.served}
        for reference in request.references:
            if reference not in known:
                raise UnknownFeatureError(reference, known)
        if request.service is None:
            chosen = tuple(known[reference] for reference in request.references)
            views = {item.view for item in chosen}
            stored = tuple(view for view in full.stored if view.name in views)
            names = {key.in_request for view in stored for key in view.keys}
            keys = tuple(key for key in KEYS if key.name in names)
            full = FeaturePlan(None, keys, (), stored, (), chosen)
        store = FakeStore(full, self.store.rows, self.store.is_down)
        served = serve_features(OnlineReader(full, store, (), FixedClock(NOW)))
        self.readers[request] = served
        return served

    def refresh(self) -> None:
        """Change nothing."""

    def is_reachable(self) -> bool:
        return not self.store.is_down


@dataclass
class FakeWriter:
    """Remembers what was written."""

    pushed: list[tuple[str, Mapping[str, Sequence[Any]], str]] = field(default_factory=list)
    written: list[tuple[str, Mapping[str, Sequence[Any]]]] = field(default_factory=list)

    def push(self, source: str, table: Mapping[str, Sequence[Any]], to: str) -> None:
        self.pushed.append((source, table, to))

    def write(self, view: str, table: Mapping[str, Sequence[Any]]) -> None:
        self.written.append((view, table))


@dataclass
class FakeRegistry:
    """A registry with one release."""

    def releases(self, name: str | None = None) -> list[Any]:
        return (
            [] if name not in (None, "flight_delay") else [ReleaseIdentity("flight_delay", 1, "sha256:d", "sha256:t")]
        )

    def release(self, reference: str) -> Any:
        if reference != "flight_delay:1":
            raise UnknownReleaseError(reference, ["flight_delay:1"])
        return ReleaseIdentity("flight_delay", 1, "sha256:d", "sha256:t")

    def transforms(self, name: str | None = None) -> list[Any]:
        return [{"name": name or "flight_delay", "version": 1}]

    def aliases(self, name: str) -> Any:
        return {"prod": 1}

    def alias_log(self, name: str) -> list[Any]:
        return [{"alias": "prod", "version": 1, "by": "ann", "why": "better", "at": NOW}]


@dataclass
class World:
    """Everything behind an app in a test."""

    store: FakeStore = field(default_factory=lambda: FakeStore(plan(), flights_rows()))
    writer: FakeWriter = field(default_factory=FakeWriter)
    closed: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.source = FakeSource(self.store)
        self.catalog = FakeCatalog(self.store)

    async def close(self) -> None:
        self.closed.set()

    def parts(self) -> Parts:
        return Parts(self.catalog, self.writer, self.source, FakeRegistry(), close=self.close)
