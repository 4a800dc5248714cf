"""Puts one worker's app together from settings and parts: the only place that knows every route."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from likewise.serving.direct_app import DirectApp
from likewise.serving.docs_page import add_docs_page
from likewise.serving.edge import Edge
from likewise.serving.ending import Ending
from likewise.serving.errors import SettingsError
from likewise.serving.feature_routes import FeatureRoutes
from likewise.serving.guarded_read import GuardedReads
from likewise.serving.health_routes import HealthRoutes
from likewise.serving.loaded_release import LoadedRelease
from likewise.serving.metrics import Metrics
from likewise.serving.metrics_board import MetricsBoard
from likewise.serving.observing import Observer, request_id
from likewise.serving.off_loop import OffLoop
from likewise.serving.open_inference_routes import OpenInferenceRoutes
from likewise.serving.parts import Parts
from likewise.serving.ports import FeatureCatalog, FeatureSource
from likewise.serving.predict_routes import Predictions, PredictRoutes
from likewise.serving.problems import plain_problem, problem_response, unexpected_response
from likewise.serving.refresher import Refresher
from likewise.serving.registry_routes import RegistryRoutes
from likewise.serving.request_lines import RequestLines
from likewise.serving.request_log import RequestLog
from likewise.serving.resident import ReleaseSource, ResidentReleases
from likewise.serving.settings import ServingSettings
from likewise.serving.tf_serving_routes import TfServingRoutes
from likewise.serving.tokens import Access
from likewise.serving.tracing import RequestSpans, TracedSource

_CHOSEN = ("/get-online-features", "/v1/predict/{release}", "/v1/vectors/{release}")
# What lines of requests get at the end even if nothing is left: they come last.
LINES_SECONDS = 0.5
# The route, for metrics, lines and spans, of all that no route takes: who asks for what can't make it more than one.
OTHER = "other"
_TITLES = {404: "not found", 405: "method not allowed"}


@dataclass(frozen=True, slots=True)
class _Worker:
    """What the routes of one worker share."""

    settings: ServingSettings
    parts: Parts
    metrics: Metrics
    resident: ResidentReleases
    reads: GuardedReads
    work: OffLoop
    log: RequestLog | None
    lines: RequestLines | None

    def observers(self) -> list[Observer]:
        """Return who watches requests, from the inside out: a line names the span around it."""
        lines: list[Observer] = [self.lines] if self.lines is not None else []
        telemetry = self.parts.telemetry
        return lines if telemetry is None else [*lines, RequestSpans(telemetry)]


def build_app(settings: ServingSettings, parts: Parts, board: MetricsBoard | None = None) -> FastAPI:
    """Return the app of one worker.

    Parameters
    ----------
    settings
        What to serve and how.
    parts
        The adapters; a role without its adapter is an error here, not in a request.
    board
        Where several workers add up their metrics.

    Raises
    ------
    SettingsError
        A role lacks what it needs.
    """
    metrics = Metrics(board)
    reads = GuardedReads(settings.limits.deadline_ms, settings.on_trouble, metrics)
    resident = ResidentReleases(_releases(settings, parts), _references(settings))
    log = _request_log(settings, metrics)
    lines = RequestLines(settings.log, metrics.lines_lost.inc) if settings.log.is_told_of_requests else None
    work = OffLoop(keeps_context=parts.telemetry is not None)
    worker = _Worker(settings, parts, metrics, resident, reads, work, log, lines)
    if parts.telemetry is not None:
        parts.telemetry.watch_lost(metrics.spans_lost.inc)
    metrics.watch_releases(lambda: [slot.current for slot in resident.slots if slot.current is not None])
    app = DirectApp(
        title="Likewise",
        summary="Features, vectors and predictions",
        lifespan=_lifespan(worker),
        docs_url=None,
        redoc_url=None,
    )
    edge = Edge(Access(settings), metrics, settings.limits.inflight, worker.observers())
    # Its own thread: a probe that waits for a lost store must not hold up answers.
    health = HealthRoutes(resident, _store_answers(parts.source or parts.catalog), metrics, OffLoop(threads=1))
    for router in _routers(worker, edge, health):
        # Flat, not nested by `include_router`: a nested router is matched route by route for every request.
        app.router.routes.extend(router.routes)
    app.choose(_CHOSEN)
    add_docs_page(app)
    app.add_exception_handler(HTTPException, _refusing(edge))
    app.add_exception_handler(Exception, _unexpected)
    app.state.resident, app.state.access, app.state.metrics = resident, edge.access, metrics
    app.state.readiness, app.state.ending = health.readiness, Ending(settings.drain_seconds)
    return app


def _routers(worker: _Worker, edge: Edge, health: HealthRoutes) -> list[APIRouter]:
    parts, limits = worker.parts, worker.settings.limits
    predictions = Predictions(worker.resident, worker.reads, worker.work, limits, worker.log)
    routers = [health.router(edge)]
    # Hot paths first: routes are tried in order.
    if "predict" in worker.settings.roles:
        routers.insert(0, PredictRoutes(predictions).router(edge))
        routers.append(TfServingRoutes(predictions).router(edge))
        routers.append(OpenInferenceRoutes(predictions).router(edge))
    if "features" in worker.settings.roles:
        features = FeatureRoutes(_catalog(parts), parts.writer, worker.reads, worker.work, limits)
        routers.insert(0, features.router(edge))
    if parts.registry is not None:
        routers.append(RegistryRoutes(parts.registry, worker.work).router(edge))
    return routers


def _lifespan(worker: _Worker) -> Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]:
    parts, settings = worker.parts, worker.settings
    refresher = Refresher(
        resident=worker.resident,
        source=parts.source or parts.catalog,
        metrics=worker.metrics,
        breaker=worker.reads.breaker,
        heal=parts.heal,
        poll_seconds=settings.poll_seconds,
        definitions_seconds=settings.definitions_seconds,
    )

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with refresher.running():
            yield
        worker.work.close()
        seconds = app.state.ending.seconds_left()
        # Side by side: each may take all that is left. The lines last, for the others may have something to tell.
        records = [kept for kept in (worker.log, parts.telemetry) if kept is not None]
        await asyncio.gather(*(asyncio.to_thread(kept.close, seconds) for kept in records))
        if worker.lines is not None:
            worker.lines.close(max(LINES_SECONDS, app.state.ending.seconds_left()))
        worker.metrics.post()
        await parts.close()

    return lifespan


def _request_log(settings: ServingSettings, metrics: Metrics) -> RequestLog | None:
    if settings.request_log is None:
        return None
    share, most_bytes = settings.request_log_share, settings.request_log_bytes
    return RequestLog(settings.request_log, share, most_bytes, metrics.log_lost.inc)


def _references(settings: ServingSettings) -> tuple[str, ...]:
    return settings.releases if "predict" in settings.roles else ()


def _releases(settings: ServingSettings, parts: Parts) -> ReleaseSource:
    if parts.releases is None and _references(settings):
        raise SettingsError("releases", "a registry to load them from", "none")
    if parts.releases is not None and parts.telemetry is not None:
        return TracedSource(parts.releases, parts.telemetry)
    return parts.releases or _NoReleases()


def _catalog(parts: Parts) -> FeatureCatalog:
    if parts.catalog is None:
        raise SettingsError("roles", "a Feast repository for the role 'features'", "none")
    return parts.catalog


def _store_answers(source: FeatureSource | None) -> Callable[[], bool]:
    return source.is_reachable if source is not None else lambda: True


class _NoReleases:
    """The source of a server that serves no release; it is never asked."""

    def version_of(self, reference: str) -> int:
        raise SettingsError("releases", "no reference", reference)

    def load(self, name: str, version: int) -> LoadedRelease:
        raise SettingsError("releases", "no reference", f"{name}:{version}")

    def moved(self, release: LoadedRelease) -> tuple[str, ...]:
        raise SettingsError("releases", "no reference", release.identity.reference)


def _refusing(edge: Edge) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Return what answers requests that no route takes, counted and watched as one route, whatever they ask for."""
    refuse = edge.around(OTHER, _refusal, guard="nothing", answer=problem_response)

    async def refused(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        headers = dict(getattr(error, "headers", None) or {})  # `Allow` of a method that is not allowed
        # Not the error itself: kept in its own request it is a cycle.
        request.scope["likewise.refusal"] = (status, getattr(error, "detail", ""), headers)
        return await refuse(request)

    return refused


async def _refusal(request: Request) -> Response:
    status, told, headers = request.scope["likewise.refusal"]
    title = _TITLES.get(status, "request refused")
    detail = f"{request.method} {request.url.path}: {told}; see /docs for what is served"
    request.scope["likewise.problem"] = (title, detail)
    response = plain_problem(status, title, detail, request_id(request))
    response.headers.update(headers)
    return response


async def _unexpected(request: Request, _: Exception) -> Response:
    return unexpected_response(request_id(request))
