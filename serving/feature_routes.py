"""Feast's HTTP API for features: reading by service or by references, pushing, writing."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from likewise.serving.bodies import Body, member, read_object, text_list
from likewise.serving.edge import DirectRoute, Edge
from likewise.serving.entity_rows import EntityRows, RowRules, check_rows
from likewise.serving.errors import TooManyRowsError, UnsupportedError, WrongShapeError
from likewise.serving.guarded_read import GuardedReads
from likewise.serving.json_answer import JsonAnswer
from likewise.serving.off_loop import CELLS_ON_LOOP, OffLoop
from likewise.serving.online import StoredRows
from likewise.serving.openapi import GET_ONLINE_FEATURES, PUSH, WRITE, described
from likewise.serving.ports import FeatureCatalog, FeatureRequest, FeatureWriter, ServedFeatures
from likewise.serving.problems import problem_response
from likewise.serving.settings import Limits

JSON = "application/json"
_TARGETS = ("online", "offline", "online_and_offline")


@dataclass(frozen=True, slots=True)
class FeatureRoutes:
    """Feast's paths over a catalog and a writer."""

    catalog: FeatureCatalog
    writer: FeatureWriter | None
    reads: GuardedReads
    work: OffLoop
    limits: Limits

    def router(self, edge: Edge) -> APIRouter:
        """Return the routes."""
        router = APIRouter(route_class=DirectRoute, tags=["Feast"])
        for path, handler, guard, body in (
            ("/get-online-features", self.get_online_features, "read", GET_ONLINE_FEATURES),
            ("/push", self.push, "write", PUSH),
            ("/write-to-online-store", self.write_to_online_store, "write", WRITE),
        ):
            endpoint = edge.around(path, handler, guard=guard, answer=problem_response)
            summary, extra = (handler.__doc__ or "").split(".")[0], described(body)
            router.add_api_route(path, endpoint, methods=["POST"], summary=summary, openapi_extra=extra)
        return router

    async def get_online_features(self, request: Request) -> Response:
        """Return feature values by entity, with statuses and event times."""
        body = await read_object(request, self.limits.body_bytes)
        asked = _asked(body)
        served = self.catalog.known(asked)
        if served is None:
            served = await self.work(partial(self.catalog.resolve, asked))
        reader = served.reader
        sent = member(body, "entities", dict)
        rules = RowRules("entities", self.limits.rows, ignore_unknown=True)
        rows = check_rows(reader.plan, sent, rules)
        request.scope["likewise.rows"] = rows.n
        with_views = member(body, "include_feature_view_version_metadata", bool, False)  # noqa: FBT003
        started = time.monotonic()
        stored = await self.reads.fetch(reader, rows)
        render = partial(_render, served, rows, stored, with_views=with_views)
        heavy = reader.runs_code or rows.n * len(reader.plan.served) > CELLS_ON_LOOP
        content = await self.reads.in_time(self.work(render), started) if heavy else render()
        return JsonAnswer(content)

    async def push(self, request: Request) -> Response:
        """Write rows of a push source."""
        body = await read_object(request, self.limits.body_bytes)
        source = member(body, "push_source_name", str)
        target = member(body, "to", str, "online")
        if target not in _TARGETS:
            raise WrongShapeError("'to'", f"one of {', '.join(_TARGETS)}", repr(target))
        table = _table(body, self.limits)
        request.scope["likewise.rows"] = _rows_of(table)
        await self.work(partial(self._writer().push, source, table, target))
        return Response(status_code=200)

    async def write_to_online_store(self, request: Request) -> Response:
        """Write rows of a feature view to the online store."""
        body = await read_object(request, self.limits.body_bytes)
        view = member(body, "feature_view_name", str)
        table = _table(body, self.limits)
        request.scope["likewise.rows"] = _rows_of(table)
        await self.work(partial(self._writer().write, view, table))
        return Response(b"null", media_type=JSON)

    def _writer(self) -> FeatureWriter:
        if self.writer is None:
            raise UnsupportedError("writing", "serve with a Feast repository (`--repo`) and role `features`")
        return self.writer


def _asked(body: Body) -> FeatureRequest:
    full_names = member(body, "full_feature_names", bool, False)  # noqa: FBT003
    references = text_list(body, "features")  # checked also beside a service, which wins
    service = body.get("feature_service")
    if service is not None:
        return FeatureRequest(member(body, "feature_service", str), (), full_names)
    if not references:
        raise WrongShapeError("the body", "'feature_service' or 'features'", "neither", "name what to read")
    return FeatureRequest(None, tuple(references), full_names)


def _render(served: ServedFeatures, rows: EntityRows, stored: Sequence[StoredRows], *, with_views: bool) -> bytes:
    return served.answer.write(served.reader.assemble(rows, stored), with_views=with_views)


def _rows_of(table: Mapping[str, list[Any]]) -> int:
    return len(next(iter(table.values())))


def _table(body: Body, limits: Limits) -> Mapping[str, list[Any]]:
    """Return the `df` of a write: name -> n values."""
    table = member(body, "df", dict)
    sizes = set()
    for name, values in table.items():
        if not isinstance(values, list):
            raise WrongShapeError(f"{name!r} in 'df'", "a list with one value per row", type(values).__name__)
        sizes.add(len(values))
    if len(sizes) != 1:
        raise WrongShapeError("'df'", "columns of equal length", f"lengths {sorted(sizes) or 'none'}")
    if max(sizes) > limits.rows:
        raise TooManyRowsError(max(sizes), limits.rows)
    return table  # type: ignore[no-any-return]
