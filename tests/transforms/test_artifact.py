"""Artifacts: sound ones load to the same bits, all others are refused with our error, quickly and in little memory."""

import contextlib
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import safetensors.numpy

from likewise.transforms import FittedTransform, LikewiseError, LogicalType, Steps, Transform
from likewise.transforms import kinds as K  # noqa: N812
from likewise.transforms.errors import ArtifactError, DigestMismatchError, GoldenMismatchError, UnknownKindError
from likewise.transforms.safe_arrays import canonical_json, read, write
from likewise.transforms.testing import KindCase, assert_same_bits
from tests.transforms.damage import _digest, mutated, resealed, sealed

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


def test_damaged_artifacts_are_refused() -> None:
    """Of 600 damaged artifacts each loads to identical numbers or raises our error."""
    data, rng = FITTED.to_bytes(), np.random.default_rng(1)
    damages = ((resealed if at % 3 == 0 else mutated)(data, rng) for at in range(600))
    assert sum(map(check_refused_or_same, damages)) > 500


@pytest.mark.parametrize("rounds", [200, pytest.param(10_000, marks=pytest.mark.prove)])
def test_damaged_artifacts_of_every_kind(rounds: int) -> None:
    """Damaged artifacts of all kinds: identical numbers or our error, no crash, no hang, at most 64 MB beyond the file.

    Run in a process of its own, so that a crash is seen, with the peak of resident memory reset and read per artifact.
    """
    program = [sys.executable, "-W", "error", "-m", "tests.transforms.fuzz_artifacts", str(rounds)]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=1_500)
    assert done.returncode == 0, done.stderr[-2_000:]
    found = json.loads(done.stdout)
    assert found["artifacts"] == rounds
    assert found["refused"] > rounds * 0.7
    assert found["loaded"] + found["refused"] == rounds
    assert found["largest_growth_mb"] < 64
    assert found["slowest_seconds"] < 10


def test_damaged_golden_outputs_change_no_number_and_fail_the_check() -> None:
    """Golden outputs are evidence beside the identity: damage alters no output, and the check at load finds it."""
    arrays, metadata = read(FITTED.to_bytes())
    for name in (n for n in arrays if n.startswith("golden.out.")):
        changed = {n: a.copy() for n, a in arrays.items()}
        at = np.flatnonzero(np.isfinite(changed[name]))[-1]
        changed[name].reshape(-1)[at] += 1
        loaded = FittedTransform.from_bytes(write(changed, metadata))
        assert loaded.digest == FITTED.digest
        assert_same_bits(FITTED.apply(table()), loaded.apply(table()), "outputs")
        with pytest.raises(GoldenMismatchError, match="golden row"):
            loaded.check_golden()


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


def forged(kind: Any, logical: str, **settings: object) -> bytes:
    """Return an artifact whose kind has other settings, under a seal that fits."""
    case = KindCase(kind, (LogicalType(logical),))
    arrays, metadata = read(case.fitted(30).to_bytes())
    manifest = json.loads(metadata["likewise"])
    manifest["outputs"][0]["steps"][0]["kinds"][0]["settings"] |= settings
    return sealed(arrays, metadata, manifest)


@pytest.mark.parametrize(
    ("kind", "logical", "settings"),
    [
        (K.FeatureHasher(4), "text", {"n_features": 1 << 20}),
        (K.HashingVectorizer(4), "text", {"n_features": 1 << 20}),
        (K.SequencePadder(2), "list<number>", {"length": 65_536}),
        (K.TextVectorizer(2), "text", {"length": 65_536}),
    ],
)
def test_numbers_that_ask_for_many_columns_are_refused_before_any_is_made(
    kind: Any, logical: str, settings: dict[str, object]
) -> None:
    """A forged width is held against the columns the artifact names, before memory is taken for it."""
    data = forged(kind, logical, **settings)
    tracemalloc.start()
    with pytest.raises(ArtifactError, match="asks for"):
        FittedTransform.from_bytes(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


@pytest.mark.parametrize("depth", [100, 490, 900, 990, 2_000, 100_000])
def test_nesting_without_end_is_refused(depth: int) -> None:
    """Settings nested as deep as one likes are our error, not Python's."""
    arrays, metadata = read(KindCase(K.Clip(-3.0, 4.0), (LogicalType.NUMBER,)).fitted(30).to_bytes())
    nested = metadata["likewise"].replace('"lower":-3.0', '"lower":' + "[" * depth + "]" * depth)
    assert nested != metadata["likewise"]
    with contextlib.suppress(RecursionError):
        metadata["digest"] = _digest(json.loads(nested), {n: a for n, a in arrays.items() if "golden.out" not in n})
    with pytest.raises(ArtifactError):
        FittedTransform.from_bytes(write(arrays, {**metadata, "likewise": nested}))
