"""A transform of two lines, in place of a real one where only the registry is on trial."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from likewise.transforms.registry import Node, Registry, ReleaseSpec


@dataclass(frozen=True)
class FakeOutput:
    """A tensor by name."""

    name: str


@dataclass(frozen=True)
class FakeTransform:
    """Its digest covers name, service, outputs and state, but not provenance; as a real one's does."""

    name: str = "flight_delay"
    feature_service: str = "flight_delay_v1"
    output_names: tuple[str, ...] = ("dense", "carrier")
    state: int = 0
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def outputs(self) -> tuple[FakeOutput, ...]:
        """The tensors."""
        return tuple(FakeOutput(name) for name in self.output_names)

    @property
    def digest(self) -> str:
        """The identity."""
        identity = json.dumps([self.name, self.feature_service, self.output_names, self.state])
        return "sha256:" + hashlib.sha256(identity.encode()).hexdigest()

    def to_bytes(self) -> bytes:
        """Return the artifact."""
        return json.dumps(vars(self), sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "FakeTransform":
        """Return the transform of an artifact."""
        value = json.loads(content)
        return cls(**{**value, "output_names": tuple(value["output_names"])})


MODEL_FILES = {"model.tflite": b"\x00flat", "golden.safetensors": b"golden"}
MODEL_METADATA = {"runtime": "litert", "bound": 1.5e-6}


def make_spec(transform: str, model: str | None = None, **changes: Any) -> ReleaseSpec:
    """Return a spec around a transform and, if given, a model."""
    nodes = (Node("delay", "model", model, ("dense", "carrier"), "late"),) if model else ()
    fields: dict[str, Any] = {
        "name": "flight_delay",
        "feast_project": "flights",
        "feature_service": "flight_delay_v1",
        "feature_refs": ("weather:wind_gust", "plane:seats"),
        "definitions_fingerprint": "sha256:" + "0" * 64,
        "definitions": {"view:weather": "sha256:" + "1" * 64},
        "transform": transform,
        "nodes": nodes,
        "join_keys": ("origin", "tailnum"),
        "request_fields": {"distance": "number"},
        "metrics": {"roc_auc": 0.71},
        "provenance": {"rows": 1000},
    }
    return ReleaseSpec(**{**fields, **changes})


def publish_all(registry: Registry, count: int = 1, *, verified: bool = True) -> None:
    """Publish a transform, a model and `count` releases of them."""
    version = registry.publish(FakeTransform(), verified=verified)
    model = registry.put_model(MODEL_FILES, metadata=MODEL_METADATA)
    for number in range(1, count + 1):
        registry.publish_release(make_spec(version.reference, model, metrics={"number": number}))
