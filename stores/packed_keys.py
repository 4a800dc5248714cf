"""Redis keys: ``lw1:<project>:<view>:<entity>``, readable and without ambiguity.

Names and texts are percent-escaped wherever they hold a character with a meaning in a key, in a SCAN pattern
or in a cluster (`:`, `|`, `{`, `*` ...), so one project's or view's prefix never begins another's keys.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from likewise.stores.packed_errors import MissingJoinKeyError, UnsupportedTypeError

LAYOUT: Final = b"lw1"
JOIN: Final = "|"  # between the values of a composite key
_NAME_SPECIAL: Final = re.compile(r"[^A-Za-z0-9_.-]")
_VALUE_SPECIAL: Final = re.compile(r"[%|{}]")
_VALUE_PATTERN: Final = r"[%|{}]"


def project_prefix(project: str) -> bytes:
    """Return what every key of a project begins with, and no other project's key."""
    return b":".join((LAYOUT, _escaped_name(project), b""))


def view_prefix(project: str, view: str) -> bytes:
    """Return what every row key of a feature view begins with, and no other key."""
    return project_prefix(project) + _escaped_name(view) + b":"


def schemas_key(project: str) -> bytes:
    """Return the key of the project's schema hash (no view has an empty name)."""
    return project_prefix(project) + b":schemas"


def entity_texts(values: Sequence[Sequence[object]]) -> list[bytes | None]:
    """Return the entity part of n keys; None where a join key value is missing.

    Parameters
    ----------
    values
        One sequence of n Python values for each join key, join keys sorted by name.
    """
    if not values:
        return []
    if len(values) == 1:
        return [None if text is None else text.encode() for text in _texts(values[0])]
    parts = [_texts(column) for column in values]
    return [None if None in row else JOIN.join(row).encode() for row in zip(*parts, strict=True)]


def request_values(keys: Mapping[str, Sequence[object]], view: str, join_keys: Sequence[str]) -> list[Sequence[object]]:
    """Return the request's values of a view's join keys, in order.

    Raises
    ------
    MissingJoinKeyError
        The request lacks a join key.
    """
    for name in join_keys:
        if name not in keys:
            raise MissingJoinKeyError(view, name, list(keys))
    return [keys[name] for name in join_keys]


def entity_array(columns: Sequence[pa.Array], where: str) -> pa.Array:
    """Return the entity part of n keys from Arrow columns (join keys sorted by name); null where one is."""
    texts = [_arrow_texts(column, where) for column in columns]
    if not texts:
        raise UnsupportedTypeError(where, "no join key", "at least one join key column")
    return texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, pa.scalar(JOIN, pa.large_string()))


def _escaped_name(name: str) -> bytes:
    return _NAME_SPECIAL.sub(_percent, name).encode("ascii")


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match.group().encode())


def _texts(values: Sequence[object]) -> Sequence[str | None]:
    kinds = set(map(type, values))
    if kinds <= {int}:
        return [str(value) for value in values]
    if kinds <= {str}:
        # One search over all of them: hardly any value needs escaping.
        if _VALUE_SPECIAL.search("\n".join(values)):  # type: ignore[arg-type]
            return [_escaped_text(value) for value in values]  # type: ignore[arg-type]
        return values  # type: ignore[return-value]
    return [_text(value) for value in values]


def _text(value: object) -> str | None:
    """Return one join key value as text: integers in decimal, times in whole seconds, bytes as latin-1 text."""
    if value is None:
        return None
    if isinstance(value, str):
        return _escaped_text(value)
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return str(int(value))
    if isinstance(value, bytes):
        return _escaped_text(value.decode("latin-1"))
    if isinstance(value, datetime):
        zoned = value if value.tzinfo else value.replace(tzinfo=UTC)
        return str(int(zoned.timestamp()))
    raise UnsupportedTypeError(
        "join key", f"{type(value).__name__} {value!r}", "integer, text, bytes or time (as Feast's own stores)"
    )


def _escaped_text(value: str) -> str:
    return _VALUE_SPECIAL.sub(_percent, value)


def _arrow_texts(column: pa.Array, where: str) -> pa.Array:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _arrow_texts(column.dictionary_decode(), where)
    if pa.types.is_integer(kind):
        return column.cast(pa.large_string())
    if pa.types.is_timestamp(kind):
        seconds = column.cast(pa.timestamp("s", tz=kind.tz), safe=False).cast(pa.int64())
        return seconds.cast(pa.large_string())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _escaped_array(column.cast(pa.large_string()))
    # Bytes, and what Python turns into texts or refuses.
    return pa.array([_text(value) for value in column.to_pylist()], pa.large_string())


def _escaped_array(column: pa.Array) -> pa.Array:
    if not pc.any(pc.match_substring_regex(column, _VALUE_PATTERN)).as_py():
        return column
    return pa.array(
        [None if value is None else _escaped_text(value) for value in column.to_pylist()], pa.large_string()
    )
