"""One embedded Redis, Parquet files of five views, and Feast repositories over them; figures with their bars."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import redis
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64, Int64

from likewise.stores.embedded import EmbeddedServer, attach, stop

VIEWS, FEATURES = 5, 50
NOW = datetime.now(UTC).replace(microsecond=0)
ENTITIES = Entity(name="uid", join_keys=["uid"], value_type=ValueType.INT64)
OURS = {
    "online": "likewise.stores.packed_redis.PackedRedisOnlineStore",
    "offline": "likewise.stores.asof_duckdb.AsofDuckDBOfflineStore",
    "engine": "likewise.stores.local_engine.LikewiseEngine",
}
FEASTS = {"online": "redis", "offline": "dask", "engine": "local"}


@dataclass(frozen=True, slots=True)
class Bench:
    """One Redis, one folder of Parquet files, and the two Feast repositories over them."""

    folder: Path
    server: EmbeddedServer
    raw: Any
    rows: int

    def views(self) -> list[FeatureView]:
        """Return the feature views."""
        return [self.view(f"view_{at}", at) for at in range(VIEWS)]

    def view(self, name: str, at: int) -> FeatureView:
        """Return a view over the file of its name, with the features of view `at`."""
        source = FileSource(
            name=f"{name}_source", path=str(self.folder / f"{name}.parquet"), timestamp_field="event_timestamp"
        )
        return FeatureView(
            name=name,
            entities=[ENTITIES],
            ttl=timedelta(days=1),
            schema=[Field(name="uid", dtype=Int64), *(Field(name=name, dtype=Float64) for name in feature_names(at))],
            source=source,
        )

    def repository(self, project: str, parts: dict[str, str], views: list[FeatureView]) -> FeatureStore:
        """Return a Feast store of one kind, views applied."""
        config = RepoConfig(
            project=project,
            provider="local",
            registry=str(self.folder / f"{project}.db"),
            entity_key_serialization_version=3,
            online_store={"type": parts["online"], "connection_string": f"127.0.0.1:{self.server.port}"},
            offline_store={"type": parts["offline"]},
            batch_engine={"type": parts["engine"]},
        )
        store = FeatureStore(config=config)
        store.apply([ENTITIES, *views])
        return store

    def used_memory(self) -> int:
        """Return the bytes that Redis has allocated."""
        return int(self.raw.info("memory")["used_memory"])

    def server_seconds(self) -> float:
        """Return the processor time that Redis has used."""
        cpu = self.raw.info("cpu")
        return float(cpu["used_cpu_sys"]) + float(cpu["used_cpu_user"])


def feature_names(view: int) -> list[str]:
    """Return the feature names of a view."""
    return [f"f{view}_{at:02d}" for at in range(FEATURES)]


def table_of(view: int, rows: int, minutes: int = 0) -> pa.Table:
    """Return one view's data, an hour and less so many minutes old; fixed seed."""
    rng = np.random.default_rng(view)
    columns: dict[str, Any] = {"uid": np.arange(rows)}
    columns |= {name: rng.normal(size=rows) for name in feature_names(view)}
    instant = np.datetime64(NOW.replace(tzinfo=None) - timedelta(minutes=60 - minutes), "us")
    columns["event_timestamp"] = pa.array(np.full(rows, instant), pa.timestamp("us", tz="UTC"))
    return pa.table(columns)


@contextlib.contextmanager
def bench(rows: int) -> Iterator[Bench]:
    """Run an embedded Redis over fresh Parquet files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for view in range(VIEWS):
            pq.write_table(table_of(view, rows), folder / f"view_{view}.parquet")
        server = attach(folder / "redis")
        try:
            with redis.Redis.from_url(server.url) as raw:
                yield Bench(folder, server, raw, rows)
        finally:
            stop(folder / "redis")


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    what: str
    theirs: str
    ours: str
    got: str
    bar: str = ""
    is_met: bool | None = None

    @staticmethod
    def at_least(what: str, theirs: str, ours: str, got: float, bar: float) -> "Figure":
        """Return a line whose figure must reach the bar."""
        return Figure(what, theirs, ours, f"{got:,.1f}x", f">= {bar:g}x", got >= bar)

    @staticmethod
    def at_most(what: str, theirs: str, ours: str, got: float, bar: float) -> "Figure":
        """Return a line whose figure must stay below the bar."""
        return Figure(what, theirs, ours, f"{got:,.2f}x", f"<= {bar:g}x", got <= bar)

    def line(self) -> str:
        """Return it as text."""
        met = {None: "", True: "met", False: "NOT MET"}[self.is_met]
        return f"{self.what:<52} {self.theirs:>14} {self.ours:>14} {self.got:>10} {self.bar:>12} {met}".rstrip()


HEADING = Figure("", "Feast's", "ours", "ratio", "bar").line()
