"""Is this worker alive, and may it get traffic."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from likewise.serving.edge import DirectRoute, Edge
from likewise.serving.metrics import CONTENT_TYPE, Metrics
from likewise.serving.off_loop import OffLoop
from likewise.serving.problems import problem_response
from likewise.serving.resident import ResidentReleases, Slot

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class HealthRoutes:
    """`/health` as Feast answers it, `/health/live`, `/health/ready` and `/metrics`.

    Attributes
    ----------
    resident
        Ready means that every configured release is loaded and proved.
    store_answers
        Whether the online store answers (blocking).
    """

    resident: ResidentReleases
    store_answers: Callable[[], bool]
    metrics: Metrics
    work: OffLoop

    def router(self, edge: Edge) -> APIRouter:
        """Return the routes."""
        router = APIRouter(route_class=DirectRoute, tags=["Operations"])
        for path, handler in (
            ("/health", self.health),
            ("/health/live", self.live),
            ("/health/ready", self.ready),
            ("/metrics", self.scrape),
        ):
            endpoint = edge.around(path, handler, guard="open", answer=problem_response)
            router.add_api_route(path, endpoint, methods=["GET"], summary=(handler.__doc__ or "").split(".")[0])
        return router

    async def live(self, _: Request) -> Response:
        """Answer while the process runs."""
        return Response(b'{"status":"live"}', media_type=JSON)

    async def health(self, _: Request) -> Response:
        """Answer 200 or 503 with an empty body, as Feast's server."""
        return Response(status_code=200 if self.resident.is_ready else 503)

    async def ready(self, _: Request) -> Response:
        """Say whether every release is loaded and proved, and whether the store answers."""
        document = await self.work(self.readiness)
        return Response(orjson.dumps(document), 200 if document["status"] == "ready" else 503, media_type=JSON)

    def readiness(self) -> dict[str, Any]:
        """Return what `/health/ready` says (blocking: the store is asked)."""
        store = self.store_answers()
        is_ready = store and self.resident.is_ready
        return {
            "status": "ready" if is_ready else "not ready",
            "online_store": "answers" if store else "does not answer",
            "releases": {slot.reference: _slot(slot) for slot in self.resident.slots},
        }

    async def scrape(self, _: Request) -> Response:
        """Return Prometheus metrics."""
        return Response(await self.work(self.metrics.render), media_type=CONTENT_TYPE)


def _slot(slot: Slot) -> dict[str, Any]:
    identity = slot.current.identity if slot.current else None
    return {
        "answers_with": identity.reference if identity else None,
        "transform": identity.transform if identity else None,
        "problem": slot.problem,
        "moved_definitions": list(slot.moved),
    }
