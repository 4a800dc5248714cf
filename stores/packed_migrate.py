"""Rows from one Redis layout to the other: counted, copied, compared, cleared; at a bounded rate, repeatable."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from feast import FeatureView, RepoConfig
from feast.infra.online_stores.redis import RedisOnlineStoreConfig
from feast.protos.feast.types.Value_pb2 import Value
from redis import RedisCluster

from likewise.stores.packed_clients import SyncClient
from likewise.stores.packed_errors import InterruptedScanError, NotRedisError
from likewise.stores.packed_feast_layout import FeastLayout, StoredRow
from likewise.stores.packed_layout import PackedLayout
from likewise.stores.packed_links import Link
from likewise.stores.packed_redis import PackedRedisOnlineStore, PackedRedisOnlineStoreConfig
from likewise.stores.packed_rows import WriteRow

Progress = Callable[[int], Any] | None
Handle = Callable[[FeatureView, list[WriteRow]], dict[str, int]]


@dataclass(frozen=True, slots=True)
class ViewReport:
    """What a migration found in one view.

    Parameters
    ----------
    rows
        Rows in the layout that was read.
    landed
        Rows written; the others met newer ones.
    equal, newer, different, missing
        After a comparison: rows that the other layout has alike, has newer, has otherwise, or lacks.
    cleared
        Rows deleted from the layout that was read.
    """

    view: str
    rows: int = 0
    landed: int = 0
    equal: int = 0
    newer: int = 0
    different: int = 0
    missing: int = 0
    cleared: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether every row is in the other layout, as it was or newer."""
        return not self.different and not self.missing

    def plus(self, **counts: int) -> "ViewReport":
        """Return this report with counts added."""
        return replace(self, **{name: getattr(self, name) + count for name, count in counts.items()})


@dataclass(frozen=True, slots=True)
class Migration:
    """One repository's move from one layout to the other in one Redis. Every step may be killed and run again.

    Parameters
    ----------
    link
        The Redis that both lie in.
    rows_per_second
        What the move may take of it; None: all it can.
    """

    link: Link
    source: FeastLayout | PackedLayout
    target: FeastLayout | PackedLayout
    rows_per_second: float | None = None

    def reversed(self) -> "Migration":
        """Return the way back."""
        return replace(self, source=self.target, target=self.source)

    def count(self, views: Sequence[FeatureView], progress: Progress = None) -> list[ViewReport]:
        """Return how many rows there are to move; nothing is written."""
        return self._each(views, lambda _view, _rows: {}, progress)

    def copy(self, views: Sequence[FeatureView], progress: Progress = None) -> list[ViewReport]:
        """Write the source's rows into the target; the source's stay, and so do newer ones of the target.

        It may run beside writers of both layouts.
        """
        return self._each(views, lambda view, rows: {"landed": self.target.write(view, rows)}, progress)

    def verify(self, views: Sequence[FeatureView], progress: Progress = None) -> list[ViewReport]:
        """Compare every row of the source with the target's; nothing is written."""
        return self._each(views, lambda view, rows: _counts(self._compared(view, rows)), progress)

    def clear(self, views: Sequence[FeatureView], progress: Progress = None) -> list[ViewReport]:
        """Delete those of Feast's rows that the target has alike or newer; the others are counted and stay.

        Raises
        ------
        TypeError
            The source is not Feast's layout.
        """
        source = self.source
        if not isinstance(source, FeastLayout):
            raise TypeError(f"only Feast's rows can be cleared, not those of {type(source).__name__}")

        def handle(view: FeatureView, rows: list[WriteRow]) -> dict[str, int]:
            verdicts = self._compared(view, rows)
            moved = [row for row, verdict in zip(rows, verdicts, strict=True) if verdict in ("equal", "newer")]
            return {**_counts(verdicts), "cleared": source.remove(view, moved)}

        return self._each(views, handle, progress)

    def _each(self, views: Sequence[FeatureView], handle: Handle, progress: Progress) -> list[ViewReport]:
        reports = {view.name: ViewReport(view.name) for view in views}
        with self.link.named():
            servers, started, done = run_ids(self.link.client), time.monotonic(), 0
            for view, rows in self.source.batches(views):
                reports[view.name] = reports[view.name].plus(rows=len(rows), **handle(view, rows))
                done += len(rows)
                if progress:
                    progress(len(rows))
                if self.rows_per_second:
                    time.sleep(max(0.0, started + done / self.rows_per_second - time.monotonic()))
            if run_ids(self.link.client) != servers:
                raise InterruptedScanError(done)
        return list(reports.values())

    def _compared(self, view: FeatureView, rows: Sequence[WriteRow]) -> list[str]:
        found = self.target.found(view, [entity for entity, *_ in rows])
        return [_verdict(row, other) for row, other in zip(rows, found, strict=True)]


def migration_of(config: RepoConfig, rows_per_second: float | None = None) -> Migration:
    """Return the move of a repository from Feast's layout to the packed one, within the Redis that it names.

    Parameters
    ----------
    config
        Its online store may be Feast's still, or be ours already.

    Raises
    ------
    NotRedisError
        Its online store is another one.
    """
    settings = config.online_store
    if not isinstance(settings, RedisOnlineStoreConfig):
        raise NotRedisError(str(getattr(settings, "type", settings)))
    if not isinstance(settings, PackedRedisOnlineStoreConfig):
        config = config.model_copy()
        # What Feast has made of the yaml; its setter is the constructor, which would read all of it anew.
        config._online_store = PackedRedisOnlineStoreConfig(**settings.model_dump(exclude={"type"}))  # type: ignore[assignment]  # noqa: SLF001
    packed = PackedLayout(PackedRedisOnlineStore(), config)
    return Migration(packed.link, FeastLayout(packed.link.client, config), packed, rows_per_second)


def run_ids(client: SyncClient) -> frozenset[str]:
    """Return what names the running servers: after a restart a scan that goes on may pass rows over."""
    everywhere = {"target_nodes": RedisCluster.PRIMARIES} if isinstance(client, RedisCluster) else {}
    info: dict[str, Any] = client.info("server", **everywhere)
    servers = info.values() if everywhere else [info]
    return frozenset(server["run_id"] for server in servers)


def _verdict(row: WriteRow, other: StoredRow) -> str:
    _, values, event, _ = row
    other_event, other_values = other
    if other_event is None or other_values is None:
        return "missing"
    if other_event > event:
        return "newer"
    return "equal" if other_event == event and _bytes(other_values) == _bytes(values) else "different"


def _bytes(values: dict[str, Value]) -> dict[str, bytes]:
    """Return comparable cells: as messages, two NaN are unequal."""
    return {name: value.SerializeToString(deterministic=True) for name, value in values.items()}


def _counts(verdicts: Sequence[str]) -> dict[str, int]:
    return {verdict: verdicts.count(verdict) for verdict in ("equal", "newer", "different", "missing")}
