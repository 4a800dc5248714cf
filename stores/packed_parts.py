"""What Redis returned for the views of a request, as joint rows: one part, or several where schemas have changed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from likewise.stores.packed_blocks import BlockPicker
from likewise.stores.packed_decode import fingerprint_of
from likewise.stores.packed_encode import Bits
from likewise.stores.packed_errors import CorruptRowError
from likewise.stores.packed_features import Wanted
from likewise.stores.packed_fetch import Owner, SchemaBook
from likewise.stores.packed_joint import JointLayout, JointRows, checked_rows, join_rows
from likewise.stores.packed_schema import FINGERPRINT_BYTES, RowSchema

_HEAD = 1 + FINGERPRINT_BYTES  # what every row of a schema begins with
_KEPT = 256  # combinations of schemas; there is one for each way in which views were ever defined together

Values = Sequence[bytes | None]
Head = bytes | None


@dataclass(frozen=True, slots=True)
class Part:
    """Joint rows of one combination of schemas; `places` is None when they are all there is, in order."""

    rows: JointRows
    picker: BlockPicker
    places: npt.NDArray[np.intp] | None


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to n keys of m views.

    Parameters
    ----------
    parts
        The rows. Keys without a row stand there as rows of nulls.
    found
        (n, m) bool, or None when every key had a row.
    """

    n: int
    parts: tuple[Part, ...]
    found: Bits | None


@dataclass(frozen=True, slots=True)
class _Known:
    layout: JointLayout
    picker: BlockPicker


class PartReader:
    """Decodes the answers to one request after the other; remembers each combination of schemas that it met.

    Parameters
    ----------
    owners, wanted
        Whose rows are expected and which features are wanted, view by view.
    """

    def __init__(self, book: SchemaBook, owners: Sequence[Owner], wanted: Sequence[Sequence[Wanted]]) -> None:
        self._book, self._owners, self._wanted = book, tuple(owners), tuple(wanted)
        self._known: dict[tuple[Head, ...], _Known] = {}

    def read(self, values: Sequence[Values], keys: Sequence[Values]) -> Found:
        """Return n joint rows of m views.

        Parameters
        ----------
        values
            What Redis returned, n for each view.
        keys
            What it was asked for.

        Raises
        ------
        CorruptRowError, UnknownSchemaError
            A value is no row, or of a schema that nobody knows.
        """
        known = self._known.get(tuple([_head(held) for held in values]))
        found = None if known is None else self._uniform(known, values, keys)
        return found or self._mixed(values, keys)

    def _uniform(self, known: _Known, values: Sequence[Values], keys: Sequence[Values]) -> Found | None:
        """Return the answer when all rows of a view are of the schema of its first, the usual case; else None."""
        found, whole = None, values
        joined = known.layout.side_by_side(values)
        if joined is None:
            found, whole = _found(values), self._complete(known.layout, values)
            joined = known.layout.side_by_side(whole) or b""
        rows = checked_rows(known.layout, joined, whole, keys)  # type: ignore[arg-type]
        return None if rows is None else Found(len(values[0]), (Part(rows, known.picker, None),), found)

    def _complete(self, layout: JointLayout, values: Sequence[Values]) -> list[Sequence[bytes]]:
        """Return values with a row of nulls where none was found."""
        complete: list[Sequence[bytes]] = []
        for schema, held in zip(layout.schemas, values, strict=True):
            if None in held:
                absent = self._book.absent_row(schema)
                held = [absent if value is None else value for value in held]
            complete.append(held)  # type: ignore[arg-type]
        return complete

    def _mixed(self, values: Sequence[Values], keys: Sequence[Values]) -> Found:
        """Return the answer when rows are of several schemas, or of a combination met for the first time."""
        owned = [
            [self._owned(view, value, key) for value, key in zip(held, of_view, strict=True)]
            for view, (held, of_view) in enumerate(zip(values, keys, strict=True))
        ]
        # An absent row may be of any schema: of the one that most likely the others are of.
        usual = [_head(held) for held in owned]
        groups: dict[tuple[Head, ...], list[int]] = {}
        n = len(values[0])
        for row in range(n):
            heads = [held[row] for held in owned]
            group = tuple(
                [first if value is None else value[:_HEAD] for value, first in zip(heads, usual, strict=True)]
            )
            groups.setdefault(group, []).append(row)
        if not n:
            groups[tuple(usual)] = []
        parts = tuple(self._part(group, where, owned, keys) for group, where in groups.items())
        return Found(n, parts, _found(owned))

    def _owned(self, view: int, value: bytes | None, key: bytes | None) -> bytes | None:
        """Return a row of the view; None where it was keyed by other join keys, so is not what was asked."""
        if value is None:
            return None
        owner, schema = self._owners[view], self._book.require(fingerprint_of(value, key or b""), key or b"")
        if schema.view != owner.view:
            raise CorruptRowError(key or b"", f"a row of feature view {schema.view!r}")
        return value if schema.join_keys == owner.join_keys else None

    def _part(
        self, heads: tuple[Head, ...], where: list[int], values: Sequence[Values], keys: Sequence[Values]
    ) -> Part:
        known = self._known.get(heads) or self._learn(heads)
        chosen = [[held[row] for row in where] for held in values]
        asked = [[of_view[row] for row in where] for of_view in keys]
        complete = self._complete(known.layout, chosen)
        rows = join_rows(known.layout, complete, asked)
        if rows is None:
            _refuse_short(known.layout, complete, asked)
        return Part(rows, known.picker, np.array(where, np.intp))  # type: ignore[arg-type]

    def _learn(self, heads: tuple[Head, ...]) -> _Known:
        if len(self._known) >= _KEPT:
            self._known.clear()
        layout = JointLayout([self._schema(head, owner) for head, owner in zip(heads, self._owners, strict=True)])
        known = self._known[heads] = _Known(layout, BlockPicker(layout, self._wanted))
        return known

    def _schema(self, head: Head, owner: Owner) -> RowSchema:
        if head is None:  # nothing was found: any schema will do, so one without fields
            return RowSchema(owner.view, owner.join_keys, ())
        return self._book.require(head[1:], b"")


def _head(values: Values) -> Head:
    for value in values:
        if value is not None:
            return value[:_HEAD]
    return None


def _found(values: Sequence[Values]) -> Bits | None:
    if not any(None in held for held in values):
        return None
    return np.array([[value is not None for value in held] for held in values], np.bool_).T


def _refuse_short(layout: JointLayout, rows: Sequence[Sequence[bytes]], keys: Sequence[Values]) -> None:
    for held, of_view, width in zip(rows, keys, layout.widths, strict=True):
        for row, key in zip(held, of_view, strict=True):
            if len(row) < width:
                raise CorruptRowError(key or b"", f"expected {width} bytes ({len(row)} bytes)")
