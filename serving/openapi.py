"""What the OpenAPI document says of bodies and errors; the routes themselves check far more than it can say."""

from typing import Any

_COLUMNS = {"type": "object", "additionalProperties": {"type": "array", "items": {}}}
_TEXT = {"type": "string"}
_FLAG = {"type": "boolean", "default": False}
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
_STATUSES = {
    "400": "The body is not JSON.",
    "401": "A bearer token is needed.",
    "403": "This token may not do so.",
    "404": "Unknown release, service, feature or source.",
    "409": "Values are older than their TTL and the server refuses such rows.",
    "413": "The body or the batch is too large.",
    "422": "The body is not what the path takes; the detail says what it does take.",
    "503": "The store does not answer, or the server is busy; see Retry-After.",
    "504": "The answer was not ready before the deadline.",
}

PREDICT = {"properties": {"entities": _COLUMNS, "request": _COLUMNS}, "additionalProperties": False}
GET_ONLINE_FEATURES = {
    "properties": {
        "entities": _COLUMNS,
        "feature_service": _TEXT,
        "features": {"type": "array", "items": _TEXT},
        "full_feature_names": _FLAG,
        "include_feature_view_version_metadata": _FLAG,
    },
    "required": ["entities"],
}
PUSH = {
    "properties": {
        "push_source_name": _TEXT,
        "df": _COLUMNS,
        "to": {"enum": ["online", "offline", "online_and_offline"], "default": "online"},
    },
    "required": ["push_source_name", "df"],
}
WRITE = {"properties": {"feature_view_name": _TEXT, "df": _COLUMNS}, "required": ["feature_view_name", "df"]}
TF_PREDICT = {
    "properties": {
        "instances": {"type": "array", "items": {"type": "object"}},
        "inputs": _COLUMNS,
        "signature_name": _TEXT,
    }
}
INFER = {
    "properties": {
        "id": _TEXT,
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
        "outputs": {"type": "array", "items": {"type": "object"}},
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
