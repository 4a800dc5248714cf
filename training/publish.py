"""Publish what was trained and gated: the transform, the model, and the release that pins both and their features."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from feast import FeatureStore

from likewise.models import ModelArtifact
from likewise.stores.definitions import Definitions, describe_definitions
from likewise.transforms import FittedTransform
from likewise.transforms.registry import Node, Registry, Release, ReleaseSpec, TransformVersion
from likewise.transforms.registry.errors import UnknownAliasError, UnknownNameError, UnknownVersionError

from .errors import DefinitionsMovedError, GatesFailedError
from .evaluate import Evaluation
from .gates import GateVerdict, needs_release
from .history_file import History
from .recipe import Recipe
from .split import Split
from .train import EpochLog


@dataclass(frozen=True, slots=True)
class Candidate:
    """All that a run of a recipe made, before it is published.

    Parameters
    ----------
    recipe, history, split
        What was trained on.
    transform, model
        What was made; the model takes the transform's outputs.
    evaluation
        Of the test part.
    verdicts
        Of every gate that does not need a release.
    epochs
        How training went.
    """

    recipe: Recipe
    history: History
    split: Split
    transform: FittedTransform
    model: ModelArtifact
    evaluation: Evaluation
    verdicts: Sequence[GateVerdict]
    epochs: Sequence[EpochLog] = ()


@dataclass(frozen=True, slots=True)
class Published:
    """What the registry made of a candidate; the same candidate again gives the same versions."""

    transform: TransformVersion
    model: str
    release: Release


def publish_candidate(
    registry: Registry, store: FeatureStore, candidate: Candidate, *, by: str | None = None
) -> Published:
    """Publish the transform (as verified), the model and the release; no alias moves.

    Raises
    ------
    GatesFailedError
        When a gate failed or was not decided.
    DefinitionsMovedError
        When the Feast definitions are not those the history was retrieved with.
    """
    _check_gates(candidate)
    definitions = describe_definitions(store, candidate.history.feature_service)
    if definitions.fingerprint != candidate.history.definitions_fingerprint:
        expected, got = candidate.history.definitions_fingerprint, definitions.fingerprint
        raise DefinitionsMovedError(candidate.history.feature_service, expected, got)
    transform = registry.publish(candidate.transform, by=by, verified=True)
    model = registry.put_model(candidate.model.files, metadata=candidate.model.metadata)
    release = registry.publish_release(_spec(candidate, definitions, store.project, model), by=by)
    return Published(transform, model, release)


def released_metrics(registry: Registry) -> Callable[[str], Mapping[str, float] | None]:
    """Return what `NoWorseThan` asks: a release's test metrics, or None when the reference names none yet."""

    def metrics(reference: str) -> Mapping[str, float] | None:
        try:
            return registry.release(reference).metrics
        except (UnknownNameError, UnknownAliasError, UnknownVersionError):
            return None

    return metrics


def _check_gates(candidate: Candidate) -> None:
    failed = [
        f"{found.gate} (expected {found.expected}, got {found.got})" for found in candidate.verdicts if not found.passed
    ]
    wanted = [gate for gate in candidate.recipe.gates if not needs_release(gate)]
    if len(candidate.verdicts) < len(wanted):
        failed.append(f"{len(wanted) - len(candidate.verdicts)} gates were not decided")
    if failed:
        raise GatesFailedError(candidate.recipe.name, failed)


def _spec(candidate: Candidate, definitions: Definitions, project: str, model: str) -> ReleaseSpec:
    inputs = tuple(spec["name"] for spec in candidate.model.metadata["inputs"])
    output = candidate.model.metadata["output"]
    return ReleaseSpec(
        name=candidate.recipe.name,
        feast_project=project,
        feature_service=candidate.history.feature_service,
        feature_refs=definitions.feature_refs,
        definitions_fingerprint=definitions.fingerprint,
        definitions=dict(definitions.parts),
        transform=candidate.transform.digest,
        nodes=(Node(candidate.recipe.name, "model", model, inputs, output),),
        join_keys=definitions.join_keys,
        request_fields={name: str(kind) for name, kind in definitions.request_fields.items()},
        metrics=dict(candidate.evaluation.metrics),
        provenance=_provenance(candidate),
    )


def _provenance(candidate: Candidate) -> dict[str, Any]:
    """Return what a person asks later: on what, how well, by which gates. No clock time: it would make each run new."""
    split, evaluation = candidate.split, candidate.evaluation.to_json()
    return {
        "history": candidate.history.fingerprint,
        "history_rows": candidate.history.rows,
        "parts": {
            part.name: {
                "rows": part.rows,
                "base_rate": part.base_rate,
                "first_event": part.first_event.isoformat(),
                "last_event": part.last_event.isoformat(),
            }
            for part in (split.train, split.validate, split.test)
        },
        "left_out": dict(split.left_out),
        "baselines": evaluation["baselines"],
        "reliability": evaluation["reliability"],
        "slices": evaluation["slices"],
        "gates": [asdict(verdict) for verdict in candidate.verdicts],
        "epochs": [asdict(epoch) for epoch in candidate.epochs],
    }
