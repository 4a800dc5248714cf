"""Artifacts: sound ones load to the same bits, all others are refused with our error, quickly and in little memory."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import safetensors.numpy

from likewise.transforms import FittedTransform, LikewiseError, Steps, Transform
from likewise.transforms import kinds as K  # noqa: N812
from likewise.transforms.artifact import _digest  # the seal a forger would make
from likewise.transforms.errors import ArtifactError, DigestMismatchError, GoldenMismatchError, UnknownKindError
from likewise.transforms.safe_arrays import canonical_json, read, write
from likewise.transforms.testing import assert_same_bits

ROWS = 300


def table() -> pa.Table:
    rng = np.random.default_rng(0)
    return pa.table(
        {
            "x": pa.array(rng.normal(size=ROWS), mask=rng.random(ROWS) < 0.1),
            "y": rng.lognormal(size=ROWS),
            "c": pa.array(rng.choice(["UA", "AA", "Ü"], ROWS), mask=rng.random(ROWS) < 0.1),
            "text": rng.choice(["a red car", "blue bus", ""], ROWS),
            "list": [[float(i % 3)] * (i % 4) for i in range(ROWS)],
        }
    )


def fitted() -> FittedTransform:
    outputs = {
        "dense": [
            Steps(["x", "y"], [K.SimpleImputer("median", add_indicator=True), K.StandardScaler()]),
            Steps(["y"], [K.QuantileTransformer(20, output_distribution="normal")]),
            Steps(["text"], [K.TfidfVectorizer()]),
            Steps(["list"], [K.SequencePadder(2)]),
        ],
        "c": [Steps(["c"], [K.OrdinalEncoder()])],
    }
    return Transform("t", outputs, feature_service="s").fit(table())


FITTED = fitted()


def test_round_trip_through_a_file(tmp_path: Path) -> None:
    """Save and load give the same digest and bits; the safetensors library reads the same arrays."""
    path = FITTED.save(tmp_path / "t.safetensors")
    loaded = FittedTransform.load(path)
    assert loaded.digest == FITTED.digest
    assert_same_bits(FITTED.apply(table()), loaded.apply(table()), "loaded")
    arrays, metadata = read(path.read_bytes())
    theirs = safetensors.numpy.load_file(path)
    assert arrays.keys() == theirs.keys()
    assert all(np.array_equal(arrays[n], theirs[n], equal_nan=arrays[n].dtype.kind == "f") for n in arrays)
    assert json.loads(metadata["likewise"])["name"] == "t"
    assert [p.name for p in tmp_path.iterdir()] == ["t.safetensors"]


def test_provenance_and_golden_outputs_are_beside_the_digest() -> None:
    """Other provenance, same digest; other settings, names or rows, another digest."""
    base = Transform("t", {"d": [Steps(["x"], [K.SimpleImputer(), K.StandardScaler()])]})
    digest = base.fit(table()).digest
    assert base.fit(table(), provenance={"who": "me"}).digest == digest
    assert base.fit(table().slice(1)).digest != digest
    renamed = Transform("u", {"d": [Steps(["x"], [K.SimpleImputer(), K.StandardScaler()])]})
    assert renamed.fit(table()).digest != digest


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
    from_digest = {n: a for n, a in arrays.items() if not n.startswith("golden.out.")}
    try:
        metadata["likewise"] = canonical_json(manifest).decode()
        metadata["digest"] = _digest(manifest, from_digest)
    except ValueError:
        return data[:-1]
    return write(arrays, metadata)


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
        odd = [None, -1, 2**70, 1e308, "", "x" * 50, [], {}, [[]], True, "clip/1", "number", "list<text>"]
        value[key] = odd[int(rng.integers(0, len(odd)))]  # type: ignore[index]
        return


def check_refused_or_same(data: bytes) -> bool:
    """Return whether damaged bytes were refused; if they load, they must compute what they say."""
    try:
        loaded = FittedTransform.from_bytes(data)
        loaded.check_golden()
    except LikewiseError:
        return True
    if loaded.digest == FITTED.digest:
        assert_same_bits(FITTED.apply(table()), loaded.apply(table()), "a damaged artifact that loads")
    return False


def fuzz(rounds: int) -> int:
    data, rng = FITTED.to_bytes(), np.random.default_rng(1)
    return sum(check_refused_or_same((resealed if at % 3 == 0 else mutated)(data, rng)) for at in range(rounds))


def test_damaged_artifacts_are_refused() -> None:
    """Of 600 damaged artifacts each loads to identical numbers or raises our error."""
    assert fuzz(600) > 500


@pytest.mark.prove
def test_ten_thousand_damaged_artifacts() -> None:
    """10,000 damaged artifacts: no crash, no hang, no more than 64 MB beyond the file."""
    tracemalloc.start()
    fuzz(10_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20


@pytest.mark.parametrize("size", [0, 7, 8, 9])
def test_short_files_are_refused(size: int) -> None:
    """A file too short for its header is refused."""
    with pytest.raises(ArtifactError):
        FittedTransform.from_bytes(FITTED.to_bytes()[:size])


def test_huge_promises_are_refused_before_memory_is_taken() -> None:
    """A header that promises more than the file holds is refused without taking that memory."""
    header = {"a": {"dtype": "F64", "shape": [2**40], "data_offsets": [0, 2**43]}}
    text = canonical_json(header)
    with pytest.raises(ArtifactError, match="does not lie"):
        read(len(text).to_bytes(8, "little") + text)
    with pytest.raises(ArtifactError, match="header"):
        read((2**60).to_bytes(8, "little") + b"{}")


def test_changed_state_fails_the_digest() -> None:
    """One changed statistic is found by the digest."""
    arrays, metadata = read(FITTED.to_bytes())
    changed = {n: a.copy() for n, a in arrays.items()}
    changed["state.0.0.1.mean"][0] += 1e-9
    with pytest.raises(DigestMismatchError):
        FittedTransform.from_bytes(write(changed, metadata))


def test_changed_golden_output_fails_the_check() -> None:
    """A machine that computes otherwise is found by the golden rows."""
    arrays, metadata = read(FITTED.to_bytes())
    changed = {n: a.copy() for n, a in arrays.items()}
    changed["golden.out.0"][0, 1] = np.nextafter(changed["golden.out.0"][0, 1], np.float32(9))
    with pytest.raises(GoldenMismatchError, match="golden row 0"):
        FittedTransform.from_bytes(write(changed, metadata)).check_golden()


def test_unknown_kinds_are_named() -> None:
    """A kind that is not installed is named, with the closest known one."""
    with pytest.raises(UnknownKindError, match="standard_scaler/1"):
        K.find_kind("standard_scaler/9")


def test_doubled_keys_are_refused() -> None:
    """A header with a key twice is refused, as parsers disagree on which one counts."""
    text = b'{"a":{},"a":{}}'
    with pytest.raises(ArtifactError, match="twice"):
        read(len(text).to_bytes(8, "little") + text)
