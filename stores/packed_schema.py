"""What a packed row holds and where: field types, byte layout, and the fingerprint that names them.

The layout is a function of the schema alone, so the fingerprint in a row is all that is needed to read it.
`docs/stores-online.md` describes the bytes; a change here that moves a byte needs a new `FORMAT`.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property, lru_cache
from typing import Any, Final

import numpy as np

FORMAT: Final = 1
FINGERPRINT_BYTES: Final = 7
HEADER_BYTES: Final = 32
NO_TIME: Final = np.iinfo(np.int64).min  # created time of a row that has none; a null time cell


class FieldType(IntEnum):
    """Feast's value types, by Feast's numbers (so that this module needs no Feast)."""

    UNKNOWN = 0
    BYTES = 1
    STRING = 2
    INT32 = 3
    INT64 = 4
    DOUBLE = 5
    FLOAT = 6
    BOOL = 7
    UNIX_TIMESTAMP = 8
    BYTES_LIST = 11
    STRING_LIST = 12
    INT32_LIST = 13
    INT64_LIST = 14
    DOUBLE_LIST = 15
    FLOAT_LIST = 16
    BOOL_LIST = 17
    UNIX_TIMESTAMP_LIST = 18
    NULL = 19
    MAP = 20
    MAP_LIST = 21
    BYTES_SET = 22
    STRING_SET = 23
    INT32_SET = 24
    INT64_SET = 25
    DOUBLE_SET = 26
    FLOAT_SET = 27
    BOOL_SET = 28
    UNIX_TIMESTAMP_SET = 29
    PDF_BYTES = 30
    IMAGE_BYTES = 31
    JSON = 32
    JSON_LIST = 33
    STRUCT = 34
    STRUCT_LIST = 35
    UUID = 36
    TIME_UUID = 37
    UUID_LIST = 38
    TIME_UUID_LIST = 39
    UUID_SET = 40
    TIME_UUID_SET = 41
    VALUE_LIST = 42
    VALUE_SET = 43
    DECIMAL = 44
    DECIMAL_LIST = 45
    DECIMAL_SET = 46
    SCALAR_MAP = 47
    ZONED_TIMESTAMP = 48


# Cells of the fixed block, widest first so that each group starts on a multiple of its own width.
# Times are microseconds since 1970 UTC.
FIXED: Final[Mapping[FieldType, np.dtype[Any]]] = {
    FieldType.DOUBLE: np.dtype("<f8"),
    FieldType.INT64: np.dtype("<i8"),
    FieldType.UNIX_TIMESTAMP: np.dtype("<i8"),
    FieldType.FLOAT: np.dtype("<f4"),
    FieldType.INT32: np.dtype("<i4"),
    FieldType.BOOL: np.dtype("u1"),
}
# Lists whose cell is the bare array of their items.
ARRAYS: Final[Mapping[FieldType, np.dtype[Any]]] = {
    FieldType.DOUBLE_LIST: np.dtype("<f8"),
    FieldType.INT64_LIST: np.dtype("<i8"),
    FieldType.UNIX_TIMESTAMP_LIST: np.dtype("<i8"),
    FieldType.FLOAT_LIST: np.dtype("<f4"),
    FieldType.INT32_LIST: np.dtype("<i4"),
    FieldType.BOOL_LIST: np.dtype("u1"),
}
TEXTS: Final = frozenset({FieldType.STRING, FieldType.JSON, FieldType.UUID, FieldType.TIME_UUID, FieldType.DECIMAL})
BLOBS: Final = frozenset({FieldType.BYTES, FieldType.PDF_BYTES, FieldType.IMAGE_BYTES})
# Lists of texts or bytes: count, lengths, then the items' bytes.
STRING_ARRAYS: Final = frozenset({FieldType.STRING_LIST, FieldType.BYTES_LIST})
# Every other type's cell is Feast's own serialized `Value`.


@dataclass(frozen=True, slots=True)
class Field:
    """One stored feature."""

    name: str
    type: FieldType


@dataclass(frozen=True)
class RowSchema:
    """The fields of a feature view's rows in stored order, its join keys, and where everything lies.

    Build one with `row_schema`, which puts the fields in order.
    """

    view: str
    join_keys: tuple[str, ...]
    fields: tuple[Field, ...]

    @cached_property
    def canonical(self) -> bytes:
        """Return the one JSON text of this schema (what the schema hash in Redis keeps)."""
        content = {
            "fields": [[field.name, field.type.name] for field in self.fields],
            "format": FORMAT,
            "join_keys": self.join_keys,
            "view": self.view,
        }
        return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()

    @cached_property
    def fingerprint(self) -> bytes:
        """Return the 7 bytes that name this schema in every row."""
        return hashlib.blake2b(self.canonical, digest_size=FINGERPRINT_BYTES).digest()

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """Return each field's place in `fields`, which is its bit in the null bitmap."""
        return {field.name: place for place, field in enumerate(self.fields)}

    @cached_property
    def groups(self) -> Mapping[FieldType, tuple[int, int]]:
        """Return (first place, count) of each fixed type's run of fields."""
        found: dict[FieldType, tuple[int, int]] = {}
        for place, field in enumerate(self.fields):
            if field.type in FIXED:
                first, count = found.get(field.type, (place, 0))
                found[field.type] = (first, count + 1)
        return found

    @cached_property
    def first_variable(self) -> int:
        """Return the place of the first variable field; all later ones are variable too."""
        return sum(count for _, count in self.groups.values())

    @cached_property
    def variable_count(self) -> int:
        """Return how many fields lie in the tail."""
        return len(self.fields) - self.first_variable

    @cached_property
    def record(self) -> np.dtype[Any]:
        """Return the structured dtype of a row without its tail; its size is a multiple of 8."""
        parts: list[Any] = [
            ("format", "u1"), ("fingerprint", "u1", (FINGERPRINT_BYTES,)),
            ("event", "<i8"), ("created", "<i8"), ("check", "<u4"), ("tail_check", "<u4"),
        ]  # fmt: skip
        parts += [(kind.name, FIXED[kind], (count,)) for kind, (_, count) in self.groups.items()]
        used = np.dtype(parts).itemsize
        if self.variable_count:
            # Lengths come last of the numbers; padded to 4 so that they may be read in place.
            parts += [("gap", "u1", (-used % 4,)), ("lengths", "<u4", (self.variable_count,))]
        parts.append(("nulls", "u1", ((len(self.fields) + 7) // 8,)))
        used = np.dtype(parts).itemsize
        parts.append(("padding", "u1", (-used % 8,)))
        return np.dtype(parts)

    @cached_property
    def width(self) -> int:
        """Return the bytes of a row without its tail."""
        return int(self.record.itemsize)

    @cached_property
    def mark(self) -> np.uint64:
        """Return what every row of this schema begins with, format byte and fingerprint, as one number."""
        return np.uint64(int.from_bytes(bytes([FORMAT]) + self.fingerprint, "little"))


def row_schema(view: str, join_keys: Iterable[str], fields: Iterable[tuple[str, FieldType]]) -> RowSchema:
    """Return the schema of a view's rows; the order in which fields are declared does not matter."""
    order = {kind: place for place, kind in enumerate(FIXED)}
    stored = sorted(
        (Field(name, FieldType(kind)) for name, kind in fields),
        key=lambda field: (order.get(field.type, len(order)), field.name),
    )
    return RowSchema(view, tuple(sorted(join_keys)), tuple(stored))


def parse_schema(canonical: bytes) -> RowSchema:
    """Return the schema that `RowSchema.canonical` described.

    Raises
    ------
    ValueError
        The text is no schema of a format that this version reads.
    """
    try:
        content = json.loads(canonical)
        if content["format"] != FORMAT:
            raise ValueError(f"row format {content['format']}; this version reads {FORMAT}")
        fields = [(name, FieldType[kind]) for name, kind in content["fields"]]
        return row_schema(content["view"], content["join_keys"], fields)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a schema: {canonical[:80]!r}") from error


@lru_cache(maxsize=256)
def check_weights(words: int) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Return the odd multipliers of the row check, (words,) uint64: splitmix64 of 1, 2, 3 ..., lowest bit set.

    An odd multiplier makes every change of a single word change the sum.
    """
    state = np.arange(1, words + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (mixed ^ (mixed >> np.uint64(31))) | np.uint64(1)
