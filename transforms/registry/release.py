"""The manifest of a release: the only unit that serves, and everything it pins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .canonical_json import canonical_bytes, read_canonical
from .errors import ManifestError, ManifestFormatError
from .manifest_fields import Fields
from .references import check_name

FORMAT = 1
KIND = "release"
NODE_KINDS = ("model",)


@dataclass(frozen=True, slots=True)
class Node:
    """One step of a release.

    Attributes
    ----------
    name
        Unique among the nodes.
    kind
        "model".
    artifact
        Digest of the model.
    inputs
        Tensors it takes, in order: outputs of the transform or of an earlier node.
    output
        Name of what it gives.
    """

    name: str
    kind: str
    artifact: str
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True, slots=True)
class ReleaseSpec:
    """What a release pins.

    Attributes
    ----------
    name
        What versions are counted under.
    feast_project, feature_service
        Where its features are defined.
    feature_refs
        The resolved references (`view:feature`), in order.
    definitions_fingerprint, definitions
        Digest of everything in the Feast registry that decides values, and of each part of it.
    transform
        Digest of the transform (to publish, any reference to it).
    nodes
        What runs on the tensors, in order; none for a release that serves vectors only.
    join_keys, request_fields
        What a request must bring: keys, and fields with their logical types.
    metrics, provenance
        For people and gates: how good it is, what it was made of.
    """

    name: str
    feast_project: str
    feature_service: str
    feature_refs: tuple[str, ...]
    definitions_fingerprint: str
    transform: str
    definitions: Mapping[str, str] = field(default_factory=dict)
    nodes: tuple[Node, ...] = ()
    join_keys: tuple[str, ...] = ()
    request_fields: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release(ReleaseSpec):
    """A published release: its spec with the version, digest, time and author it got.

    `is_new` says of a release just published whether its version was made then; the same spec published again
    keeps its version.
    """

    version: int
    digest: str
    created_at: datetime
    created_by: str
    is_new: bool = field(default=False, compare=False)

    @property
    def reference(self) -> str:
        """Return `release:NAME:VERSION`."""
        return f"release:{self.name}:{self.version}"


def release_bytes(spec: ReleaseSpec) -> bytes:
    """Return the canonical JSON of a spec, checked by reading it back.

    Raises
    ------
    ManifestError
        When a field can't be put down, or is not what it should be.
    """
    content = canonical_bytes(f"release {spec.name!r}", _to_json(spec))
    read_release(content)
    return content


def read_release(content: bytes) -> ReleaseSpec:
    """Return the spec that a manifest holds, of any format there ever was."""
    value = read_canonical("release manifest", content)
    fields = Fields("release manifest", value)
    if fields.integer("format") not in _READERS:
        raise ManifestFormatError("release manifest", value["format"], sorted(_READERS))
    return _READERS[value["format"]](fields)


def _to_json(spec: ReleaseSpec) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "kind": KIND,
        "name": spec.name,
        "feast_project": spec.feast_project,
        "feature_service": spec.feature_service,
        "feature_refs": spec.feature_refs,
        "definitions": spec.definitions,
        "definitions_fingerprint": spec.definitions_fingerprint,
        "transform": spec.transform,
        "nodes": [
            {"name": n.name, "kind": n.kind, "artifact": n.artifact, "inputs": n.inputs, "output": n.output}
            for n in spec.nodes
        ],
        "join_keys": spec.join_keys,
        "request_fields": spec.request_fields,
        "metrics": spec.metrics,
        "provenance": spec.provenance,
    }


_FIELDS_1 = {"format", "kind", "name", "feast_project", "feature_service", "feature_refs", "definitions"} | {
    "definitions_fingerprint", "transform", "nodes", "join_keys", "request_fields", "metrics", "provenance"
}  # fmt: skip


def _read_1(fields: Fields) -> ReleaseSpec:
    fields.expect_keys(_FIELDS_1)
    fields.expect("kind", KIND)
    return ReleaseSpec(
        name=check_name(fields.text("name")),
        feast_project=fields.text("feast_project"),
        feature_service=fields.text("feature_service"),
        feature_refs=_unique("feature_refs", fields.texts("feature_refs")),
        definitions=fields.text_mapping("definitions"),
        definitions_fingerprint=fields.text("definitions_fingerprint"),
        transform=fields.digest("transform"),
        nodes=_nodes(fields.objects("nodes")),
        join_keys=_unique("join_keys", fields.texts("join_keys")),
        request_fields=fields.text_mapping("request_fields"),
        metrics=fields.mapping("metrics"),
        provenance=fields.mapping("provenance"),
    )


def _nodes(values: tuple[Any, ...]) -> tuple[Node, ...]:
    nodes = tuple(_node(index, value) for index, value in enumerate(values))
    _unique("names of nodes", tuple(node.name for node in nodes))
    return nodes


def _node(index: int, value: Any) -> Node:
    what = f"node {index} of a release manifest"
    fields = Fields(what, value)
    fields.expect_keys({"name", "kind", "artifact", "inputs", "output"})
    kind = fields.text("kind")
    if kind not in NODE_KINDS:
        raise ManifestError(what, "kind", " or ".join(map(repr, NODE_KINDS)), kind)
    inputs = _unique(f"inputs of node {index}", fields.texts("inputs"))
    return Node(fields.text("name"), kind, fields.digest("artifact"), inputs, fields.text("output"))


def _unique(where: str, names: tuple[str, ...]) -> tuple[str, ...]:
    twice = [name for index, name in enumerate(names) if name in names[:index]]
    if twice:
        raise ManifestError("release manifest", where, "free of repetitions", twice[0])
    return names


_READERS = {1: _read_1}
