"""Arrays of different lengths, one a column, kept end to end with offsets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from likewise.transforms.errors import ArtifactError
from likewise.transforms.kind import Arrays, Floats
from likewise.transforms.packed_values import array_of


def join(name: str, pieces: Sequence[Any]) -> Arrays:
    """Return arrays `name` float64 and `name.offsets` int64 (k + 1,)."""
    offsets = np.zeros(len(pieces) + 1, np.int64)
    np.cumsum([len(p) for p in pieces], out=offsets[1:])
    whole = np.concatenate([np.asarray(p, dtype=np.float64) for p in pieces] or [np.zeros(0)])
    return {name: whole, f"{name}.offsets": offsets}


def split(name: str, arrays: Arrays, count: int) -> list[Floats]:
    """Return the pieces; each is finite and ascending, ties allowed."""
    whole = array_of(arrays, name, np.float64)
    offsets = array_of(arrays, f"{name}.offsets", np.int64, (count + 1,))
    if offsets[0] != 0 or offsets[-1] != len(whole) or bool((offsets[1:] < offsets[:-1]).any()):
        raise ArtifactError(f"the offsets of {name!r} do not fit its values")
    pieces = [whole[a:b] for a, b in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)]
    for piece in pieces:
        if not bool(np.isfinite(piece).all()) or bool((piece[1:] < piece[:-1]).any()):
            raise ArtifactError(f"{name!r} is not finite and ascending")
    return pieces
