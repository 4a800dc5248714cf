"""Values as Redis returned them, sorted by schema and decoded; schemas fetched once and remembered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from likewise.stores.packed_decode import DecodedRows, decode_rows, fingerprint_of, rows_if_all_of
from likewise.stores.packed_encode import Bits, RowTimes, Times, encode_rows
from likewise.stores.packed_errors import CorruptRowError, UnknownSchemaError
from likewise.stores.packed_keys import schemas_key
from likewise.stores.packed_schema import NO_TIME, RowSchema, parse_schema

PRESENT: Final = 1
NULL_VALUE: Final = 2
NOT_FOUND: Final = 3
OUTSIDE_MAX_AGE: Final = 4


def row_statuses(event_times: Times, found: Bits | None, oldest: Times | int) -> npt.NDArray[np.uint8]:
    """Return Feast's status of rows: PRESENT, NOT_FOUND or OUTSIDE_MAX_AGE, uint8 of the same shape.

    Parameters
    ----------
    found
        Whether there is a row; None: there is everywhere.
    oldest
        The earliest event time that is inside the time to live, microseconds: a row exactly as old as its time to
        live is still inside, as in Feast's point-in-time join. `NO_TIME`: every row is.
    """
    old: npt.NDArray[np.uint8] = np.less(event_times, oldest).view(np.uint8)
    statuses = old * np.uint8(OUTSIDE_MAX_AGE - PRESENT) + np.uint8(PRESENT)
    if found is not None:
        statuses[~found] = NOT_FOUND
    return statuses


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one schema and where they belong; `places` is None when they are all there is, in order."""

    decoded: DecodedRows
    places: npt.NDArray[np.intp] | None


@dataclass(frozen=True, slots=True)
class ViewBatch:
    """What one view answered for n keys.

    Parameters
    ----------
    n
        How many keys were asked for.
    parts
        The rows found, by schema. Keys without a row stand in the first part as rows of nulls.
    found
        (n,) bool, or None when every key had a row.
    """

    n: int
    parts: tuple[Part, ...]
    found: Bits | None

    def event_times(self) -> Times:
        """Return (n,) int64 microseconds since 1970 UTC; `NO_TIME` where there is no row."""
        return self._times("event")

    def created_times(self) -> Times:
        """Return (n,) int64 microseconds since 1970 UTC; `NO_TIME` where unknown."""
        return self._times("created")

    def _times(self, name: str) -> Times:
        if len(self.parts) == 1 and self.parts[0].places is None:
            return self.parts[0].decoded.record[name]
        times = np.full(self.n, NO_TIME)
        for part in self.parts:
            times[part.places] = part.decoded.record[name]
        return times

    def row_statuses(self, now: int, max_age: int | None) -> npt.NDArray[np.uint8]:
        """Return Feast's status of each row, (n,) uint8.

        Parameters
        ----------
        now, max_age
            Microseconds.
        """
        return row_statuses(self.event_times(), self.found, now - max_age if max_age else NO_TIME)


class SchemaBook:
    """The schemas of a project that this process has met, by fingerprint."""

    def __init__(self, project: str) -> None:
        self.key = schemas_key(project)
        self._known: dict[bytes, RowSchema] = {}
        self._absent: dict[bytes, bytes] = {}

    def add(self, schema: RowSchema) -> None:
        """Remember a schema that this process itself writes or declares."""
        self._known[schema.fingerprint] = schema

    def learn(self, entries: Mapping[bytes, bytes]) -> None:
        """Remember the schemas of the project's hash in Redis; unreadable ones stay unknown."""
        for canonical in entries.values():
            try:
                self.add(parse_schema(canonical))
            except ValueError:
                continue

    def require(self, fingerprint: bytes, key: bytes) -> RowSchema:
        """Return the schema of the row at `key`.

        Raises
        ------
        UnknownSchemaError
            Redis does not know it either (call `learn` first).
        """
        schema = self._known.get(fingerprint)
        if schema is None:
            raise UnknownSchemaError(key, fingerprint.hex(), self.key)
        return schema

    def absent_row(self, schema: RowSchema) -> bytes:
        """Return a row of nulls that passes every check, to stand where no row was found."""
        if schema.fingerprint not in self._absent:
            unknown = np.full(1, NO_TIME)
            self._absent[schema.fingerprint] = encode_rows(schema, RowTimes(unknown, unknown), {})[0]
        return self._absent[schema.fingerprint]


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose rows are expected: the view and its join keys."""

    view: str
    join_keys: tuple[str, ...]


def view_batch(
    book: SchemaBook, owner: Owner, values: Sequence[bytes | None], keys: Sequence[bytes | None]
) -> ViewBatch:
    """Return the decoded answer of one view.

    Raises
    ------
    CorruptRowError, UnknownSchemaError
        A value is no row, or of a schema that nobody knows.
    """
    first = next((place for place, value in enumerate(values) if value is not None), None)
    if first is None:
        return ViewBatch(len(values), (), np.zeros(len(values), np.bool_))
    key = keys[first] or b""
    schema = book.require(fingerprint_of(values[first] or b"", key), key)
    uniform = _uniform(book, schema, values, keys) if _is_owned(schema, owner) else None
    return uniform or _mixed(book, owner, values, keys)


def _is_owned(schema: RowSchema, owner: Owner) -> bool:
    return schema.view == owner.view and schema.join_keys == owner.join_keys


def _uniform(
    book: SchemaBook, schema: RowSchema, values: Sequence[bytes | None], keys: Sequence[bytes | None]
) -> ViewBatch | None:
    """Return the answer when all rows are of one schema, the usual case; else None."""
    found = None
    if None in values:
        found = np.fromiter((value is not None for value in values), np.bool_, len(values))
        absent = book.absent_row(schema)
        values = [absent if value is None else value for value in values]
    decoded = rows_if_all_of(schema, values, keys)  # type: ignore[arg-type]
    return None if decoded is None else ViewBatch(len(values), (Part(decoded, None),), found)


def _mixed(book: SchemaBook, owner: Owner, values: Sequence[bytes | None], keys: Sequence[bytes | None]) -> ViewBatch:
    places: dict[bytes, list[int]] = {}
    for place, (value, key) in enumerate(zip(values, keys, strict=True)):
        if value is not None:
            places.setdefault(fingerprint_of(value, key or b""), []).append(place)
    parts, found = [], np.zeros(len(values), np.bool_)
    for fingerprint, where in places.items():
        part = _part(book, owner, fingerprint, where, values, keys)
        if part is not None:
            parts.append(part)
            found[where] = True
    return ViewBatch(len(values), tuple(parts), None if found.all() else found)


def _part(
    book: SchemaBook,
    owner: Owner,
    fingerprint: bytes,
    where: list[int],
    values: Sequence[bytes | None],
    keys: Sequence[bytes | None],
) -> Part | None:
    """Return the rows of one schema; None when they were keyed by other join keys, so are not what was asked."""
    schema = book.require(fingerprint, keys[where[0]] or b"")
    if schema.view != owner.view:
        raise CorruptRowError(keys[where[0]] or b"", f"a row of feature view {schema.view!r}")
    if schema.join_keys != owner.join_keys:
        return None
    rows = [values[place] for place in where]
    decoded = decode_rows(schema, rows, [keys[place] for place in where])  # type: ignore[misc,arg-type]
    return Part(decoded, np.array(where, np.intp))
