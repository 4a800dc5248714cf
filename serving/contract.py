"""What a release takes and gives: schema, an example, and snippets that work as they are."""

import json
from typing import Any

from likewise.serving.loaded_release import LoadedRelease
from likewise.serving.plan import Field
from likewise.transforms.columns import LogicalType

_SAMPLES: dict[LogicalType, Any] = {
    LogicalType.NUMBER: 1,
    LogicalType.BOOLEAN: True,
    LogicalType.TEXT: "text",
    LogicalType.BYTES: "Ynl0ZXM=",
    LogicalType.TIME: "2013-11-05T12:00:00Z",
}
_JSON_TYPES = {
    LogicalType.NUMBER: "number",
    LogicalType.BOOLEAN: "boolean",
    LogicalType.TEXT: "string",
    LogicalType.BYTES: "string",
    LogicalType.TIME: "string",
}


def contract(release: LoadedRelease, base_url: str) -> dict[str, Any]:
    """Return the contract of a release as JSON values.

    Parameters
    ----------
    release
        What answers.
    base_url
        The server's address, for the snippets.
    """
    identity, plan = release.identity, release.reader.plan
    example = {
        "entities": {field.name: [sample(field)] for field in plan.join_keys},
        "request": {field.name: [sample(field)] for field in plan.request_fields},
    }
    surface = "predict" if release.predictor is not None else "vectors"
    url = f"{base_url.rstrip('/')}/v1/{surface}/{identity.reference}"
    return {
        "release": identity.reference,
        "digest": identity.digest,
        "transform": identity.transform,
        "feature_service": plan.service,
        "request_schema": _schema(release),
        "features": [{"name": s.column, "view": s.view, "type": s.field.type.value} for s in plan.served],
        "outputs": [_output(output) for output in release.transform.outputs],
        "example": example,
        "curl": _curl(url, example),
        "python": _python(url, example),
        "metrics": dict(identity.metrics),
    }


def sample(field: Field) -> Any:
    """Return a value of a field's type, for examples."""
    value = _SAMPLES[field.type.element]
    return [value] if field.type.is_list else value


def _schema(release: LoadedRelease) -> dict[str, Any]:
    plan = release.reader.plan
    parts = {
        "entities": _part(plan.join_keys, "Join keys; null finds nothing."),
        "request": _part(plan.request_fields, "Request data; null is missing."),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": parts,
        "required": [name for name, part in parts.items() if part["required"]],
        "additionalProperties": False,
    }


def _part(fields: tuple[Field, ...], description: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": f"{description} One value per row in each list.",
        "properties": {field.name: {"type": "array", "items": _item(field)} for field in fields},
        "required": [field.name for field in fields],
    }


def _item(field: Field) -> dict[str, Any]:
    item: dict[str, Any] = {"type": [_JSON_TYPES[field.type.element], "null"]}
    if field.feast_type in ("INT32", "INT64"):
        item["type"][0] = "integer" if field.type is LogicalType.NUMBER else "number"
    if field.type.element is LogicalType.TIME:
        item = {"type": ["string", "number", "null"], "description": "ISO 8601, or seconds since 1970"}
    if field.type.element is LogicalType.BYTES:
        item["contentEncoding"] = "base64"
    return {"type": ["array", "null"], "items": item} if field.type.is_list else item


def _output(output: Any) -> dict[str, Any]:
    return {"name": output.name, "dtype": output.dtype, "width": output.width, "columns": list(output.columns)}


def _curl(url: str, example: dict[str, Any]) -> str:
    return f"curl -s {url} -H 'content-type: application/json' -d '{json.dumps(example)}'"


def _python(url: str, example: dict[str, Any]) -> str:
    return f"import httpx\n\nanswer = httpx.post({url!r}, json={example!r})\nprint(answer.json()['predictions'])"
