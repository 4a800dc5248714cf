"""RFC 9457 problem documents: what was expected, what was got, what to do."""

import re
from collections.abc import Mapping

import orjson
from starlette.responses import Response

from likewise.serving.errors import ServingError
from likewise.serving.statuses import status_of
from likewise.transforms.errors import LikewiseError

PROBLEM_JSON = "application/problem+json"
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")


def problem_of(error: LikewiseError, request_id: str) -> dict[str, object]:
    """Return an error as a problem document."""
    title = _WORD.sub(" ", type(error).__name__.removesuffix("Error")).lower()
    document: dict[str, object] = {
        "type": f"urn:likewise:problem:{title.replace(' ', '-')}",
        "title": title,
        "status": status_of(error),
        "detail": str(error),
        "instance": f"urn:likewise:request:{request_id}",
    }
    if isinstance(error, ServingError):
        extra = {"expected": error.expected, "got": error.got, "advice": error.advice}
        document |= {name: value for name, value in extra.items() if value is not None}
    return document


def problem_response(error: LikewiseError, request_id: str) -> Response:
    """Return the HTTP answer for an error."""
    return _answer(problem_of(error, request_id), headers_of(error))


def unexpected_response(request_id: str) -> Response:
    """Return the HTTP answer for a fault of ours; the log holds the traceback under the request's id."""
    return plain_problem(
        500,
        "internal error",
        f"The server failed on this request; its log has the cause under {request_id}.",
        request_id,
    )


def plain_problem(status: int, title: str, detail: str, request_id: str) -> Response:
    """Return a problem without a class of ours (no such path, wrong method, a fault)."""
    document = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": f"urn:likewise:request:{request_id}",
    }
    return _answer(document, {})


def headers_of(error: LikewiseError) -> Mapping[str, str]:
    """Return the headers that belong to an error."""
    retry_after = getattr(error, "retry_after_seconds", None)
    if retry_after is not None:
        return {"retry-after": str(retry_after)}
    return {"www-authenticate": "Bearer"} if status_of(error) == 401 else {}


def _answer(document: Mapping[str, object], headers: Mapping[str, str]) -> Response:
    status = document["status"]
    return Response(orjson.dumps(document), status, dict(headers), PROBLEM_JSON)  # type: ignore[arg-type]
