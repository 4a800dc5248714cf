"""Columns as JSON texts, spelled as Feast spells them: `v1,v2,...,vn` for each, ready to stand between brackets."""

import base64
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from likewise.serving.plan import Field
from likewise.serving.whole_numbers import whole_numbers
from likewise.stores.packed_blocks import FLOATS, Block
from likewise.stores.packed_columns import block_columns
from likewise.stores.packed_schema import FIXED, TEXTS, FieldType
from likewise.transforms.columns import Column, LogicalType

# From so many bytes on a line's end is found sooner by a search of its own.
_LONG_LINE = 200
EPOCH_TEXT = "1970-01-01T00:00:00Z"
MICROSECOND = 1_000_000
# Bytes that JSON writes otherwise than they are; all others of valid UTF-8 stand for themselves.
ESCAPED = bytes([*range(0x20), ord('"'), ord("\\")])

Spelling = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Texts:
    """The JSON texts of k features.

    Attributes
    ----------
    texts
        For each, its n values.
    odd
        The features among them that have missing values (or infinite ones); all others have a value in every row.
    """

    texts: list[bytes]
    odd: list[int]


def block_texts(block: Block) -> Texts:
    """Return the JSON texts of a block of k features."""
    if block.type in FIXED:
        return _number_texts(block)
    if block.type in TEXTS:
        whole = [_whole_text(cells) for cells in block.values]
        texts = [_odd_cells(cells) if text is None else text for text, cells in zip(whole, block.values, strict=True)]
        return Texts(texts, [at for at, text in enumerate(whole) if text is None])
    spell = _object_spelling(block.type)
    texts = [_list_text([spell(value) for value in column.objects()]) for column in block_columns(block)]
    return Texts(texts, [at for at, cells in enumerate(block.values) if None in cells])


def column_text(field: Field, column: Column) -> bytes:
    """Return the JSON text of a column."""
    kind = FieldType[field.feast_type]
    if kind in FIXED:
        block = _block_of(kind, column)
        if block is None:  # each number as it is: nothing may be cut off
            return _list_text([None if value is None else _list_number(value) for value in column.objects()])  # type: ignore[arg-type]
        return _number_texts(block).texts[0]
    spell = _object_spelling(kind)
    return _list_text([spell(value) for value in column.objects()])


def _block_of(kind: FieldType, column: Column) -> Block | None:
    """Return a column of a fixed type as a block of one; None where on-demand code gave other numbers than declared."""
    missing = column.is_missing()
    gone = missing[None] if missing.any() else None
    if kind in FLOATS:
        return Block(kind, np.ascontiguousarray(column.values)[None], gone)
    values = whole_numbers(column) if kind in (FieldType.INT64, FieldType.INT32) else column.values
    if values is None:
        return None
    if gone is not None:
        values = np.where(missing, 0, values)
    return Block(kind, values.astype(np.bool_ if kind is FieldType.BOOL else np.int64)[None], gone)


def _number_texts(block: Block) -> Texts:
    values = block.values // MICROSECOND if block.type is FieldType.UNIX_TIMESTAMP else block.values
    if not values.size:
        return Texts([b""] * len(values), [])
    texts = _lines(orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY), len(values))
    strange = ~np.isfinite(values) if block.type in FLOATS else block.missing
    if strange is None or not np.count_nonzero(strange):
        return Texts(texts, [])
    odd = np.flatnonzero(strange.any(axis=1)).tolist()
    # NaN is null to plain JSON too, so of numbers with a point only the infinite ones are spelled anew.
    wrong = np.flatnonzero(np.isinf(values).any(axis=1)).tolist() if block.type in FLOATS else odd
    for line in wrong:
        texts[line] = _odd_text(values[line], None if block.missing is None else block.missing[line])
    return Texts(texts, odd)


def _lines(matrix: bytes, k: int) -> list[bytes]:
    """Return the lines of a matrix of numbers, `[[1,2],[3,4]]`, without brackets.

    Numbers hold no bracket, so lines can be told apart. `split` looks at byte after byte, which of 100 rows took a
    quarter of the time that the numbers took; `find` looks at many at once, but is called for each line.
    """
    if len(matrix) < _LONG_LINE * k:
        return matrix[2:-2].split(b"],[")
    lines, start, find = [], 2, matrix.find
    for _ in range(k):
        end = find(b"]", start)
        lines.append(matrix[start:end])
        start = end + 3
    return lines


def _odd_text(values: npt.NDArray[Any], missing: npt.NDArray[np.bool_] | None) -> bytes:
    """Return numbers of which some are missing or infinite."""
    spelled = values.tolist()
    for at in np.flatnonzero(~np.isfinite(values)).tolist():
        spelled[at] = _odd_number(spelled[at])
    if missing is not None:
        for at in np.flatnonzero(missing).tolist():
            spelled[at] = None
    return _list_text(spelled)


def _odd_number(value: float) -> Any:
    return None if math.isnan(value) else _infinity(value)


def _infinity(value: float) -> str:
    """Return an infinity as protobuf's JSON spells it."""
    return "Infinity" if value > 0 else "-Infinity"


def _list_text(values: list[Any]) -> bytes:
    return orjson.dumps(values)[1:-1]


def _whole_text(cells: Sequence[bytes | None]) -> bytes | None:
    """Return UTF-8 cells as JSON texts, None where one is missing.

    Where nothing needs escaping, which is nearly always, they are copied.
    """
    try:
        joined: bytes = b'","'.join(cells)  # type: ignore[arg-type]
    except TypeError:
        return None
    if len(joined.translate(None, ESCAPED)) != len(joined) - 2 * (len(cells) - 1):
        return _list_text([cell.decode() for cell in cells])  # type: ignore[union-attr]
    return b'"%b"' % joined if cells else b""


def _odd_cells(cells: Sequence[bytes | None]) -> bytes:
    """Return UTF-8 cells of which some are missing."""
    return _list_text([None if cell is None else cell.decode() for cell in cells])


def _object_spelling(kind: FieldType) -> Spelling:
    """Return how one value (or list) of a type without a fixed width is spelled; None stays None."""
    name = kind.name
    if not name.endswith("_LIST"):
        return _base64_text if kind not in TEXTS else _same
    spell = _ITEMS.get(name.removesuffix("_LIST"), _same)
    return lambda items: None if items is None else [None if item is None else spell(item) for item in items]


def _same(value: Any) -> Any:
    return value


def _base64_text(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode("ascii")


def _list_number(value: float) -> Any:
    return "NaN" if math.isnan(value) else value if math.isfinite(value) else _infinity(value)


def _list_seconds(value: Any) -> int:
    if isinstance(value, datetime):
        return int((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp())
    return int(value) // MICROSECOND


_ITEMS: dict[str, Spelling] = {
    "BYTES": _base64_text,
    "UNIX_TIMESTAMP": _list_seconds,
    "BOOL": bool,
    "INT32": int,
    "INT64": int,
    "DOUBLE": _list_number,
    "FLOAT": _list_number,
}


def key_text(field: Field, values: Sequence[object]) -> bytes:
    """Return the JSON text of checked join key values."""
    if field.type is LogicalType.BYTES:
        values = [_base64_text(value) for value in values]  # type: ignore[arg-type]
    return orjson.dumps(values)[1:-1]


def time_texts(microseconds: Sequence[int]) -> list[str]:
    """Return RFC 3339 texts with as many digits as needed (0, 3 or 6), as Feast writes them."""
    return [time_text(at) for at in microseconds]


@lru_cache(maxsize=8192)  # rows of one materialization share their times
def time_text(microseconds: int) -> str:
    """Return one time as RFC 3339 text; the epoch for times that are not known."""
    if microseconds <= 0:
        return EPOCH_TEXT
    whole, rest = divmod(microseconds, MICROSECOND)
    try:
        text = datetime.fromtimestamp(whole, UTC).isoformat()[:19]
    except (ValueError, OverflowError):  # beyond year 9999
        return EPOCH_TEXT
    if not rest:
        return f"{text}Z"
    return f"{text}.{rest // 1000:03d}Z" if rest % 1000 == 0 else f"{text}.{rest:06d}Z"
