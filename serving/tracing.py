"""Spans around requests and around the stages of an answer: wrapped, so that a server without traces pays nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from starlette.requests import Request
from starlette.responses import Response

from likewise.serving.loaded_release import LoadedRelease, Predictor, Transform
from likewise.serving.observing import Handler, request_id
from likewise.serving.on_demand import Input, OnDemandView
from likewise.serving.online import OnlineReader, StoredRows, ViewStore
from likewise.serving.plan import ComputedView
from likewise.serving.resident import ReleaseSource
from likewise.serving.telemetry import Telemetry
from likewise.transforms.columns import Column, Columns, InputSpec
from likewise.transforms.counters import Counters
from likewise.transforms.steps import OutputSpec

FAULT = 500


@dataclass(frozen=True, slots=True)
class RequestSpans:
    """An observer that makes a server span of every request."""

    telemetry: Telemetry

    def around(self, route: str, handler: Handler) -> Handler:
        """Return a handler whose requests are spans."""
        telemetry = self.telemetry

        async def handle(request: Request) -> Response:
            method = request.scope["method"]
            known = {"http.request.method": method, "http.route": route, "url.path": request.scope["path"]}
            with telemetry.request_span(f"{method} {route}", request.headers, known) as span:
                context = span.get_span_context()
                ids = {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
                request.scope["likewise.trace"] = ids
                request.scope["likewise.is_traced"] = span.is_recording()
                response = await handler(request)
                span.set_attributes(_outcome(request, response))
                if response.status_code >= FAULT:
                    telemetry.mark_failed(span, request.scope.get("likewise.problem", ("", ""))[0])
                flags = f"{context.trace_flags:02x}"
                response.headers["traceresponse"] = f"00-{ids['trace_id']}-{ids['span_id']}-{flags}"
                return response

        return handle


def _outcome(request: Request, response: Response) -> dict[str, Any]:
    headers, scope = response.headers, request.scope
    known = {
        "http.response.status_code": response.status_code,
        "likewise.request_id": request_id(request),
        "likewise.rows": scope.get("likewise.rows"),
        "likewise.release": headers.get("x-likewise-release"),
        "likewise.transform": headers.get("x-likewise-transform"),
        "error.type": scope.get("likewise.problem", (None,))[0],
    }
    return {name: value for name, value in known.items() if value is not None}


def traced_reader(telemetry: Telemetry) -> Callable[[OnlineReader], OnlineReader]:
    """Return what puts spans around a reader's lookup and around each of its on-demand views."""

    def traced(reader: OnlineReader) -> OnlineReader:
        store = _TracedStore(reader.store, telemetry, tuple(view.name for view in reader.plan.stored))
        views = tuple(cast("OnDemandView", _TracedView(view, telemetry)) for view in reader.on_demand)
        return replace(reader, store=store, on_demand=views)

    return traced


@dataclass(frozen=True, slots=True)
class TracedSource:
    """A source whose releases have spans around transform and model."""

    source: ReleaseSource
    telemetry: Telemetry

    def version_of(self, reference: str) -> int:
        """Return the version that a reference names now."""
        return self.source.version_of(reference)

    def load(self, name: str, version: int) -> LoadedRelease:
        """Return a release, proved, with spans."""
        release = self.source.load(name, version)
        model = release.predictor
        return replace(
            release,
            transform=_TracedTransform(release.transform, self.telemetry, release.identity.transform),
            predictor=None if model is None else _TracedPredictor(model, self.telemetry, release.identity.reference),
        )

    def moved(self, release: LoadedRelease) -> tuple[str, ...]:
        """Return the parts of the definitions that moved."""
        return self.source.moved(release)


@dataclass(frozen=True, slots=True)
class _TracedStore:
    store: ViewStore
    telemetry: Telemetry
    views: tuple[str, ...]

    def read(self, keys: Mapping[str, Sequence[object]]) -> Sequence[StoredRows]:
        with self.telemetry.span("lookup", self._known(keys), leaves=True):
            return self.store.read(keys)

    async def read_async(self, keys: Mapping[str, Sequence[object]]) -> Sequence[StoredRows]:
        with self.telemetry.span("lookup", self._known(keys), leaves=True):
            return await self.store.read_async(keys)

    def _known(self, keys: Mapping[str, Sequence[object]]) -> dict[str, Any]:
        rows = len(next(iter(keys.values()), ()))
        return {"db.system.name": "redis", "likewise.views": self.views, "likewise.rows": rows}


@dataclass(frozen=True, slots=True)
class _TracedView:
    view: OnDemandView
    telemetry: Telemetry

    @property
    def plan(self) -> ComputedView:
        return self.view.plan

    def compute(self, inputs: Mapping[str, Input], n: int) -> dict[str, Column]:
        known = {"likewise.view": self.view.plan.name, "likewise.rows": n}
        with self.telemetry.span("on-demand", known):
            return self.view.compute(inputs, n)


@dataclass(frozen=True, slots=True)
class _TracedTransform:
    transform: Transform
    telemetry: Telemetry
    digest: str

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        return self.transform.inputs

    @property
    def outputs(self) -> tuple[OutputSpec, ...]:
        return self.transform.outputs

    def apply_columns(self, columns: Columns, counters: Counters | None = None) -> Mapping[str, npt.NDArray[Any]]:
        with self.telemetry.span("transform", {"likewise.transform": self.digest}):
            return self.transform.apply_columns(columns, counters)

    def check_golden(self) -> None:
        self.transform.check_golden()


@dataclass(frozen=True, slots=True)
class _TracedPredictor:
    predictor: Predictor
    telemetry: Telemetry
    release: str

    def predict(self, tensors: Any) -> npt.NDArray[np.float32]:
        with self.telemetry.span("model", {"likewise.release": self.release}):
            return self.predictor.predict(tensors)

    def check_golden(self) -> None:
        self.predictor.check_golden()
