"""Damage to artifacts: flipped, lost and added bytes, lying lengths, and changes under a seal made right again."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from likewise.transforms.artifact import _digest  # the seal a forger would make
from likewise.transforms.safe_arrays import canonical_json, read, write


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Return the bytes with one kind of damage."""
    raw = bytearray(data)
    how, at = rng.integers(0, 6), int(rng.integers(0, len(raw)))
    if how == 0:
        raw[at] ^= 1 << int(rng.integers(0, 8))
    elif how == 1:
        del raw[at:]
    elif how == 2:
        del raw[at : at + int(rng.integers(1, 50))]
    elif how == 3:
        raw[at:at] = bytes(rng.integers(0, 256, int(rng.integers(1, 50)), dtype=np.uint8))
    elif how == 4:
        raw[:8] = int(rng.integers(0, 2**62)).to_bytes(8, "little")
    else:
        for _ in range(20):
            raw[int(rng.integers(0, len(raw)))] = int(rng.integers(0, 256))
    return bytes(raw)


def resealed(data: bytes, rng: np.random.Generator) -> bytes:
    """Return an artifact with a changed manifest or array whose digest was made right again."""
    arrays, metadata = read(data)
    manifest = json.loads(metadata["likewise"])
    arrays = {name: array.copy() for name, array in arrays.items()}
    if rng.random() < 0.5:
        _change_json(manifest, rng)
    else:
        name = sorted(arrays)[int(rng.integers(0, len(arrays)))]
        flat = arrays[name].reshape(-1).view(np.uint8)
        if len(flat):
            flat[int(rng.integers(0, len(flat)))] ^= 1 << int(rng.integers(0, 8))
    try:
        return sealed(arrays, metadata, manifest)
    except ValueError:
        return data[:-1]


def sealed(arrays: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str], manifest: Any) -> bytes:
    """Return the artifact of a changed manifest with the digest that fits it."""
    covered = {n: a for n, a in arrays.items() if not n.startswith("golden.out.")}
    seal = {"likewise": canonical_json(manifest).decode(), "digest": _digest(manifest, covered)}
    return write(arrays, {**metadata, **seal})


def _change_json(value: object, rng: np.random.Generator) -> None:
    while isinstance(value, (dict, list)) and value:
        key = (
            list(value)[int(rng.integers(0, len(value)))]
            if isinstance(value, dict)
            else int(rng.integers(0, len(value)))
        )
        child = value[key]  # type: ignore[index]
        if isinstance(child, (dict, list)) and child and rng.random() < 0.85:
            value = child
            continue
        odd = [
            None,
            -1,
            0,
            7,
            1_000,
            10**5,
            10**7,
            10**9,
            2**31,
            2**70,
            1e308,
            1e-320,
            "",
            "x" * 50,
            [],
            {},
            [[]],
            True,
            "clip/1",
            "number",
            "list<text>",
        ]
        value[key] = odd[int(rng.integers(0, len(odd)))]  # type: ignore[index]
        return
