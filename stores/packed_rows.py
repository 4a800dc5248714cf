"""Feast's write batches to keys and packed rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from likewise.stores.packed_encode import RowTimes, encode_rows
from likewise.stores.packed_errors import ValueMismatchError
from likewise.stores.packed_keys import entity_texts
from likewise.stores.packed_protos import cells_from_protos
from likewise.stores.packed_schema import NO_TIME
from likewise.stores.packed_views import StoredView, entity_values

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

# How Feast materializes and reads a view without entities. Its push and write paths lose this key.
_EVERYWHERE: Final = EntityKey(join_keys=[DUMMY_ENTITY_ID], entity_values=[Value(string_val=DUMMY_ENTITY_VAL)])

WriteRow = tuple[EntityKey, dict[str, Value], datetime, datetime | None]


@dataclass(frozen=True, slots=True)
class PackedRows:
    """n rows ready to be sent."""

    keys: list[bytes]
    rows: list[bytes]


def keyed_rows(data: Sequence[WriteRow]) -> list[WriteRow]:
    """Return a Feast write batch in which the rows of a view without entities have the key that they are read by."""
    return [row if row[0].join_keys else (_EVERYWHERE, *row[1:]) for row in data]


def packed_rows(view: StoredView, data: Sequence[WriteRow]) -> PackedRows:
    """Return the keys and packed rows of a Feast write batch.

    Raises
    ------
    ValueMismatchError
        A value is not of its feature's declared type, or a join key has no value.
    """
    name, data = view.schema.view, keyed_rows(data)
    if any(sorted(entity.join_keys) != list(view.schema.join_keys) for entity, *_ in data):
        given = {", ".join(entity.join_keys) for entity, *_ in data}
        raise ValueMismatchError(
            f"feature view {name}", f"join keys {', '.join(view.schema.join_keys)}", " or ".join(given)
        )
    texts = entity_texts(entity_values([entity for entity, _, _, _ in data]))
    if None in texts:
        raise ValueMismatchError(f"feature view {name}", "a value for every join key", "a row without one")
    times = RowTimes(_micros([row[2] for row in data]), _micros([row[3] for row in data]))
    cells = {
        field.name: cells_from_protos(f"{name}:{field.name}", field.type, [row[1].get(field.name) for row in data])
        for field in view.schema.fields
    }
    keys = [view.prefix + text for text in texts if text is not None]
    return PackedRows(keys, encode_rows(view.schema, times, cells))


def _micros(times: Sequence[datetime | None]) -> npt.NDArray[np.int64]:
    return np.array([NO_TIME if time is None else _since_epoch(time) for time in times], np.int64)


def _since_epoch(time: datetime) -> int:
    """Return microseconds since 1970; a time without a zone is UTC, as everywhere in Feast."""
    zoned = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    return (zoned - _EPOCH) // _MICROSECOND
