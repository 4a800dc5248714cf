"""Feast's own Redis layout, read and deleted exactly: one hash per entity, one protobuf per cell.

Feast's keys end in the project's name without a separator, so a pattern for project `exp` also matches `myexp`'s keys.
Here every key is taken apart, and only those that end in exactly our project count.
"""

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from feast import FeatureView, RepoConfig
from feast.infra.key_encoding_utils import deserialize_entity_key, serialize_entity_key_prefix
from feast.infra.online_stores.helpers import _mmh3, compute_versioned_name
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from google.protobuf.timestamp_pb2 import Timestamp

from likewise.stores.packed_clients import SyncClient
from likewise.stores.packed_rows import WriteRow

BATCH: Final = 1000
_PATTERN_SPECIAL: Final = re.compile(rb"[*?\[\]\\^-]")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FeastKey:
    """A key of Feast's layout and the entity that it stands for."""

    key: bytes
    entity: EntityKey


def feast_keys(client: SyncClient, project: str, join_keys: Sequence[str]) -> Iterator[list[FeastKey]]:
    """Return the project's keys of some join keys, in batches."""
    prefix = serialize_entity_key_prefix(list(join_keys), entity_key_serialization_version=3)
    literal = _PATTERN_SPECIAL.sub(rb"\\\g<0>", prefix)
    batch: list[FeastKey] = []
    for key in client.scan_iter(match=literal + b"*", count=BATCH):
        end = entity_end(key, len(prefix), len(join_keys))
        if end is None or key[end:] != project.encode():
            continue
        batch.append(FeastKey(key, deserialize_entity_key(key[:end], entity_key_serialization_version=3)))
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
    return [*(_mmh3(f"{name}:{field.name}") for field in table.features), f"_ts:{name}".encode()]


def feast_rows(client: SyncClient, config: RepoConfig, table: FeatureView) -> Iterator[list[WriteRow]]:
    """Return the rows of one view as Feast stored them, in batches; entities without this view are passed over."""
    fields, names = view_fields(config, table), [field.name for field in table.features]
    for batch in feast_keys(client, config.project, table.join_keys):
        with client.pipeline(transaction=False) as pipe:
            for found in batch:
                pipe.hmget(found.key, fields)
            answers = pipe.execute()
        rows: list[WriteRow] = [
            (found.entity, dict(zip(names, map(_value, answer[:-1]), strict=True)), _time(answer[-1]), None)
            for found, answer in zip(batch, answers, strict=True)
            if answer[-1] is not None
        ]
        if rows:
            yield rows


def delete_feast_rows(client: SyncClient, config: RepoConfig, table: FeatureView) -> int:
    """Delete one view's fields from exactly our project's hashes; return how many rows there were."""
    fields, deleted = view_fields(config, table), 0
    for batch in feast_keys(client, config.project, table.join_keys):
        with client.pipeline(transaction=False) as pipe:
            for found in batch:
                pipe.hexists(found.key, fields[-1])
                # Redis drops a hash with its last field.
                pipe.hdel(found.key, *fields)
            answers: list[Any] = pipe.execute()
        deleted += sum(map(bool, answers[::2]))
    return deleted


def _value(cell: bytes | None) -> Value:
    value = Value()
    if cell:
        value.ParseFromString(cell)
    return value


def _time(cell: bytes) -> datetime:
    stamp = Timestamp()
    stamp.ParseFromString(cell)
    return _EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)
