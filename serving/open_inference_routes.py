"""Open Inference Protocol V2 (`tritonclient[http]` works unmodified).

A release's inputs are its join keys and request data; it looks up the features itself.
"""

from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from likewise.serving.bodies import read_body
from likewise.serving.compressed_bodies import opened
from likewise.serving.edge import DirectRoute, Edge
from likewise.serving.entity_rows import RowRules, check_rows
from likewise.serving.errors import UnsupportedError, WrongShapeError
from likewise.serving.loaded_release import LoadedRelease
from likewise.serving.observing import Handler
from likewise.serving.open_inference import InferRequest, datatype_of, parse_request, write_answer
from likewise.serving.openapi import INFER, described
from likewise.serving.predict_routes import Predictions, release_headers
from likewise.serving.tf_serving_routes import error_response

JSON = "application/json"
OUTPUT = "prediction"
LENGTH_HEADER = "inference-header-content-length"
_PATHS = ("/v2/models/{name}", "/v2/models/{name}/versions/{version}")


@dataclass(frozen=True, slots=True)
class OpenInferenceRoutes:
    """`/v2/...`."""

    predictions: Predictions

    def router(self, edge: Edge) -> APIRouter:
        """Return the routes."""
        router = APIRouter(route_class=DirectRoute, tags=["Open Inference Protocol"])
        routes: list[tuple[str, str, Handler]] = [
            ("/v2", "GET", self.server),
            ("/v2/health/live", "GET", self.live),
            ("/v2/health/ready", "GET", self.ready),
        ]
        for base in _PATHS:
            routes += [(f"{base}/infer", "POST", self.infer), (f"{base}/ready", "GET", self.model_ready)]
            routes += [(base, "GET", self.metadata)]
        for path, method, handler in routes:
            guard = "open" if path.startswith("/v2/health") else "read"
            endpoint = edge.around(path, handler, guard=guard, answer=error_response)
            summary = (handler.__doc__ or "").split(".")[0]
            extra = described(INFER if method == "POST" else None, problems=False)
            router.add_api_route(path, endpoint, methods=[method], summary=summary, openapi_extra=extra)
        return router

    async def server(self, _: Request) -> Response:
        """Name the server and its extensions."""
        return _json({"name": "likewise", "version": "2", "extensions": ["binary_tensor_data"]})

    async def live(self, _: Request) -> Response:
        """Answer while the process runs."""
        return _json({"live": True})

    async def ready(self, _: Request) -> Response:
        """Say whether every release is loaded and proved."""
        is_ready = self.predictions.resident.is_ready
        return _json({"ready": is_ready}, 200 if is_ready else 503)

    async def model_ready(self, request: Request) -> Response:
        """Say that a release is loaded."""
        release = self._find(request)
        return _json({"name": release.identity.name, "ready": True})

    async def metadata(self, request: Request) -> Response:
        """Return a release's inputs and output."""
        release = self._find(request)
        plan = release.reader.plan
        fields = (*plan.join_keys, *plan.request_fields)
        inputs = [{"name": field.name, "datatype": datatype_of(field), "shape": [-1]} for field in fields]
        return _json(
            {
                "name": release.identity.name,
                "versions": [str(release.identity.version)],
                "platform": "likewise",
                "inputs": inputs,
                "outputs": [{"name": OUTPUT, "datatype": "FP32", "shape": [-1]}],
            }
        )

    async def infer(self, request: Request) -> Response:
        """Predict for tensors of join keys and request data."""
        release = self._find(request)
        if release.predictor is None:
            raise UnsupportedError("predicting by a release without a model", "ask /v1/vectors for its inputs")
        limits = self.predictions.limits
        sent = await read_body(request, limits.body_bytes)
        body = opened(sent, request.headers.get("content-encoding"), limits.body_bytes)
        asked = parse_request(body, _header_length(request), OUTPUT)
        rules = RowRules("inputs", limits.rows, ignore_unknown=False)
        rows = check_rows(release.reader.plan, asked.columns, rules)
        model = _model(release, asked)
        lengths: list[int | None] = []

        def render(answer: Any) -> bytes:
            written = write_answer(model, OUTPUT, answer.predictions, binary=asked.binary_output)
            lengths.append(written.header_length)
            return written.body

        content = await self.predictions.answer(request, release, rows, render)
        binary = lengths[0] is not None
        response = Response(content, media_type="application/octet-stream" if binary else JSON)
        if binary:
            response.headers[LENGTH_HEADER] = str(lengths[0])
        response.headers.update(release_headers(release.identity.reference, release.identity.transform))
        return response

    def _find(self, request: Request) -> LoadedRelease:
        name, version = request.path_params["name"], request.path_params.get("version")
        return self.predictions.resident.find(f"{name}:{version}" if version else name)


def _model(release: LoadedRelease, asked: InferRequest) -> dict[str, Any]:
    model: dict[str, Any] = {"model_name": release.identity.name, "model_version": str(release.identity.version)}
    return model if asked.id is None else {**model, "id": asked.id}


def _header_length(request: Request) -> int | None:
    text = request.headers.get(LENGTH_HEADER)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit():
        raise WrongShapeError("Inference-Header-Content-Length", "a number of bytes", repr(text)[:80])
    return int(text)


def _json(document: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(document), status, media_type=JSON)
