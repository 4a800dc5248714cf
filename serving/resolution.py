"""What serving needs of a Feast repository, resolved: pure data that crosses a pipe as JSON, no Feast."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from likewise.serving.errors import FeastUnreadableError
from likewise.serving.plan import FeaturePlan
from likewise.serving.plan_json import plan_from_json, plan_to_json
from likewise.stores.definition_parts import DefinitionParts
from likewise.transforms.errors import LikewiseError


@dataclass(frozen=True, slots=True)
class ResolvedService:
    """A feature service as the Feast registry has it.

    Attributes
    ----------
    plan
        What to read and compute.
    definitions
        Their fingerprint, part by part.
    code
        On-demand view -> Feast's protobuf message of it, which holds its code.
    """

    plan: FeaturePlan
    definitions: DefinitionParts
    code: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Resolution:
    """A Feast repository at one moment.

    Attributes
    ----------
    project
        Feast's project.
    connection_string, kind, sentinel_master
        Its online store, in Feast's words; the first may hold a password.
    registry_file, registry_digest
        Where the Feast registry is, and what it was.
    services
        What was asked for, each resolved or with the reason why not.
    """

    project: str
    connection_string: str = field(repr=False)
    kind: str
    sentinel_master: str
    registry_file: str
    registry_digest: str
    services: Mapping[str, ResolvedService | LikewiseError]


def resolution_to_json(resolution: Resolution) -> dict[str, Any]:
    """Return a resolution as JSON values."""
    return {
        "project": resolution.project,
        "connection_string": resolution.connection_string,
        "kind": resolution.kind,
        "sentinel_master": resolution.sentinel_master,
        "registry_file": resolution.registry_file,
        "registry_digest": resolution.registry_digest,
        "services": {name: _service_to_json(found) for name, found in resolution.services.items()},
    }


def resolution_from_json(value: Mapping[str, Any]) -> Resolution:
    """Return the resolution that JSON values say."""
    services = {name: _service_from_json(found) for name, found in value["services"].items()}
    return Resolution(**{**value, "services": services})


def _service_to_json(found: ResolvedService | LikewiseError) -> dict[str, Any]:
    if isinstance(found, LikewiseError):
        return {"error": error_to_json(found)}
    return {
        "plan": plan_to_json(found.plan),
        "fingerprint": found.definitions.fingerprint,
        "parts": dict(found.definitions.parts),
        "code": {name: base64.b64encode(content).decode() for name, content in found.code.items()},
    }


def _service_from_json(value: Mapping[str, Any]) -> ResolvedService | LikewiseError:
    if "error" in value:
        return error_from_json(value["error"])
    return ResolvedService(
        plan=plan_from_json(value["plan"]),
        definitions=DefinitionParts(value["fingerprint"], value["parts"]),
        code={name: base64.b64decode(content) for name, content in value["code"].items()},
    )


def error_to_json(error: LikewiseError) -> dict[str, Any]:
    """Return an error of ours as JSON values."""
    return {"kind": type(error).__qualname__, "message": str(error), "attributes": vars(error)}


def error_from_json(value: Mapping[str, Any]) -> LikewiseError:
    """Return the error that JSON values say: the same class, text and attributes."""
    kind = next((one for one in _kinds(LikewiseError) if one.__qualname__ == value["kind"]), None)
    if kind is None:
        return FeastUnreadableError(value["message"])
    error = kind.__new__(kind, value["message"])
    attributes = {name: tuple(item) if isinstance(item, list) else item for name, item in value["attributes"].items()}
    vars(error).update(attributes)
    return error


def _kinds(base: type[LikewiseError]) -> Iterator[type[LikewiseError]]:
    yield base
    for kind in base.__subclasses__():
        yield from _kinds(kind)
