"""JSON with exactly one form: sorted keys, no spaces, UTF-8, nothing that JSON can't say."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from .errors import ManifestError

_LIMIT_BYTES = 64 * 2**20  # a release's manifest is some kilobytes; this only stops nonsense early


def digest_of(content: bytes) -> str:
    """Return `sha256:` and the hexadecimal digest of bytes."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def canonical_bytes(what: str, value: Mapping[str, Any]) -> bytes:
    """Return the one JSON form of a mapping.

    Raises
    ------
    ManifestError
        When a value has no JSON form (NaN, bytes, a numpy scalar ...); it names the path to it.
    """
    plain = _plain(what, "the manifest", value)
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def read_canonical(what: str, content: bytes) -> dict[str, Any]:
    """Return the mapping whose one JSON form `content` is.

    Raises
    ------
    ManifestError
        When it is not JSON, not an object, or not in its one form.
    """
    if len(content) > _LIMIT_BYTES:
        raise ManifestError(what, "its size", f"at most {_LIMIT_BYTES:,} bytes", len(content))
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ManifestError(what, "its content", "JSON", str(error)) from error
    if not isinstance(value, dict):
        raise ManifestError(what, "its content", "a JSON object", type(value).__name__)
    if canonical_bytes(what, value) != content:
        raise ManifestError(what, "its content", "canonical JSON (sorted keys, no spaces)", "another form of it")
    return value


def _plain(what: str, path: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_key(what, path, key): _plain(what, f"{path}.{key}", item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(what, f"{path}[{index}]", item) for index, item in enumerate(value)]
    if isinstance(value, str):
        return _text(what, path, value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ManifestError(what, path, "a finite number, or None for one that is not known", value)
        return float(value)
    if value is None or isinstance(value, bool | int):
        return value
    raise ManifestError(what, path, "text, a number, true, false, None, a list or a mapping", value)


def _key(what: str, path: str, key: object) -> str:
    if not isinstance(key, str):
        raise ManifestError(what, f"a key of {path}", "text", key)
    return _text(what, path, key)


def _text(what: str, path: str, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ManifestError(what, path, "text that UTF-8 can hold", value) from error
    return str(value)  # an enum of text becomes its text
