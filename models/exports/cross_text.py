"""The text of a feature cross taken apart into the values it was joined from."""

from __future__ import annotations

from typing import Any

from likewise.transforms.codes import label_of
from likewise.transforms.logical_types import LogicalType

_ABSENT = "\\N"


def parts_of(text: Any, separator: str, types: tuple[str, ...]) -> tuple[Any, ...] | None:
    """Return the row's values (None where missing), or None when no row gives this text.

    Examples
    --------
    >>> parts_of("JFK|7", "|", ("text", "number"))
    ('JFK', 7.0)
    """
    labels = _labels(str(text), separator)
    if labels is None or len(labels) != len(types):
        return None
    values = [None if label is None else _value(label, logical) for label, logical in zip(labels, types, strict=True)]
    impossible = any(v is None and label is not None for v, label in zip(values, labels, strict=True))
    return None if impossible else tuple(values)


def _labels(text: str, separator: str) -> list[str | None] | None:
    """Return the unescaped labels, None for a missing one; None altogether for a text with a wrong escape."""
    raw, at = [""], 0
    while at < len(text):
        if text[at] == "\\" and at + 1 < len(text):
            raw[-1] += text[at : at + 2]
            at += 2
        elif text[at] == separator:
            raw.append("")
            at += 1
        else:
            raw[-1] += text[at]
            at += 1
    return [None if label == _ABSENT else _unescaped(label) for label in raw]


def _unescaped(label: str) -> str:
    plain, at = "", 0
    while at < len(label):
        at += label[at] == "\\"
        plain += label[at : at + 1]
        at += 1
    return plain


def _value(label: str, logical: str) -> Any:
    """Return the value with this label, or None when there is none."""
    if logical == LogicalType.TEXT:
        return label
    if logical == LogicalType.BYTES:
        # A backslash may be one, or stand for a byte that is no UTF-8: the exporter refuses such labels before.
        return label.encode("utf-8", "surrogatepass")
    try:
        value = int(label) if logical == LogicalType.TIME else float(label)
    except ValueError:
        return None
    return value if label_of(value) == label and value == value else None


def is_ambiguous(text: Any, separator: str, types: tuple[str, ...]) -> bool:
    """Return whether a text's parts can't be told: escaped bytes, or a whole number beyond 2**53."""
    labels = _labels(str(text), separator) or []
    return any(
        label is not None
        and (
            (logical == LogicalType.BYTES and "\\" in label)
            or (logical == LogicalType.NUMBER and label.lstrip("-").isdigit() and abs(int(label)) > 2**53)
        )
        for label, logical in zip(labels, types, strict=False)
    )
