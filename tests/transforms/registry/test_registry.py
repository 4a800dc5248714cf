import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from likewise.transforms.registry import Node, Registry
from likewise.transforms.registry.errors import (
    ArtifactNotItselfError,
    BadNameError,
    BlobCorruptError,
    BlobMissingError,
    BlobStoreError,
    ManifestError,
    RegistryMissingError,
    RegistryUrlError,
    ReleaseMismatchError,
    UnknownAliasError,
    UnknownDigestError,
    UnknownNameError,
    UnknownVersionError,
    UnverifiedTransformError,
    WhyMissingError,
)
from tests.transforms.registry.conftest import OpenRegistry
from tests.transforms.registry.fakes import MODEL_FILES, MODEL_METADATA, FakeTransform, make_spec, publish_all

ABSENT = "sha256:" + "a" * 64


def test_versions_count_from_one_without_gaps(registry: Registry) -> None:
    """Each new content under a name gets the next version: 1, 2, 3."""
    versions = [registry.publish(FakeTransform(state=state)) for state in range(3)]
    assert [version.version for version in versions] == [1, 2, 3]
    assert all(version.is_new for version in versions)
    assert registry.transforms("flight_delay") == tuple(versions)


def test_names_count_apart(registry: Registry) -> None:
    """Versions of one name leave another's alone."""
    registry.publish(FakeTransform())
    assert registry.publish(FakeTransform(name="other")).version == 1


def test_the_same_transform_keeps_its_version(registry: Registry) -> None:
    """Publishing the same digest again returns the same version and says so, whatever its provenance."""
    first = registry.publish(FakeTransform(provenance={"run": 1}), by="ann")
    again = registry.publish(FakeTransform(provenance={"run": 2}), by="bob")
    assert again == first
    assert not again.is_new
    assert registry.load(first.reference).provenance == {"run": 1}
    assert len(list(registry.blobs.digests())) == 1


def test_a_transform_loads_by_version_and_by_digest(registry: Registry) -> None:
    """`transform:NAME:2`, `NAME:2`, the digest and its beginning all load the transform that was published."""
    registry.publish(FakeTransform())
    second = FakeTransform(state=2)
    registry.publish(second)
    for reference in ("transform:flight_delay:2", "flight_delay:2", f"transform:{second.digest}", second.digest[:20]):
        assert registry.load(reference) == second


def test_what_was_published_is_there_after_reopening(open_registry: OpenRegistry) -> None:
    """Another process's registry finds versions, releases, aliases and log."""
    publish_all(open_registry(), 2)
    open_registry().set_alias("flight_delay", "prod", 2, by="ann", why="better")
    reopened = open_registry()
    assert reopened.release("flight_delay@prod").version == 2
    assert reopened.load("flight_delay:1") == FakeTransform()
    assert [move.why for move in reopened.alias_log("flight_delay")] == ["better"]


def test_a_transform_that_does_not_reopen_as_itself_is_refused(registry: Registry) -> None:
    """A transform whose bytes give another digest than it claims never gets a version."""

    class Liar(FakeTransform):
        digest = ABSENT

    with pytest.raises(ArtifactNotItselfError, match=ABSENT):
        registry.publish(Liar())
    assert registry.transforms() == ()


def test_verified_once_is_verified_for_good(registry: Registry) -> None:
    """A pipeline that fits the same transform verifies the version published by hand; nobody takes that back."""
    assert not registry.publish(FakeTransform()).verified
    assert registry.publish(FakeTransform(), by="pipeline", verified=True).verified_by == "pipeline"
    assert registry.publish(FakeTransform()).verified


def test_unknown_names_and_versions_say_what_there_is(registry: Registry) -> None:
    """An unknown name suggests a close one; an unknown version says which there are."""
    registry.publish(FakeTransform())
    with pytest.raises(UnknownNameError, match="Did you mean 'flight_delay'"):
        registry.load("transform:flight_delai:1")
    with pytest.raises(UnknownVersionError, match="only version 1, got version 9"):
        registry.load("transform:flight_delay:9")
    with pytest.raises(UnknownDigestError, match=ABSENT):
        registry.load(f"transform:{ABSENT}")


def test_models_are_kept_by_content(registry: Registry) -> None:
    """A model comes back whole; the same files and metadata are the same model, others are not."""
    digest = registry.put_model(MODEL_FILES, metadata=MODEL_METADATA)
    assert registry.put_model(dict(reversed(MODEL_FILES.items())), metadata=MODEL_METADATA) == digest
    assert registry.put_model(MODEL_FILES, metadata={}) != digest
    found = registry.get_model(digest)
    assert found.files == MODEL_FILES
    assert found.metadata == MODEL_METADATA
    assert [model.runtime for model in registry.models() if model.digest == digest] == ["litert"]


def test_a_blob_that_is_no_model_is_not_loaded_as_one(registry: Registry) -> None:
    """A digest that was never published as a model is refused, even where such a blob exists."""
    with pytest.raises(UnknownDigestError):
        registry.get_model(registry.blobs.put(b"{}"))


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", "a//b", "a\\b", "", "x" * 300, "a\nb", "./a"])
def test_file_names_of_models_stay_inside(registry: Registry, name: str) -> None:
    """A model's file name is a plain relative path."""
    with pytest.raises(ManifestError, match="a file name"):
        registry.put_model({name: b""}, metadata={})


@pytest.mark.parametrize("bad", [float("nan"), {1: 2}, b"bytes", object(), "\ud800", [float("inf")]])
def test_metadata_is_json_or_refused(registry: Registry, bad: object) -> None:
    """What JSON can't say exactly is refused by its path, before anything is written."""
    with pytest.raises(ManifestError, match=re.escape("the manifest.metadata.deep[0]")):
        registry.put_model(MODEL_FILES, metadata={"deep": [bad]})
    assert list(registry.blobs.digests()) == []


def test_a_release_comes_back_as_it_was_published(registry: Registry) -> None:
    """Every field of a spec is in the release, its transform pinned by digest."""
    version = registry.publish(FakeTransform())
    model = registry.put_model(MODEL_FILES, metadata=MODEL_METADATA)
    spec = make_spec("transform:flight_delay:1", model)
    made = registry.publish_release(spec, by="ann")
    assert made.is_new
    assert made.reference == "release:flight_delay:1"
    assert registry.release("release:flight_delay:1") == made
    assert made.transform == version.digest
    assert all(getattr(made, name) == getattr(spec, name) for name in spec.__dataclass_fields__ if name != "transform")


def test_the_same_release_keeps_its_version(registry: Registry) -> None:
    """A spec published again is the release it was; a changed metric is a new one."""
    publish_all(registry, 2)
    model = registry.models()[0].digest
    again = registry.publish_release(make_spec("flight_delay:1", model, metrics={"number": 1}))
    assert (again.version, again.is_new) == (1, False)
    assert registry.publish_release(make_spec("flight_delay:1", model, metrics={"number": 9})).version == 3


def test_a_release_of_absent_parts_is_refused(registry: Registry) -> None:
    """A release's transform and models must be in the registry."""
    with pytest.raises(UnknownNameError):
        registry.publish_release(make_spec("transform:flight_delay:1"))
    registry.publish(FakeTransform())
    with pytest.raises(UnknownDigestError, match="no model"):
        registry.publish_release(make_spec("flight_delay:1", ABSENT))
    assert registry.releases() == ()


def test_a_release_of_parts_that_do_not_fit_is_refused(registry: Registry) -> None:
    """A model never meets a transform that can't feed it, nor a transform another feature service."""
    publish_all(registry)
    model = registry.models()[0].digest
    with pytest.raises(ReleaseMismatchError, match="fitted on, got 'flight_delay_v2'"):
        registry.publish_release(make_spec("flight_delay:1", model, feature_service="flight_delay_v2"))
    wrong = Node("delay", "model", model, ("densse",), "late")
    with pytest.raises(ReleaseMismatchError, match="Did you mean 'dense'"):
        registry.publish_release(make_spec("flight_delay:1", nodes=(wrong,)))
    with pytest.raises(ReleaseMismatchError, match="which is taken"):
        registry.publish_release(make_spec("flight_delay:1", nodes=(replace(wrong, inputs=(), output="dense"),)))


def test_a_later_node_takes_what_an_earlier_one_gives(registry: Registry) -> None:
    """Nodes run in order: a second model may read the first one's output."""
    publish_all(registry)
    model = registry.models()[0].digest
    first = Node("first", "model", model, ("dense",), "score")
    second = Node("second", "model", model, ("score", "carrier"), "late")
    assert registry.publish_release(make_spec("flight_delay:1", nodes=(first, second))).version == 2
    with pytest.raises(ReleaseMismatchError):
        registry.publish_release(make_spec("flight_delay:1", nodes=(second, first)))


def test_a_release_without_nodes_serves_vectors(registry: Registry) -> None:
    """A vectors-only release is a release."""
    registry.publish(FakeTransform())
    assert registry.publish_release(make_spec("flight_delay:1")).nodes == ()


def test_rolling_back_is_a_move_like_any_other(registry: Registry) -> None:
    """The log tells every move of every alias: from, to, who, why, in order."""
    publish_all(registry, 2)
    registry.set_alias("flight_delay", "prod", 1, by="ann", why="first")
    registry.set_alias("flight_delay", "prod", 2, by="bob", why="better")
    registry.set_alias("flight_delay", "staging", 2, by="bob", why="same there")
    registry.set_alias("flight_delay", "prod", 1, by="cyd", why="late data")
    assert registry.release("flight_delay@prod").version == 1
    log = [(m.alias, m.from_version, m.to_version, m.moved_by, m.why) for m in registry.alias_log("flight_delay")]
    assert log == [
        ("prod", None, 1, "ann", "first"),
        ("prod", 1, 2, "bob", "better"),
        ("staging", None, 2, "bob", "same there"),
        ("prod", 2, 1, "cyd", "late data"),
    ]


def test_an_alias_that_points_there_already_is_left_alone(registry: Registry) -> None:
    """Promoting twice writes one line."""
    publish_all(registry)
    first = registry.set_alias("flight_delay", "prod", 1, by="ann", why="first")
    assert registry.set_alias("flight_delay", "prod", 1, by="bob", why="again") == first
    assert len(registry.alias_log("flight_delay")) == 1


def test_an_alias_needs_a_verified_transform(registry: Registry) -> None:
    """A release on a transform published by hand reaches no alias until a pipeline verifies the transform."""
    publish_all(registry, verified=False)
    with pytest.raises(UnverifiedTransformError, match="transform:flight_delay:1 is unverified"):
        registry.set_alias("flight_delay", "prod", 1, why="first")
    registry.publish(FakeTransform(), verified=True)
    assert registry.set_alias("flight_delay", "prod", 1, why="first").to_version == 1


def test_bad_moves_are_refused_and_leave_no_line(registry: Registry) -> None:
    """No version, no name, no reason, no sensible alias: an error that says so, and nothing in the log."""
    publish_all(registry)
    with pytest.raises(UnknownVersionError):
        registry.set_alias("flight_delay", "prod", 2, why="x")
    with pytest.raises(UnknownNameError):
        registry.set_alias("flight", "prod", 1, why="x")
    with pytest.raises(WhyMissingError):
        registry.set_alias("flight_delay", "prod", 1, why="  ")
    with pytest.raises(BadNameError):
        registry.set_alias("flight_delay", "7", 1, why="x")
    with pytest.raises(UnknownAliasError, match="It has none yet"):
        registry.release("flight_delay@prod")
    with pytest.raises(UnknownNameError):
        registry.alias_log("flight")
    assert registry.alias_log("flight_delay") == ()


def test_a_damaged_blob_is_named_and_publishing_again_mends_it(registry: Registry, tmp_path: Path) -> None:
    """A blob that changed on disk is never served: the error names blob, place and what to do, and that helps."""
    version = registry.publish(FakeTransform())
    [path] = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    path.chmod(0o600)
    path.write_bytes(b"{}")
    with pytest.raises(BlobCorruptError, match=f"{version.blob} at {path} is damaged.*publish the same content"):
        registry.load(version.reference)
    path.unlink()
    with pytest.raises(BlobMissingError, match=version.blob):
        registry.load(version.reference)
    assert registry.publish(FakeTransform(provenance={"run": 2})).version == 1
    assert registry.load(version.reference) == FakeTransform(provenance={"run": 2})


def test_a_release_on_damaged_parts_is_refused(registry: Registry, tmp_path: Path) -> None:
    """A model whose file is damaged can't get into a release."""
    publish_all(registry)
    for path in (tmp_path / "blobs").rglob("*"):
        if path.is_file() and path.read_bytes() == MODEL_FILES["model.tflite"]:
            path.chmod(0o600)
            path.write_bytes(b"other")
    with pytest.raises(BlobCorruptError):
        registry.publish_release(make_spec("flight_delay:1", registry.models()[0].digest))


def test_a_registry_that_is_only_read_is_not_made(tmp_path: Path) -> None:
    """Looking for a registry where there is none says so and makes no file."""
    with pytest.raises(RegistryMissingError, match="no registry at sqlite"):
        Registry(f"sqlite:///{tmp_path}/r/registry.db", create=False, open_transform=FakeTransform.from_bytes)
    assert list(tmp_path.iterdir()) == []


def test_threads_share_a_registry(registry: Registry) -> None:
    """One registry object serves many threads; their versions are as if they had queued."""

    def publish(state: int) -> int:
        version = registry.publish(FakeTransform(state=state % 8))
        assert registry.load(version.reference).state == state % 8
        return version.version

    with ThreadPoolExecutor(6) as pool:
        versions = list(pool.map(publish, range(24)))
    assert sorted(set(versions)) == list(range(1, 9))
    assert [version.version for version in registry.transforms()] == list(range(1, 9))


def test_a_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that changes its folder goes on with the registry it opened."""
    monkeypatch.chdir(tmp_path)
    registry = Registry("sqlite:///r/registry.db", open_transform=FakeTransform.from_bytes)
    assert registry.url == "sqlite:///r/registry.db"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    publish_all(registry)
    assert registry.load("flight_delay:1") == FakeTransform()
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://host/db", "nonsense", "http://host"])
def test_urls_that_can_be_no_registry_say_what_can(tmp_path: Path, url: str) -> None:
    """Only SQLite files and PostgreSQL are registries."""
    with pytest.raises(RegistryUrlError, match=r"Expected sqlite:///path/registry\.db"):
        Registry(url, tmp_path, open_transform=FakeTransform.from_bytes)


def test_passwords_stay_out_of_messages(tmp_path: Path) -> None:
    """An error about a database shows its URL without the password."""
    url = "postgresql://likewise:secret@127.0.0.1:1/registry"
    with pytest.raises(Exception, match=r"likewise:\*\*\*@127") as caught:
        Registry(url, tmp_path, open_transform=FakeTransform.from_bytes)
    assert "secret" not in str(caught.value)


def test_blobs_may_lie_in_any_store_that_fsspec_knows(tmp_path: Path) -> None:
    """The same registry keeps its blobs by URL; a place that can't be is refused."""
    place = f"memory://{tmp_path.name}"
    url = f"sqlite:///{tmp_path}/registry.db"
    registry = Registry(url, place, open_transform=FakeTransform.from_bytes)
    publish_all(registry)
    assert registry.get_model(registry.models()[0].digest).files == MODEL_FILES
    with pytest.raises(BlobStoreError, match="nosuch"):
        Registry(url, "nosuch://x", open_transform=FakeTransform.from_bytes)
