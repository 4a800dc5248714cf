"""Values and names as DuckDB reads them back, to the bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def identifier(name: str) -> str:
    """Return a quoted name of a table or column.

    Examples
    --------
    >>> print(identifier('a "b" c'))
    "a ""b"" c"
    """
    return '"' + name.replace('"', '""') + '"'


def number(value: float) -> str:
    """Return a DOUBLE; with an exponent, because DuckDB reads 0.1 as a decimal of its own.

    Examples
    --------
    >>> number(0.1), number(-1e300), number(float("inf")), number(float("nan"))
    ('0.1e0', '(-1e+300)', "'inf'::DOUBLE", 'NULL::DOUBLE')
    """
    plain = float(value)
    if plain != plain:
        return "NULL::DOUBLE"
    if abs(plain) == np.inf:
        return "'inf'::DOUBLE" if plain > 0 else "'-inf'::DOUBLE"
    text = repr(plain)
    text = text if "e" in text else f"{text}e0"
    return f"({text})" if plain < 0 else text


def integer(value: int) -> str:
    """Return an integer, with its least value as DuckDB takes it.

    Examples
    --------
    >>> integer(-3), integer(-(2**63))
    ('(-3)', "'-9223372036854775808'::BIGINT")
    """
    plain = int(value)
    if plain == -(2**63):
        return f"'{plain}'::BIGINT"
    return f"({plain})" if plain < 0 else str(plain)


def text(value: str) -> str:
    """Return a VARCHAR; a NUL, at which a query text could end, is spelled out.

    Examples
    --------
    >>> text("it's")
    "'it''s'"
    """
    quoted = ["'" + part.replace("'", "''") + "'" for part in value.split("\0")]
    return quoted[0] if len(quoted) == 1 else "(" + " || chr(0) || ".join(quoted) + ")"


def blob(value: bytes) -> str:
    """Return a BLOB.

    Examples
    --------
    >>> len(blob(bytes([0, 255])))
    16
    """
    return "'" + "".join(f"\\x{byte:02X}" for byte in value) + "'::BLOB"


def literal(value: Any) -> str:
    """Return a category: text, bytes, an integer or a number."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, bytes):
        return blob(value)
    return integer(int(value)) if isinstance(value, (int, np.integer)) else number(value)


def list_of(values: Sequence[Any]) -> str:
    """Return a LIST."""
    return "[" + ", ".join(literal(value) for value in values) + "]"


def comment(line: str) -> str:
    """Return a comment of one line, whatever the text holds."""
    return "-- " + " ".join(line.split())
