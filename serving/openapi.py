"""What the OpenAPI document says of bodies and errors; the routes themselves check far more than it can say."""

import re
from collections.abc import Mapping
from typing import Any

_COLUMNS = {"type": "object", "additionalProperties": {"type": "array", "items": {}}}
_TEXT = {"type": "string"}
# An optional member may also be null, which means what leaving it out means.
_FLAG = {"type": ["boolean", "null"], "default": False}
_OPTIONAL_TEXT = {"type": ["string", "null"]}
_OPTIONAL_COLUMNS = {**_COLUMNS, "type": ["object", "null"]}
_PROBLEM = {
    "type": "object",
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "instance": _TEXT,
        "expected": _TEXT,
        "got": _TEXT,
        "advice": _TEXT,
    },
    "required": ["type", "title", "status", "detail"],
}
_ERROR = {"type": "object", "properties": {"error": _TEXT}, "required": ["error"]}
_JSON = {"application/json": {"schema": {"type": "object"}}}
_STATUSES = {
    "400": "The body is not JSON.",
    "401": "A bearer token is needed.",
    "403": "This token may not do so.",
    "404": "Unknown release, service, feature or source.",
    "409": "Values are older than their TTL and the server refuses such rows.",
    "413": "The body or the batch is too large.",
    "415": "The body is compressed in a way that is not read here.",
    "422": "The body is not what the path takes; the detail says what it does take.",
    "503": "The store does not answer, or the server is busy; see Retry-After.",
    "504": "The answer was not ready before the deadline.",
}

PREDICT = {"properties": {"entities": _OPTIONAL_COLUMNS, "request": _OPTIONAL_COLUMNS}, "additionalProperties": False}
GET_ONLINE_FEATURES = {
    "properties": {
        "entities": _COLUMNS,
        "feature_service": _OPTIONAL_TEXT,
        "features": {"type": ["array", "null"], "items": _TEXT},
        "full_feature_names": _FLAG,
        "include_feature_view_version_metadata": _FLAG,
    },
    "required": ["entities"],
}
PUSH = {
    "properties": {
        "push_source_name": _TEXT,
        "df": _COLUMNS,
        "to": {"enum": ["online", "offline", "online_and_offline", None], "default": "online"},
    },
    "required": ["push_source_name", "df"],
}
WRITE = {"properties": {"feature_view_name": _TEXT, "df": _COLUMNS}, "required": ["feature_view_name", "df"]}
TF_PREDICT = {
    "properties": {
        "instances": {"type": "array", "items": {"type": "object"}},
        "inputs": _COLUMNS,
        "signature_name": _OPTIONAL_TEXT,
    }
}
INFER = {
    "properties": {
        "id": {"description": "Given back if it is a text."},
        "inputs": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": _TEXT,
                    "datatype": _TEXT,
                    "shape": {"type": "array", "items": {"type": "integer"}},
                    "data": {"type": "array", "items": {}},
                },
                "required": ["name", "datatype", "shape"],
            },
        },
        "outputs": {"type": ["array", "null"], "items": {"type": "object"}},
    },
    "required": ["inputs"],
}


def described(body: dict[str, Any] | None = None, *, problems: bool = True) -> dict[str, Any]:
    """Return what a route adds to the OpenAPI document.

    Parameters
    ----------
    body
        Properties of its JSON body; None: it takes none.
    problems
        Whether its errors are problem documents (else one text under `error`).
    """
    media, schema = ("application/problem+json", _PROBLEM) if problems else ("application/json", _ERROR)
    errors = {
        status: {"description": text, "content": {media: {"schema": schema}}} for status, text in _STATUSES.items()
    }
    extra: dict[str, Any] = {"responses": errors}
    if body is not None:
        content = {"application/json": {"schema": {"type": "object", **body}}}
        extra["requestBody"] = {"required": True, "content": content}
    return extra


_PARAMETERS = {
    "release": "A release that is served: its name, NAME@ALIAS or NAME:VERSION.",
    "name": "A release's name.",
    "version": "A release's version.",
    "label": "An alias of a release.",
    "reference": "A release: NAME:VERSION or NAME@ALIAS.",
}
_NAME_QUERY = {"name": "name", "in": "query", "schema": _TEXT, "description": "Only those of this name."}
_QUERIES: Mapping[str, list[dict[str, Any]]] = {
    "/v1/predict/{release}": [
        {
            "name": "explain",
            "in": "query",
            "schema": {"enum": ["", "inputs"]},
            "description": "`inputs` adds what the model saw.",
        }
    ],
    "/v1/registry/releases": [_NAME_QUERY],
    "/v1/registry/transforms": [_NAME_QUERY],
}
# What is answered besides what a handler's own description says: no content, another type, another status.
_EMPTY: dict[str, Any] = {"description": "No content."}
_ANSWERS: Mapping[str, dict[str, Any]] = {
    "/health": {"200": _EMPTY, "503": _EMPTY},
    "/health/ready": {"503": {"description": "Not ready; the body says why.", "content": _JSON}},
    "/v2/health/ready": {"503": {"description": "Not ready.", "content": _JSON}},
    "/metrics": {"200": {"description": "Metrics.", "content": {"text/plain": {"schema": _TEXT}}}},
    "/push": {"200": _EMPTY},
    "/write-to-online-store": {
        "200": {"description": "Written.", "content": {"application/json": {"schema": {"type": "null"}}}}
    },
}
_BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_OPEN = ("/health", "/metrics", "/v2/health")


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """Return an OpenAPI document with what the routes, which take the request as it is, can't tell of themselves."""
    document.setdefault("components", {})["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete(path, operation)
    return document


def _complete(path: str, operation: dict[str, Any]) -> None:
    names = re.findall(r"{(\w+)}", path)
    inside = [
        {"name": name, "in": "path", "required": True, "schema": _TEXT, "description": _PARAMETERS[name]}
        for name in names
    ]
    operation["parameters"] = [*inside, *_QUERIES.get(path, [])]
    responses = operation["responses"]
    if responses.get("200", {}).get("content") == {"application/json": {"schema": {}}}:
        responses["200"]["content"] = dict(_JSON)
    if path.endswith("/infer"):
        responses["200"]["content"] |= _BINARY
    if not path.startswith(_OPEN):
        # A token is needed where tokens are set; the empty requirement says that it may not be.
        operation["security"] = [{"token": []}, {}]
        if len(responses) == 1:
            responses |= described()["responses"]
    responses |= _ANSWERS.get(path, {})
