import json
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from likewise.transforms import FittedTransform, Steps, Transform
from likewise.transforms.kinds import OrdinalEncoder, StandardScaler
from likewise.transforms.registry import (
    Registry,
    Release,
    TransformVersion,
    check_registry,
    export_bundle,
    import_bundle,
)
from likewise.transforms.registry.errors import BundleError, UnverifiedTransformError
from tests.transforms.registry.fakes import MODEL_FILES, MODEL_METADATA, make_spec

ROWS = pa.table({"distance": [1.0, 2.0, 4.0], "carrier": ["UA", "AA", None]})


def fit() -> FittedTransform:
    outputs = {
        "dense": [Steps(["distance"], [StandardScaler()])],
        "carrier": [Steps(["carrier"], [OrdinalEncoder()])],
    }
    return Transform(name="flight_delay", feature_service="flight_delay_v1", outputs=outputs).fit(ROWS)


def empty_registry(folder: Path) -> Registry:
    return Registry(f"sqlite:///{folder}/registry.db")


@pytest.fixture
def filled(tmp_path: Path) -> Registry:
    """Return a registry with one release of a real transform and a model."""
    registry = empty_registry(tmp_path / "from")
    version = registry.publish(fit(), verified=True)
    model = registry.put_model(MODEL_FILES, metadata=MODEL_METADATA)
    registry.publish_release(make_spec(version.reference, model))
    return registry


@pytest.fixture
def bundle(filled: Registry, tmp_path: Path) -> Path:
    """Return the bundle of that release."""
    return export_bundle(filled, "release:flight_delay:1", tmp_path / "delay.bundle")


def test_a_release_travels_with_all_it_needs(filled: Registry, bundle: Path, tmp_path: Path) -> None:
    """Imported elsewhere, a release has the same digest, the same model and a transform that gives the same bits."""
    other = empty_registry(tmp_path / "to")
    release = import_bundle(other, bundle)
    assert isinstance(release, Release)
    assert release.digest == filled.release("flight_delay:1").digest
    assert other.get_model(release.nodes[0].artifact).files == MODEL_FILES
    tensors = other.load(f"transform:{release.transform}").apply(ROWS)
    assert all(np.array_equal(tensors[name], expected) for name, expected in fit().apply(ROWS).items())
    assert list(check_registry(other)) == []


def test_a_transform_travels_alone(filled: Registry, tmp_path: Path) -> None:
    """A bundle of a transform holds no release."""
    path = export_bundle(filled, "transform:flight_delay:1", tmp_path / "transform.bundle")
    imported = import_bundle(empty_registry(tmp_path / "to"), path, by="ann")
    assert isinstance(imported, TransformVersion)
    assert (imported.version, imported.created_by, imported.note) == (1, "ann", "imported from transform.bundle")


def test_importing_twice_changes_nothing(filled: Registry, bundle: Path) -> None:
    """Into the registry it came from, or a second time, a bundle brings nothing new."""
    release = import_bundle(filled, bundle)
    assert isinstance(release, Release)
    assert (release.version, release.is_new) == (1, False)
    assert len(filled.transforms()) == len(filled.models()) == len(filled.releases()) == 1


def test_a_bundle_can_not_vouch_for_itself(bundle: Path, tmp_path: Path) -> None:
    """What comes from elsewhere is unverified until the importer says otherwise."""
    other = empty_registry(tmp_path / "to")
    import_bundle(other, bundle)
    with pytest.raises(UnverifiedTransformError):
        other.set_alias("flight_delay", "prod", 1, why="imported")
    import_bundle(other, bundle, by="ann", verified=True)
    assert other.set_alias("flight_delay", "prod", 1, why="imported").to_version == 1


def test_the_same_release_gives_the_same_file(filled: Registry, bundle: Path, tmp_path: Path) -> None:
    """A bundle has no time of its own in it."""
    again = export_bundle(filled, "release:flight_delay:1", tmp_path / "again.bundle")
    assert again.read_bytes() == bundle.read_bytes()


def refuse(path: Path, folder: Path, words: str) -> None:
    """Assert that a bundle is refused and that nothing was written."""
    registry = empty_registry(folder)
    with pytest.raises(BundleError, match=words):
        import_bundle(registry, path)
    assert registry.transforms() == registry.models() == registry.releases() == ()
    assert list(registry.blobs.digests()) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.data())
def test_a_damaged_bundle_is_refused_or_means_the_same(bundle: Path, tmp_path: Path, data: st.DataObject) -> None:
    """Any byte changed or cut off: refused before anything is written, or of no consequence (a date in the archive)."""
    whole = bundle.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    wrong = whole[:at] if data.draw(st.booleans()) else bytes([*whole[:at], whole[at] ^ 0x55, *whole[at + 1 :]])
    path = tmp_path / "damaged.bundle"
    path.write_bytes(wrong)
    registry = empty_registry(tmp_path / f"to-{at}-{len(wrong)}")
    try:
        import_bundle(registry, path)
    except BundleError:
        assert registry.transforms() == registry.models() == registry.releases() == ()
        assert list(registry.blobs.digests()) == []
    else:
        assert registry.load("flight_delay:1").digest == fit().digest
        assert list(check_registry(registry)) == []


def rewritten(bundle: Path, path: Path, compression: int = zipfile.ZIP_STORED, **changes: bytes) -> Path:
    with zipfile.ZipFile(bundle) as source, zipfile.ZipFile(path, "w", compression) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
        for name, content in changes.items():
            target.writestr(name, content)
    return path


def test_what_is_no_bundle_is_refused(bundle: Path, tmp_path: Path) -> None:
    """Absent, empty, another archive, compressed, with a stray member: each has its sentence."""
    refuse(tmp_path / "absent", tmp_path / "a", "No such file")
    (tmp_path / "empty").write_bytes(b"")
    refuse(tmp_path / "empty", tmp_path / "b", "not a zip file")
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("hello.txt", "hello")
    refuse(tmp_path / "zip", tmp_path / "c", "has no bundle.json")
    refuse(rewritten(bundle, tmp_path / "deflated", zipfile.ZIP_DEFLATED), tmp_path / "d", "expected stored ones")
    refuse(rewritten(bundle, tmp_path / "stray", stray=b"x"), tmp_path / "e", "stray is not listed")


def test_a_bundle_that_can_not_be_written_leaves_no_piece(filled: Registry, tmp_path: Path) -> None:
    """A folder that is not there is told, and no draft stays behind."""
    with pytest.raises(BundleError, match="can't be written"):
        export_bundle(filled, "flight_delay:1", tmp_path / "nowhere" / "x.bundle")
    assert not list(tmp_path.rglob("*.part"))


def forged(bundle: Path, path: Path, **changes: object) -> Path:
    """Write a bundle whose manifest was changed, and whose members fit it otherwise."""
    with zipfile.ZipFile(bundle) as source, zipfile.ZipFile(path, "w") as target:
        manifest = {**json.loads(source.read("bundle.json")), **changes}
        target.writestr("bundle.json", json.dumps(manifest, sort_keys=True, separators=(",", ":")))
        for name in source.namelist():
            if name.replace("/", ":") in manifest["blobs"]:
                target.writestr(name, source.read(name))
    return path


def test_a_forged_manifest_is_refused(filled: Registry, bundle: Path, tmp_path: Path) -> None:
    """Parts left out, swapped, or of another format: the bundle must hold just what its release pins."""
    model = filled.models()[0].digest
    release = filled.release("flight_delay:1")
    refuse(forged(bundle, tmp_path / "1", format=2), tmp_path / "a", "expected format 1, got 2")
    refuse(forged(bundle, tmp_path / "2", models=[]), tmp_path / "b", "no blob that nothing uses")
    refuse(forged(bundle, tmp_path / "3", transform=model), tmp_path / "c", "not a sound transform artifact")
    refuse(forged(bundle, tmp_path / "4", models=[release.digest]), tmp_path / "d", "model manifest")
    refuse(forged(bundle, tmp_path / "5", blobs=[release.transform]), tmp_path / "e", "is missing")
    refuse(forged(bundle, tmp_path / "6", extra=1), tmp_path / "f", "extra should be absent")
