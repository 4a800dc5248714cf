"""Rows from Feast's own Redis layout to packed ones, and back: counted, checked, at a bounded rate, repeatable."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from feast import FeatureView, RepoConfig
from feast.infra.online_stores.redis import RedisOnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.value_type import ValueType

from likewise.stores.packed_errors import UnsupportedTypeError
from likewise.stores.packed_feast_layout import BATCH, feast_rows
from likewise.stores.packed_keys import JOIN
from likewise.stores.packed_redis import PackedRedisOnlineStore
from likewise.stores.packed_request import OnlineRequest, ViewRead, prefixed_keys
from likewise.stores.packed_rows import WriteRow, packed_rows
from likewise.stores.packed_views import entity_values, stored_view

_FIELDS: Final = {
    ValueType.INT32: "int32_val",
    ValueType.INT64: "int64_val",
    ValueType.UNIX_TIMESTAMP: "unix_timestamp_val",
    ValueType.STRING: "string_val",
    ValueType.BYTES: "bytes_val",
}

Progress = Callable[[int], Any] | None
ReadRow = tuple[Any, dict[str, Value] | None]


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
        After a check: rows that the other layout has alike, has newer, has otherwise, or lacks.
    """

    view: str
    rows: int = 0
    landed: int = 0
    equal: int = 0
    newer: int = 0
    different: int = 0
    missing: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether every row is in the other layout, as it was or newer."""
        return not self.different and not self.missing

    def plus(self, **counts: int) -> "ViewReport":
        """Return this report with counts added."""
        return replace(self, **{name: getattr(self, name) + count for name, count in counts.items()})


@dataclass(frozen=True, slots=True)
class Migration:
    """One repository's move between the two layouts in one Redis.

    Parameters
    ----------
    rows_per_second
        What the move may take of Redis; None: all it can.
    """

    store: PackedRedisOnlineStore
    config: RepoConfig
    rows_per_second: float | None = None

    def count(self, views: Sequence[FeatureView], progress: Progress = None) -> list[ViewReport]:
        """Return how many rows there are to move; nothing is written."""
        return [self._each(view, self._packed_by_feast(view), lambda _: {}, progress) for view in views]

    def forward(self, views: Sequence[FeatureView], progress: Progress = None) -> list[ViewReport]:
        """Write Feast's rows as packed ones; Feast's stay. Newer packed rows stay too, so it may run beside writers."""
        return [
            self._each(view, self._packed_by_feast(view), lambda rows, view=view: self._pack(view, rows), progress)  # type: ignore[misc]
            for view in views
        ]

    def verify(self, views: Sequence[FeatureView], progress: Progress = None) -> list[ViewReport]:
        """Compare every one of Feast's rows with its packed one."""
        return [
            self._each(view, self._packed_by_feast(view), lambda rows, view=view: self._compare(view, rows), progress)  # type: ignore[misc]
            for view in views
        ]

    def reverse(self, views: Sequence[FeatureView], progress: Progress = None) -> list[ViewReport]:
        """Write packed rows in Feast's layout, for a way back; packed ones stay."""
        return [
            self._each(view, self._packed(view), lambda rows, view=view: self._unpack(view, rows), progress)  # type: ignore[misc]
            for view in views
        ]

    def _each(
        self,
        view: FeatureView,
        batches: Iterator[list[WriteRow]],
        handle: Callable[[list[WriteRow]], dict[str, int]],
        progress: Progress,
    ) -> ViewReport:
        report, started = ViewReport(view.name), time.monotonic()
        for rows in batches:
            report = report.plus(rows=len(rows), **handle(rows))
            if progress:
                progress(len(rows))
            if self.rows_per_second:
                time.sleep(max(0.0, started + report.rows / self.rows_per_second - time.monotonic()))
        return report

    def _packed_by_feast(self, view: FeatureView) -> Iterator[list[WriteRow]]:
        return feast_rows(self.store.link(self.config).client, self.config, view)

    def _pack(self, view: FeatureView, rows: list[WriteRow]) -> dict[str, int]:
        stored, link = stored_view(self.config, view), self.store.link(self.config)
        packed = packed_rows(stored, rows)
        return {"landed": link.writer.write(self.store.destination(self.config, stored), packed.keys, packed.rows)}

    def _unpack(self, view: FeatureView, rows: list[WriteRow]) -> dict[str, int]:
        RedisOnlineStore.online_write_batch(self.store, self.config, view, rows, None)
        return {"landed": len(rows)}

    def _compare(self, view: FeatureView, rows: list[WriteRow]) -> dict[str, int]:
        found = self._read(view, [row[0] for row in rows])
        counts = dict.fromkeys(("equal", "newer", "different", "missing"), 0)
        for (_, values, event, _), (packed_event, packed_values) in zip(rows, found, strict=True):
            if packed_values is None:
                counts["missing"] += 1
            elif packed_event > event:
                counts["newer"] += 1
            else:
                counts["equal" if packed_event == event and packed_values == values else "different"] += 1
        return counts

    def _read(self, view: FeatureView, entities: Sequence[EntityKey]) -> list[ReadRow]:
        """Return packed rows whatever their age."""
        stored = replace(stored_view(self.config, view), max_age=None)
        names = tuple(field.name for field in view.features)
        read = ViewRead(stored, names, names, prefixed_keys(stored, entity_values(entities)))
        return OnlineRequest(self.config.project, (read,), 0).read(self.store.link(self.config))[0].rows()

    def _packed(self, view: FeatureView) -> Iterator[list[WriteRow]]:
        prefix = stored_view(self.config, view).prefix
        batch: list[EntityKey] = []
        for key in self.store.link(self.config).client.scan_iter(match=prefix + b"*", count=BATCH):
            batch.append(entity_of(view, key[len(prefix) :]))
            if len(batch) == BATCH:
                yield self._rows(view, batch)
                batch = []
        if batch:
            yield self._rows(view, batch)

    def _rows(self, view: FeatureView, entities: list[EntityKey]) -> list[WriteRow]:
        found = zip(entities, self._read(view, entities), strict=True)
        return [(entity, values, event, None) for entity, (event, values) in found if values is not None]


def entity_of(view: FeatureView, text: bytes) -> EntityKey:
    """Return the entity that the last part of a packed key stands for.

    Raises
    ------
    UnsupportedTypeError
        A join key is of a type that Feast's layout has no form for.
    """
    columns = sorted(view.entity_columns, key=lambda column: column.name)
    parts = text.split(JOIN.encode())
    entity = EntityKey(join_keys=[column.name for column in columns])
    for column, part in zip(columns, parts, strict=True):
        entity.entity_values.append(_join_key_value(view.name, column, part))
    return entity


def _join_key_value(view: str, column: Any, text: bytes) -> Value:
    kind = column.dtype.to_value_type()
    if kind not in _FIELDS:
        raise UnsupportedTypeError(f"{view}:{column.name}", kind.name, ", ".join(known.name for known in _FIELDS))
    if kind is ValueType.STRING:
        return Value(string_val=unquote_to_bytes(text).decode())
    if kind is ValueType.BYTES:
        return Value(bytes_val=unquote_to_bytes(text).decode().encode("latin-1"))
    value = Value()
    setattr(value, _FIELDS[kind], int(text))
    return value
