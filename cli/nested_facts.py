"""Nested facts (metrics, provenance) laid flat, for tables."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Fact: TypeAlias = "str | list[Mapping[str, Any]]"


def flatten(value: Mapping[str, Any], path: str = "") -> dict[str, Fact]:
    """Return text by dotted path; a list of objects stays a list, for a table of its own.

    Examples
    --------
    >>> flatten({"test": {"roc_auc": 0.7123456, "bins": [1, 2]}, "gates": [{"passed": True}]})
    {'test.roc_auc': '0.712346', 'test.bins': '1, 2', 'gates': [{'passed': True}]}
    """
    facts: dict[str, Fact] = {}
    for key, item in value.items():
        here = f"{path}.{key}" if path else str(key)
        if isinstance(item, Mapping) and item:
            facts |= flatten(item, here)
        elif isinstance(item, list | tuple) and item and all(isinstance(one, Mapping) for one in item):
            facts[here] = list(item)
        else:
            facts[here] = plain_text(item)
    return facts


def plain_text(value: Any) -> str:
    """Return a value as a person reads it: floats to six digits, lists without brackets."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {plain_text(item)}" for key, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return ", ".join(map(plain_text, value))
    return "none" if value is None else str(value)
