import json
from pathlib import Path
from typing import Any

import pytest

from likewise.transforms.registry import Node
from likewise.transforms.registry.canonical_json import canonical_bytes, digest_of
from likewise.transforms.registry.errors import BadNameError, ManifestError, ManifestFormatError
from likewise.transforms.registry.model_manifest import describe_files, read_model_manifest
from likewise.transforms.registry.release import read_release, release_bytes
from tests.transforms.registry.fakes import MODEL_FILES, MODEL_METADATA, make_spec

GOLDEN = Path(__file__).parent / "golden"
A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def manifest(**changes: Any) -> bytes:
    value = json.loads(release_bytes(make_spec(A, B)))
    value.update(changes)
    return canonical_bytes("it", {key: item for key, item in value.items() if item is not ...})


def test_a_spec_reads_back_as_it_was_written() -> None:
    """Every field survives the manifest."""
    spec = make_spec(A, B)
    assert read_release(release_bytes(spec)) == spec


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("release-*.json")), ids=lambda path: path.stem)
def test_releases_of_every_format_there_ever_was_are_read(path: Path) -> None:
    """A manifest written by any Likewise before reads as the spec it was; its digest stays."""
    content = path.read_bytes()
    assert read_release(content) == make_spec(A, B)
    assert digest_of(content) == path.with_suffix(".digest").read_text().strip()


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("model-*.json")), ids=lambda path: path.stem)
def test_models_of_every_format_there_ever_was_are_read(path: Path) -> None:
    """A model manifest written by any Likewise before reads as it was."""
    content = path.read_bytes()
    assert read_model_manifest(content) == describe_files(MODEL_FILES, MODEL_METADATA)
    assert digest_of(content) == path.with_suffix(".digest").read_text().strip()


def test_this_build_writes_the_newest_golden_format() -> None:
    """What is written today is byte for byte the golden file: a change of format needs a new one."""
    assert release_bytes(make_spec(A, B)) == (GOLDEN / "release-1.json").read_bytes()
    assert describe_files(MODEL_FILES, MODEL_METADATA).to_bytes() == (GOLDEN / "model-1.json").read_bytes()


def test_a_newer_format_is_refused_as_such() -> None:
    """A manifest of a newer Likewise says so, rather than being half read."""
    with pytest.raises(ManifestFormatError, match="newer Likewise"):
        read_release(manifest(format=2))


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"kind": "model"}, "kind"),
        ({"transform": "sha256:12"}, "transform"),
        ({"transform": ...}, "transform"),
        ({"surprise": 1}, "surprise"),
        ({"feature_refs": "a:b"}, "feature_refs"),
        ({"feature_refs": ["a:b", "a:b"]}, "feature_refs"),
        ({"join_keys": [1]}, "join_keys"),
        ({"request_fields": {"a": 1}}, "request_fields"),
        ({"definitions": []}, "definitions"),
        ({"metrics": None}, "metrics"),
        ({"nodes": [{}]}, "artifact"),
        ({"nodes": ["model"]}, "node 0"),
        ({"format": True}, "format"),
        ({"format": "1"}, "format"),
        ({"feast_project": None}, "feast_project"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], where: str) -> None:
    """Each field that is not what it should be has an error with its name."""
    with pytest.raises(ManifestError, match=where):
        read_release(manifest(**changes))


@pytest.mark.parametrize("node", [Node("a", "script", B, (), "x"), Node("a", "model", "b", (), "x")])
def test_nodes_are_of_known_kinds_and_whole_digests(node: Node) -> None:
    """Only kinds that serving can run, only artifacts by digest."""
    with pytest.raises(ManifestError, match="node 0"):
        release_bytes(make_spec(A, nodes=(node,)))


def test_nodes_have_names_of_their_own() -> None:
    """Two nodes of one name are refused."""
    node = Node("a", "model", B, ("dense",), "x")
    with pytest.raises(ManifestError, match="names of nodes"):
        release_bytes(make_spec(A, nodes=(node, node)))


def test_names_in_manifests_are_checked() -> None:
    """A name that would break references is refused, in a spec and in a manifest from elsewhere."""
    with pytest.raises(BadNameError):
        release_bytes(make_spec(A, name="a:b"))


@pytest.mark.parametrize("files", [{}, {"../up": {"bytes": 1, "digest": A}}, {"a": {"bytes": -1, "digest": A}}])
def test_model_manifests_from_elsewhere_are_checked(files: dict[str, Any]) -> None:
    """No files, paths that leave the folder, negative sizes: refused before any blob is read."""
    with pytest.raises(ManifestError):
        read_model_manifest(canonical_bytes("it", {"format": 1, "kind": "model", "files": files, "metadata": {}}))
