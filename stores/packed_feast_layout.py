"""Feast's own Redis layout, read, written and deleted exactly: one hash per entity, one protobuf per cell.

Feast's keys end in the project's name without a separator, so a pattern for project `exp` also matches `myexp`'s keys.
Here every key is taken apart, and only those that end in exactly our project count. Feast's own store reads a row's
time and then writes, so that of two writers the older may win; here Redis compares once more while it writes.
"""

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from feast import FeatureView, RepoConfig
from feast.infra.key_encoding_utils import deserialize_entity_key, serialize_entity_key_prefix
from feast.infra.online_stores.helpers import _mmh3, _redis_key, compute_versioned_name
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from google.protobuf.timestamp_pb2 import Timestamp

from likewise.stores.packed_clients import SyncClient
from likewise.stores.packed_protos import fitted
from likewise.stores.packed_rows import WriteRow
from likewise.stores.packed_views import join_keys_of, stored_view

BATCH: Final = 1000
_VERSION: Final = 3  # of Feast's keys; it has removed the older ones
_PATTERN_SPECIAL: Final = re.compile(rb"[*?\[\]\\^-]")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# KEYS: hash. ARGV: time field, the time seen there (empty: none), seconds to live, fields and values.
_PUT: Final = """
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
if tonumber(ARGV[3]) > 0 then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
return 1
"""
# KEYS: hash. ARGV: time field, the time seen there, fields. Redis drops a hash with its last field.
_REMOVE: Final = """
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], unpack(ARGV, 3))
return 1
"""

StoredRow = tuple[datetime | None, dict[str, Value] | None]


@dataclass(frozen=True, slots=True)
class FeastKey:
    """A key of Feast's layout and the entity that it stands for."""

    key: bytes
    entity: EntityKey


@dataclass(frozen=True, slots=True)
class FeastLayout:
    """Rows of one project as Feast's own Redis store keeps them."""

    client: SyncClient
    config: RepoConfig

    def batches(self, views: Sequence[FeatureView]) -> Iterator[tuple[FeatureView, list[WriteRow]]]:
        """Yield every row of some views, up to `BATCH` at a time; views of the same join keys share one scan."""
        together: dict[tuple[str, ...], list[FeatureView]] = {}
        for view in views:
            together.setdefault(join_keys_of(view), []).append(view)
        for join_keys, sharing in together.items():
            for keys in feast_keys(self.client, self.config.project, join_keys):
                for view in sharing:
                    rows = self._rows(view, keys)
                    if rows:
                        yield view, rows

    def found(self, view: FeatureView, entities: Sequence[EntityKey]) -> list[StoredRow]:
        """Return (event time, values) of each entity; (None, None) where there is no row."""
        return self._read(view, [self._key(entity) for entity in entities])

    def write(self, view: FeatureView, rows: Sequence[WriteRow]) -> int:
        """Write rows; return how many landed. A row stays if its event time is later than the one to be written."""

        def put(row: WriteRow, mark: bytes | None) -> list[Any] | None:
            entity, values, event, _ = row
            if mark is not None and _time(mark) > event:
                return None
            named = {_field(name, feature): value.SerializeToString() for feature, value in values.items()}
            cells = [part for pair in {_time_field(name): _stamp(event), **named}.items() for part in pair]
            return [_PUT, 1, self._key(entity), _time_field(name), mark or b"", seconds, *cells]

        name = self._name(view)
        seconds = self.config.online_store.key_ttl_seconds or 0
        return self._guarded(view, rows, put)

    def remove(self, view: FeatureView, rows: Sequence[WriteRow]) -> int:
        """Delete rows that are still as they were read; return how many."""

        def gone(row: WriteRow, mark: bytes | None) -> list[Any] | None:
            if mark is None or _time(mark) != row[2]:
                return None
            return [_REMOVE, 1, self._key(row[0]), _time_field(name), mark, *fields]

        name, fields = self._name(view), view_fields(self.config, view)
        return self._guarded(view, rows, gone)

    def _guarded(
        self,
        view: FeatureView,
        rows: Sequence[WriteRow],
        command: Callable[[WriteRow, bytes | None], list[Any] | None],
    ) -> int:
        """Run a script for each row that wants one; those that somebody changed meanwhile are looked at again."""
        pending, done = list(rows), 0
        while pending:
            commands = [command(row, mark) for row, mark in zip(pending, self._marks(view, pending), strict=True)]
            wanted = [row for row, one in zip(pending, commands, strict=True) if one is not None]
            pipe = self.client.pipeline(transaction=False)
            for one in commands:
                if one is not None:
                    pipe.execute_command("EVAL", *one)
            answers = pipe.execute() if wanted else []
            done += sum(answers)
            pending = [row for row, answer in zip(wanted, answers, strict=True) if not answer]
        return done

    def _marks(self, view: FeatureView, rows: Sequence[WriteRow]) -> list[bytes | None]:
        """Return the time cells of rows, as they lie in Redis."""
        pipe = self.client.pipeline(transaction=False)
        for entity, *_ in rows:
            pipe.hget(self._key(entity), _time_field(self._name(view)))
        return list(pipe.execute())

    def _rows(self, view: FeatureView, keys: Sequence[FeastKey]) -> list[WriteRow]:
        stored = self._read(view, [found.key for found in keys])
        return [
            (found.entity, values, event, None)
            for found, (event, values) in zip(keys, stored, strict=True)
            if event is not None and values is not None
        ]

    def _read(self, view: FeatureView, keys: Sequence[bytes]) -> list[StoredRow]:
        fields, types = view_fields(self.config, view), stored_view(self.config, view).types
        names = [field.name for field in view.features]
        pipe = self.client.pipeline(transaction=False)
        for key in keys:
            pipe.hmget(key, fields)
        return [
            (None, None)
            if mark is None
            else (
                _time(mark),
                {name: fitted(types[name], _value(cell)) for name, cell in zip(names, cells, strict=True)},
            )
            for *cells, mark in pipe.execute()
        ]

    def _key(self, entity: EntityKey) -> bytes:
        return bytes(_redis_key(self.config.project, entity, _VERSION))

    def _name(self, view: FeatureView) -> str:
        return str(compute_versioned_name(view, self.config.registry.enable_online_feature_view_versioning))


def feast_keys(client: SyncClient, project: str, join_keys: Sequence[str]) -> Iterator[list[FeastKey]]:
    """Return the project's keys of some join keys, in batches."""
    prefix = serialize_entity_key_prefix(list(join_keys), entity_key_serialization_version=_VERSION)
    literal = _PATTERN_SPECIAL.sub(rb"\\\g<0>", prefix)
    batch: list[FeastKey] = []
    for key in client.scan_iter(match=literal + b"*", count=BATCH):
        end = entity_end(key, len(prefix), len(join_keys))
        if end is None or key[end:] != project.encode():
            continue
        batch.append(FeastKey(key, deserialize_entity_key(key[:end], entity_key_serialization_version=_VERSION)))
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def entity_end(key: bytes, start: int, values: int) -> int | None:
    """Return where the entity of a key ends and its project begins; None when it is no key of Feast's."""
    for _ in range(values):
        if len(key) < start + 8:
            return None
        (length,) = struct.unpack_from("<I", key, start + 4)
        start += 8 + length
    return start if start <= len(key) else None


def view_fields(config: RepoConfig, table: FeatureView) -> list[bytes]:
    """Return the hash fields of a view: its features in order, then its event time."""
    name = compute_versioned_name(table, config.registry.enable_online_feature_view_versioning)
    return [*(_field(name, field.name) for field in table.features), _time_field(name)]


def delete_feast_rows(client: SyncClient, config: RepoConfig, table: FeatureView) -> int:
    """Delete one view's fields from exactly our project's hashes; return how many rows there were."""
    batches = feast_keys(client, config.project, join_keys_of(table))
    return sum(_delete_fields(client, config, table, [found.key for found in batch]) for batch in batches)


def delete_feast_entities(
    client: SyncClient, config: RepoConfig, table: FeatureView, entity_keys: Sequence[EntityKey]
) -> int:
    """Delete one view's rows of single entities; return how many there were."""
    return _delete_fields(
        client, config, table, [bytes(_redis_key(config.project, entity, _VERSION)) for entity in entity_keys]
    )


def _delete_fields(client: SyncClient, config: RepoConfig, table: FeatureView, keys: Sequence[bytes]) -> int:
    fields = view_fields(config, table)
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.hexists(key, fields[-1])
            pipe.hdel(key, *fields)
        return sum(map(bool, pipe.execute()[::2]))


def _field(view: str, feature: str) -> bytes:
    return bytes(_mmh3(f"{view}:{feature}"))


def _time_field(view: str) -> bytes:
    return f"_ts:{view}".encode()


def _value(cell: bytes | None) -> Value:
    value = Value()
    if cell:
        value.ParseFromString(cell)
    return value


def _time(cell: bytes) -> datetime:
    stamp = Timestamp()
    stamp.ParseFromString(cell)
    return _EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)


def _stamp(event: datetime) -> bytes:
    stamp = Timestamp()
    stamp.FromDatetime(event)
    return bytes(stamp.SerializeToString())
