"""The safetensors file format, written canonically and read with every limit checked first.

Source: https://github.com/huggingface/safetensors, README, section "Format": 8 bytes little-endian
length of the header, a JSON header, the arrays without holes or overlap. Ours adds: header keys
sorted, arrays in order of name, no spaces but the padding to 8 bytes; so equal content is equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from likewise.transforms.errors import ArtifactError

HEADER_LIMIT = 64 << 20
ARRAY_LIMIT = 100_000

_DTYPES = {"BOOL": np.bool_, "U8": np.uint8, "I32": np.int32, "I64": np.int64, "F32": np.float32, "F64": np.float64}
_NAMES = {np.dtype(dtype).str: name for name, dtype in _DTYPES.items()}


def canonical_json(value: Any) -> bytes:
    """Return JSON with sorted keys and no spaces; equal values give equal bytes."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "surrogatepass")


def write(arrays: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str]) -> bytes:
    """Return the file of these arrays and texts."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    pieces, at = [], 0
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        header[name] = {
            "dtype": _NAMES[array.dtype.newbyteorder("=").str],
            "shape": list(arrays[name].shape),
            "data_offsets": [at, at + len(data)],
        }
        at += len(data)
        pieces.append(data)
    text = canonical_json(header)
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *pieces])


def read(data: bytes) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
    """Return arrays (views of `data`) and texts.

    Raises
    ------
    ArtifactError
        For anything that is no such file: lengths, JSON, dtypes, shapes, holes, overlap, leftovers.
    """
    if len(data) < 8:
        raise ArtifactError(f"it has {len(data)} bytes, the length of its header alone takes 8")
    size = int.from_bytes(data[:8], "little")
    if size > min(HEADER_LIMIT, len(data) - 8):
        raise ArtifactError(f"its header should have {size} bytes, more than the file holds or the limit allows")
    header = parse_json(data[8 : 8 + size], "header")
    if not isinstance(header, dict) or len(header) > ARRAY_LIMIT:
        raise ArtifactError("its header is no object of at most 100,000 arrays")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ArtifactError("its metadata is no object of texts")
    return _arrays(header, memoryview(data)[8 + size :]), metadata


def parse_json(text: bytes, what: str) -> Any:
    """Return parsed JSON; doubled keys, NaN and nesting beyond reason are refused."""
    try:
        return json.loads(text.decode("utf-8", "surrogatepass"), object_pairs_hook=_distinct, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"its {what} is no sound JSON ({str(error)[:100]})") from None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError("a key stands twice")
    return entries


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")


def _arrays(header: dict[str, Any], body: memoryview) -> dict[str, npt.NDArray[Any]]:
    arrays, end = {}, 0
    for name, (dtype, shape, start, stop) in sorted(
        ((name, _entry(name, entry)) for name, entry in header.items()), key=lambda item: item[1][2:]
    ):
        count = 1
        for length in shape:
            count *= length
        if start != end or stop < start or stop > len(body) or count * dtype.itemsize != stop - start:
            raise ArtifactError(f"array {name!r} does not lie where its header says")
        arrays[name] = np.frombuffer(body[start:stop], dtype).reshape(shape)
        if dtype == np.bool_ and bool((arrays[name].view(np.uint8) > 1).any()):
            raise ArtifactError(f"array {name!r} holds bytes that are neither false nor true")
        end = stop
    if end != len(body):
        raise ArtifactError(f"{len(body) - end} bytes follow its last array")
    return arrays


def _entry(name: str, entry: Any) -> tuple[np.dtype[Any], list[int], int, int]:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ArtifactError(f"array {name!r} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise ArtifactError(f"array {name!r} has dtype {str(dtype)[:40]!r}, which is none of {', '.join(_DTYPES)}")
    if not _are_lengths(shape) or len(shape) > 4 or not _are_lengths(offsets) or len(offsets) != 2:
        raise ArtifactError(f"array {name!r} has a shape or offsets that are no lengths")
    return np.dtype(_DTYPES[dtype]), shape, offsets[0], offsets[1]


def _are_lengths(value: Any) -> bool:
    return isinstance(value, list) and all(type(v) is int and 0 <= v < 2**48 for v in value)
