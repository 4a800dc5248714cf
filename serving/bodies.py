"""Request bodies: read within a limit, parsed as JSON, taken apart with errors that name the place."""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request

from likewise.serving.errors import BodyTooLargeError, NotJsonError, WrongShapeError
from likewise.serving.observing import sent_header

Body = dict[str, Any]


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """Return the body's bytes.

    Raises
    ------
    BodyTooLargeError
        It has more than `limit_bytes`; no more than that is kept in memory.
    """
    whole: bytes | None = request.scope.get("likewise.body")
    if whole is None:
        return await _receive(request, limit_bytes)
    if len(whole) > limit_bytes:
        raise BodyTooLargeError(limit_bytes)
    return whole


async def _receive(request: Request, limit_bytes: int) -> bytes:
    declared = sent_header(request, b"content-length")
    if declared.isdigit() and int(declared) > limit_bytes:
        raise BodyTooLargeError(limit_bytes)
    # Straight from the server: `Request.stream` is a generator, which takes longer than reading the body.
    chunks, size, more = [], 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit_bytes:
            raise BodyTooLargeError(limit_bytes)
        more = message.get("more_body", False)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def read_object(request: Request, limit_bytes: int) -> Body:
    """Return the body as a JSON object.

    Raises
    ------
    NotJsonError
        The body is not JSON.
    WrongShapeError
        It is JSON but not an object.
    """
    return parse_object(await read_body(request, limit_bytes))


def parse_object(body: bytes) -> Body:
    """Return bytes as a JSON object."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise NotJsonError(str(error) if body else "an empty body") from None
    if not isinstance(parsed, dict):
        raise WrongShapeError("the body", 'a JSON object, {"...": ...}', type(parsed).__name__)
    return parsed


def member(body: Mapping[str, Any], name: str, kind: type[Any], default: Any = None) -> Any:
    """Return a member of a JSON object, checked to be of a JSON type; its default where it is absent or null."""
    value = body.get(name)
    if value is None:
        if default is None:
            raise WrongShapeError(f"{name!r}", _JSON_NAMES[kind], "nothing", f"add {name!r} to the body")
        return default
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise WrongShapeError(f"{name!r}", _JSON_NAMES[kind], type(value).__name__)
    return value


def text_list(body: Mapping[str, Any], name: str) -> list[str]:
    """Return a list of texts; empty where it is absent."""
    values = member(body, name, list, [])
    for value in values:
        if not isinstance(value, str):
            raise WrongShapeError(f"{name!r}", "a list of texts", f"a {type(value).__name__} in it")
    return values  # type: ignore[no-any-return]


_JSON_NAMES: Mapping[type[Any], str] = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a whole number",
}
