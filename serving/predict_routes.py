"""Predictions and vectors by release: keys and request data in, one release's answer out."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from likewise.serving.bodies import Body, member, read_object
from likewise.serving.contract import contract
from likewise.serving.edge import DirectRoute, Edge
from likewise.serving.entity_rows import EntityRows, RowRules, check_rows
from likewise.serving.errors import UnsupportedError, WrongShapeError
from likewise.serving.gathered_answers import GatheredAnswers
from likewise.serving.guarded_read import GuardedReads
from likewise.serving.json_answer import JsonAnswer
from likewise.serving.loaded_release import Answer, LoadedRelease
from likewise.serving.observing import request_id
from likewise.serving.off_loop import CELLS_ON_LOOP, OffLoop
from likewise.serving.online import StoredRows
from likewise.serving.openapi import PREDICT, described
from likewise.serving.predict_answer import predict_answer, vectors_answer
from likewise.serving.problems import problem_response
from likewise.serving.request_log import RequestLog
from likewise.serving.resident import ResidentReleases
from likewise.serving.settings import Limits

Render = Callable[[Answer], bytes]


@dataclass(frozen=True, slots=True)
class Predictions:
    """Answers rows by a resident release; what every predicting surface shares.

    Attributes
    ----------
    gathered
        Answers requests whose rows were read together; not those that are traced: a span belongs to one request.
    """

    resident: ResidentReleases
    reads: GuardedReads
    work: OffLoop
    limits: Limits
    log: RequestLog | None = None
    gathered: GatheredAnswers = field(default_factory=GatheredAnswers)

    async def answer(self, request: Request, release: LoadedRelease, rows: EntityRows, render: Render) -> bytes:
        """Return the rendered answer of n rows, all of it from one release."""
        request.scope["likewise.rows"] = rows.n
        started = time.monotonic()
        with self.resident.using(release):
            stored = await self.reads.fetch(release.reader, rows)
            if release.reader.runs_code or rows.n * len(release.reader.plan.served) > CELLS_ON_LOOP:
                make = partial(_make, release, rows, stored, render)
                made = await self.reads.in_time(self.work(make), started)
            elif request.scope.get("likewise.is_traced"):
                made = _make(release, rows, stored, render)
            else:
                answer = await self.gathered.answer(release, rows, stored)
                made = _Made(answer, render(answer))
        if self.log is not None:
            self.log.offer(request_id(request), release, made.answer)
        return made.body


@dataclass(frozen=True, slots=True)
class _Made:
    """An answer and how it was written."""

    answer: Answer
    body: bytes


def _make(release: LoadedRelease, rows: EntityRows, stored: Sequence[StoredRows], render: Render) -> _Made:
    answer = release.answer(rows, stored)
    return _Made(answer, render(answer))


@lru_cache(maxsize=64)
def release_headers(reference: str, transform: str) -> dict[str, str]:
    """Return the headers that say which release answered."""
    return {"x-likewise-release": reference, "x-likewise-transform": transform}


@lru_cache(maxsize=64)
def _raw_headers(reference: str, transform: str) -> list[tuple[bytes, bytes]]:
    """Return the same as they go over the wire."""
    return [(name.encode(), value.encode("latin-1")) for name, value in release_headers(reference, transform).items()]


@dataclass(frozen=True, slots=True)
class PredictRoutes:
    """`/v1/predict/{release}` and `/v1/vectors/{release}`."""

    predictions: Predictions

    def router(self, edge: Edge) -> APIRouter:
        """Return the routes."""
        router = APIRouter(route_class=DirectRoute, tags=["Predictions"])
        for path, handler in (("/v1/predict/{release}", self.predict), ("/v1/vectors/{release}", self.vectors)):
            endpoint = edge.around(path, handler, guard="read", answer=problem_response)
            summary, extra = (handler.__doc__ or "").split(".")[0], described(PREDICT)
            router.add_api_route(path, endpoint, methods=["POST"], summary=summary, openapi_extra=extra)
        path = "/v1/predict/{release}/contract"
        endpoint = edge.around(path, self.contract, guard="read", answer=problem_response)
        router.add_api_route(path, endpoint, methods=["GET"], summary="Show what a release takes and gives")
        return router

    async def predict(self, request: Request) -> Response:
        """Return predictions for entity keys and request data."""
        release = self.predictions.resident.find(request.path_params["release"])
        if release.predictor is None:
            raise UnsupportedError("predicting by a release without a model", "ask /v1/vectors for its inputs")
        explain = explains(request)
        rows = await self._rows(request, release)
        body = await self.predictions.answer(
            request, release, rows, lambda made: predict_answer(release, made, explain=explain)
        )
        return _response(release, body)

    async def vectors(self, request: Request) -> Response:
        """Return the model's inputs for entity keys and request data."""
        release = self.predictions.resident.find(request.path_params["release"])
        rows = await self._rows(request, release)
        body = await self.predictions.answer(request, release, rows, lambda made: vectors_answer(release, made))
        return _response(release, body)

    async def contract(self, request: Request) -> Response:
        """Return what a release takes and gives: schema, example and snippets."""
        release = self.predictions.resident.find(request.path_params["release"])
        return _response(release, orjson.dumps(contract(release, str(request.base_url))))

    async def _rows(self, request: Request, release: LoadedRelease) -> EntityRows:
        limits = self.predictions.limits
        body = await read_object(request, limits.body_bytes)
        return check_rows(
            release.reader.plan, _fields(body), RowRules("entities or request", limits.rows, ignore_unknown=False)
        )


def explains(request: Request) -> bool:
    """Return whether `?explain=inputs` was asked for."""
    asked = request.query_params.get("explain")
    if asked not in (None, "", "inputs"):
        raise WrongShapeError("'explain' in the query", "inputs", repr(asked))
    return asked == "inputs"


def _fields(body: Body) -> dict[str, object]:
    """Return keys and request data as one mapping; a field may stand in either part, not in both."""
    entities, request = member(body, "entities", dict, {}), member(body, "request", dict, {})
    for name in body.keys() - {"entities", "request"}:
        raise WrongShapeError(f"{name!r}", "'entities' and 'request' only", "another member", f"put {name!r} into one")
    both = entities.keys() & request.keys()
    if both:
        raise WrongShapeError(f"{min(both)!r}", "one place", "it in 'entities' and in 'request'")
    return {**entities, **request}


def _response(release: LoadedRelease, body: bytes) -> Response:
    return JsonAnswer(body, _raw_headers(release.identity.reference, release.identity.transform))
