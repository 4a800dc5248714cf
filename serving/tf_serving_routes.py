"""TF Serving's REST API: `:predict` by rows or columns, status and metadata, errors as `{"error": ...}`.

The signature of a release is its join keys and request data; the release looks up the features itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from likewise.serving.bodies import Body, member, read_object
from likewise.serving.edge import DirectRoute, Edge
from likewise.serving.entity_rows import EntityRows, RowRules, check_rows
from likewise.serving.errors import MissingKeyError, UnsupportedError, WrongShapeError
from likewise.serving.loaded_release import Answer, LoadedRelease
from likewise.serving.openapi import TF_PREDICT, described
from likewise.serving.plan import Field
from likewise.serving.predict_routes import Predictions, release_headers
from likewise.serving.problems import headers_of
from likewise.serving.statuses import status_of
from likewise.transforms.columns import LogicalType
from likewise.transforms.errors import LikewiseError

JSON = "application/json"
SIGNATURE = "serving_default"
OUTPUT = "prediction"
_PATHS = ("/v1/models/{name}", "/v1/models/{name}/versions/{version}", "/v1/models/{name}/labels/{label}")
_DTYPES = {"INT32": "DT_INT32", "INT64": "DT_INT64", "FLOAT": "DT_FLOAT", "BOOL": "DT_BOOL", "DOUBLE": "DT_DOUBLE"}


@dataclass(frozen=True, slots=True)
class TfServingRoutes:
    """`/v1/models/{name}[/versions/{v}|/labels/{alias}]` with `:predict` and `/metadata`."""

    predictions: Predictions

    def router(self, edge: Edge) -> APIRouter:
        """Return the routes."""
        router = APIRouter(route_class=DirectRoute, tags=["TF Serving"])
        for base in _PATHS:
            for suffix, method, handler in (
                (":predict", "POST", self.predict),
                ("/metadata", "GET", self.metadata),
                ("", "GET", self.status),
            ):
                endpoint = edge.around(base + suffix, handler, guard="read", answer=error_response)
                summary = (handler.__doc__ or "").split(".")[0]
                extra = described(TF_PREDICT if method == "POST" else None, problems=False)
                router.add_api_route(base + suffix, endpoint, methods=[method], summary=summary, openapi_extra=extra)
        return router

    async def predict(self, request: Request) -> Response:
        """Predict for rows (`instances`) or columns (`inputs`)."""
        release = self._find(request)
        limits = self.predictions.limits
        body = await read_object(request, limits.body_bytes)
        if member(body, "signature_name", str, SIGNATURE) != SIGNATURE:
            raise UnsupportedError(f"signature {body['signature_name']!r}", f"use {SIGNATURE!r}")
        by_rows = "instances" in body
        rules = RowRules("instances" if by_rows else "inputs", limits.rows, ignore_unknown=False)
        rows = _rows(release, body, rules)
        key = "predictions" if by_rows else "outputs"
        content = await self.predictions.answer(request, release, rows, lambda answer: _predictions(key, answer))
        return _response(release, content)

    async def status(self, request: Request) -> Response:
        """Return the state of the version that answers."""
        release = self._find(request)
        state = {
            "version": str(release.identity.version),
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
        return _response(release, orjson.dumps({"model_version_status": [state]}))

    async def metadata(self, request: Request) -> Response:
        """Return the signature: join keys and request data in, predictions out."""
        release = self._find(request)
        plan, identity = release.reader.plan, release.identity
        inputs = {field.name: _tensor_info(field) for field in (*plan.join_keys, *plan.request_fields)}
        outputs = {OUTPUT: _info(OUTPUT, "DT_FLOAT")}
        signature = {"inputs": inputs, "outputs": outputs, "method_name": "tensorflow/serving/predict"}
        document = {
            "model_spec": {"name": identity.name, "signature_name": "", "version": str(identity.version)},
            "metadata": {"signature_def": {"signature_def": {SIGNATURE: signature}}},
        }
        return _response(release, orjson.dumps(document))

    def _find(self, request: Request) -> LoadedRelease:
        parts = request.path_params
        if "version" in parts:
            return self.predictions.resident.find(f"{parts['name']}:{parts['version']}")
        if "label" in parts:
            return self.predictions.resident.find(f"{parts['name']}@{parts['label']}")
        return self.predictions.resident.find(parts["name"])


def error_response(error: LikewiseError, _: str) -> Response:
    """Return an error as TF Serving spells it."""
    headers = dict(headers_of(error))
    return Response(orjson.dumps({"error": str(error)}), status_of(error), headers, JSON)


def _rows(release: LoadedRelease, body: Body, rules: RowRules) -> EntityRows:
    if release.predictor is None:
        raise UnsupportedError("predicting by a release without a model", "ask /v1/vectors for its inputs")
    plan = release.reader.plan
    if ("instances" in body) == ("inputs" in body):
        raise WrongShapeError("the body", "either 'instances' or 'inputs'", "both" if "inputs" in body else "neither")
    fields = (*plan.join_keys, *plan.request_fields)
    sent = _columns(body, fields) if "instances" in body else _inputs(body, fields)
    return check_rows(plan, sent, rules)


def _inputs(body: Body, fields: tuple[Field, ...]) -> Mapping[str, Any]:
    inputs = body["inputs"]
    if isinstance(inputs, list) and len(fields) == 1:  # a signature of one input needs no name
        return {fields[0].name: inputs}
    return member(body, "inputs", dict)  # type: ignore[no-any-return]


def _columns(body: Body, fields: tuple[Field, ...]) -> Mapping[str, Any]:
    """Return rows as columns; each row must have the fields of the first."""
    instances = member(body, "instances", list)
    if len(fields) == 1 and instances and not isinstance(instances[0], dict):
        return {fields[0].name: instances}
    for row, instance in enumerate(instances):
        if not isinstance(instance, dict):
            raise WrongShapeError(f"instance {row}", "an object of named values", type(instance).__name__)
        different = instances[0].keys() ^ instance.keys()
        if different:
            raise MissingKeyError(sorted(different), f"instance {row} (or leave it out of all)", instance)
    if not instances:
        return {field.name: [] for field in fields}
    return {name: [instance[name] for instance in instances] for name in instances[0]}


def _predictions(key: str, answer: Answer) -> bytes:
    predictions = np.empty(0, np.float32) if answer.predictions is None else answer.predictions
    return orjson.dumps({key: predictions}, option=orjson.OPT_SERIALIZE_NUMPY)


def _tensor_info(field: Field) -> dict[str, Any]:
    fallback = "DT_STRING" if field.type is not LogicalType.TIME else "DT_INT64"
    return _info(field.name, _DTYPES.get(field.feast_type, fallback))


def _info(name: str, dtype: str) -> dict[str, Any]:
    shape = {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}
    return {"dtype": dtype, "tensor_shape": shape, "name": f"{name}:0"}


def _response(release: LoadedRelease, content: bytes) -> Response:
    response = Response(content, media_type=JSON)
    response.headers.update(release_headers(release.identity.reference, release.identity.transform))
    return response
