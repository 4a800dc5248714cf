"""MurmurHash3, the 32-bit form, as scikit-learn's hashing uses it.

Source: Austin Appleby, MurmurHash3_x86_32 (public domain), https://github.com/aappleby/smhasher.
"""

from __future__ import annotations

_MASK = 0xFFFFFFFF


def murmur32(data: bytes, seed: int = 0) -> int:
    """Return the hash as a signed 32-bit integer.

    Examples
    --------
    >>> murmur32(b""), murmur32(b"foo")
    (0, -156908512)
    """
    h = seed
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        h ^= _scrambled(int.from_bytes(data[at : at + 4], "little"))
        h = ((h << 13) | (h >> 19)) & _MASK
        h = (h * 5 + 0xE6546B64) & _MASK
    h ^= _scrambled(int.from_bytes(data[whole:], "little"))
    h ^= len(data)
    h = ((h ^ (h >> 16)) * 0x85EBCA6B) & _MASK
    h = ((h ^ (h >> 13)) * 0xC2B2AE35) & _MASK
    h ^= h >> 16
    return h - 2**32 if h >= 2**31 else h


def _scrambled(k: int) -> int:
    k = (k * 0xCC9E2D51) & _MASK
    k = ((k << 15) | (k >> 17)) & _MASK
    return (k * 0x1B873593) & _MASK


def bucket_and_sign(data: bytes, buckets: int) -> tuple[int, float]:
    """Return the bucket |hash| mod buckets and the sign of the hash, as scikit-learn defines them."""
    h = murmur32(data)
    return abs(h) % buckets, 1.0 if h >= 0 else -1.0
