"""One row of each of several views, side by side: one array for all of them, checked at once.

What a request reads is m rows for each entity. Joined, n entities are one (n, w) array of 8-byte words, so the
checks, times, nulls and numbers of all views are a fixed handful of array operations, whatever m is: for one entity
they cost what those of a single view do. Where things lie is taken from each schema's own record.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain, starmap
from operator import itemgetter
from typing import Any, Final, NoReturn

import numpy as np
import numpy.typing as npt

from likewise.stores.packed_encode import CHECK_WORD, LOW_HALF, Bits, Times, Words, segment_checks
from likewise.stores.packed_errors import CorruptRowError
from likewise.stores.packed_schema import FIXED, FieldType, RowSchema, check_weights

Places = npt.NDArray[np.intp]
Cell = bytes | None
_WORD: Final = 8
_LENGTH: Final = 4  # bytes of a length and of a check
_WRONG_TAIL: Final = "the check of its tail does not match its bytes"


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a field's null bit lies in a joint row."""

    byte: int
    bit: int


class JointLayout:
    """Where everything lies in rows of some schemas joined in order; made once for each combination that is met.

    Parameters
    ----------
    schemas
        One for each view. Every row's width is a multiple of 8, so all stay aligned.
    """

    def __init__(self, schemas: Sequence[RowSchema]) -> None:
        self.schemas = tuple(schemas)
        self.widths = tuple(schema.width for schema in schemas)
        self.starts = tuple(accumulate(self.widths, initial=0))[:-1]
        self.width = sum(self.widths)
        # Takes the fixed parts of one entity's rows, and takes their tails: no bytecode runs for any of them.
        self._side_by_side = struct.Struct("".join([f"{width}s" for width in self.widths])).pack
        words = np.array(self.starts, np.intp) // _WORD
        self.segments = words
        self.marks: Words = np.array([schema.mark for schema in schemas], np.uint64)
        self.checks = words + CHECK_WORD
        self.events = words + _offset(schemas[0], "event") // _WORD
        self.created = words + _offset(schemas[0], "created") // _WORD
        self.weights: Words = np.concatenate([check_weights(width // _WORD) for width in self.widths])
        self.null_bytes = _positions(
            range(start + _offset(schema, "nulls"), start + _offset(schema, "padding"))
            for start, schema in zip(self.starts, schemas, strict=True)
        )
        self.tailed = tuple(at for at, schema in enumerate(schemas) if schema.variable_count)
        self.tail_of = {view: at for at, view in enumerate(self.tailed)}
        self.tails = [itemgetter(slice(self.widths[view], None)) for view in self.tailed]
        self.sizes = np.array(self.widths, np.int64)[:, None]
        self.tailed_views = np.array(self.tailed, np.intp)
        self.lengths = _positions(self._length_places(view) for view in self.tailed)
        counts = [schemas[view].variable_count for view in self.tailed]
        self.length_runs = np.array([0, *accumulate(counts)][:-1], np.intp)
        self.tail_checks = _positions(
            [(self.starts[view] + _offset(schemas[view], "tail_check")) // _LENGTH] for view in self.tailed
        )

    def side_by_side(self, rows: Sequence[Sequence[bytes | None]]) -> bytes | None:
        """Return the fixed parts of n rows of each view, entity by entity; None where a row is missing.

        A row that is too short is filled up with zeros: who believes the bytes looks at sizes.
        """
        try:
            return b"".join(starmap(self._side_by_side, zip(*rows, strict=True)))
        except struct.error:
            return None

    def _length_places(self, view: int) -> range:
        schema = self.schemas[view]
        first = (self.starts[view] + _offset(schema, "lengths")) // _LENGTH
        return range(first, first + schema.variable_count)

    def fixed(self, view: int, place: int) -> int:
        """Return where a fixed field lies, counted in cells of its own width."""
        schema = self.schemas[view]
        kind = schema.fields[place].type
        start = self.starts[view] + _offset(schema, kind.name)
        return int(start // FIXED[kind].itemsize + place - schema.groups[kind][0])

    def null(self, view: int, place: int) -> Spot:
        """Return where the null bit of a field lies."""
        start = self.starts[view] + _offset(self.schemas[view], "nulls")
        return Spot(start + place // 8, place % 8)


def _offset(schema: RowSchema, name: str) -> int:
    """Return where a field of a row's record begins, bytes."""
    return int(schema.record.fields[name][1])  # type: ignore[index]


def _positions(runs: Any) -> Places:
    return np.array([place for run in runs for place in run], np.intp)


@dataclass(frozen=True)
class JointRows:
    """n joint rows, checked.

    Parameters
    ----------
    words
        (n, w) uint64: the fixed parts of the views' rows, side by side.
    tails
        For each view with variable fields: the n tails.
    lengths
        (n, v) the lengths of all variable cells.
    """

    layout: JointLayout
    words: Words
    tails: Sequence[Sequence[bytes]]
    lengths: npt.NDArray[np.uint32]

    @property
    def event_times(self) -> Times:
        """Return (n, m) int64 microseconds since 1970 UTC."""
        return self.words.view(np.int64).take(self.layout.events, axis=1)

    @property
    def created_times(self) -> Times:
        """Return (n, m) int64 microseconds since 1970 UTC; `NO_TIME` where unknown."""
        return self.words.view(np.int64).take(self.layout.created, axis=1)

    @cached_property
    def has_nulls(self) -> bool:
        """Whether any cell of any row is null."""
        return _is_any(self.words.view(np.uint8).take(self.layout.null_bytes, axis=1))

    @cached_property
    def _lengths(self) -> list[list[int]]:
        lengths: list[list[int]] = self.lengths.tolist()
        return lengths

    def fixed(self, kind: FieldType, places: Places) -> npt.NDArray[Any]:
        """Return (n, k) cells of one fixed type, places as `JointLayout.fixed` gives them."""
        return self.words.view(FIXED[kind]).take(places, axis=1)

    def nulls(self, places: Places, bits: npt.NDArray[np.uint8]) -> Bits:
        """Return (n, k) bool, the null bits at places."""
        found = self.words.view(np.uint8).take(places, axis=1)
        return ((found >> bits) & 1).view(np.bool_)

    def cells(self, view: int, at: int) -> list[bytes]:
        """Return the n encoded cells of a view's variable field, counted from its first; empty where null."""
        layout = self.layout
        tail = layout.tail_of[view]
        tails, first = self.tails[tail], int(layout.length_runs[tail])
        if layout.schemas[view].variable_count == 1:
            return list(tails)
        bounds = [(sum(row[first : first + at]), row[first + at]) for row in self._lengths]
        return [tail[start : start + size] for tail, (start, size) in zip(tails, bounds, strict=True)]


def join_rows(
    layout: JointLayout, rows: Sequence[Sequence[bytes]], keys: Sequence[Sequence[bytes | None]]
) -> JointRows | None:
    """Return n joint rows, checked; None when some row is not of the schema that the layout has for its view.

    Parameters
    ----------
    rows
        n rows of each view, as stored.
    keys
        Where they were found, for errors.

    Raises
    ------
    CorruptRowError
        All rows claim to be of their schemas and one fails its check.
    """
    joined = layout.side_by_side(rows)
    return None if joined is None else checked_rows(layout, joined, rows, keys)


def checked_rows(
    layout: JointLayout, joined: bytes, rows: Sequence[Sequence[bytes]], keys: Sequence[Sequence[bytes | None]]
) -> JointRows | None:
    """Return what `join_rows` returns, where the fixed parts stand side by side already."""
    words: Words = np.frombuffer(joined, "<u8").reshape(-1, layout.width // _WORD)
    if _is_any(words.take(layout.segments, axis=1) != layout.marks):
        return None
    held_checks = words.take(layout.checks, axis=1) & LOW_HALF
    wrong = segment_checks(words, held_checks, layout.weights, layout.segments) != held_checks
    if _is_any(wrong):
        if _is_short(layout, rows):
            return None
        _refuse(rows, keys, wrong, "its check does not match its bytes")
    lengths = words.view("<u4").take(layout.lengths, axis=1)
    strange = _sizes(rows) != _expected_sizes(layout, lengths)
    if _is_any(strange):
        if _is_short(layout, rows):
            return None
        _refuse(rows, keys, strange.T, _WRONG_TAIL)
    return JointRows(layout, words, _tails(layout, words, rows, keys), lengths)


def _is_short(layout: JointLayout, rows: Sequence[Sequence[bytes]]) -> bool:
    """Whether some row is too short for its schema, so that zeros stand behind it."""
    return any(len(row) < width for held, width in zip(rows, layout.widths, strict=True) for row in held)


def _sizes(rows: Sequence[Sequence[bytes]]) -> npt.NDArray[np.int64]:
    """Return the bytes of all rows, (m, n)."""
    n = len(rows[0])
    return np.fromiter(map(len, chain.from_iterable(rows)), np.int64, n * len(rows)).reshape(len(rows), n)


def _expected_sizes(layout: JointLayout, lengths: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
    """Return what the bytes of all rows should be by their schemas and lengths, (m, n)."""
    if not layout.tailed:
        return np.repeat(layout.sizes, len(lengths), axis=1)
    tails = np.add.reduceat(lengths, layout.length_runs, axis=1, dtype=np.int64).T
    if len(tails) == len(layout.sizes):
        return tails + layout.sizes
    sizes = np.repeat(layout.sizes, len(lengths), axis=1)
    sizes[layout.tailed_views] += tails
    return sizes


def _tails(
    layout: JointLayout, words: Words, rows: Sequence[Sequence[bytes]], keys: Sequence[Sequence[bytes | None]]
) -> list[list[bytes]]:
    """Return the n tails of each view that has some, each as its check says."""
    tails = [list(map(tail, rows[view])) for view, tail in zip(layout.tailed, layout.tails, strict=True)]
    checks = words.view("<u4").take(layout.tail_checks, axis=1).T
    found = np.fromiter(map(zlib.crc32, chain.from_iterable(tails)), np.uint32, checks.size).reshape(checks.shape)
    if _is_any(found != checks):
        wrong = np.zeros((len(words), len(rows)), np.bool_)
        wrong[:, layout.tailed_views] = (found != checks).T
        _refuse(rows, keys, wrong, _WRONG_TAIL)
    return tails


def _is_any(mask: npt.NDArray[Any]) -> bool:
    # A tenth of the time of `mask.any()`, which goes through Python; there are five of these in each read.
    return bool(np.count_nonzero(mask))


def _refuse(
    rows: Sequence[Sequence[bytes]], keys: Sequence[Sequence[bytes | None]], wrong: Bits, reason: str
) -> NoReturn:
    row, view = np.argwhere(wrong)[0].tolist()
    raise CorruptRowError(keys[view][row] or b"", f"{reason} ({len(rows[view][row])} bytes)")
