"""The registry, read-only: what exists, what an alias names, who moved it when and why."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from functools import partial
from typing import Any, Protocol

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from likewise.serving.edge import DirectRoute, Edge
from likewise.serving.off_loop import OffLoop
from likewise.serving.problems import problem_response

JSON = "application/json"


class RegistryReader(Protocol):
    """What we use of `likewise.transforms.registry.Registry`; every call blocks."""

    def releases(self, name: str | None = None) -> Sequence[Any]:
        """Return releases, of one name or of all."""
        ...

    def release(self, reference: str) -> Any:
        """Return one release."""
        ...

    def transforms(self, name: str | None = None) -> Sequence[Any]:
        """Return transform versions."""
        ...

    def aliases(self, name: str) -> Any:
        """Return the aliases of a release name."""
        ...

    def alias_log(self, name: str) -> Sequence[Any]:
        """Return who moved which alias of a release name, when and why."""
        ...


@dataclass(frozen=True, slots=True)
class RegistryRoutes:
    """`/v1/registry/...`, reads only."""

    registry: RegistryReader
    work: OffLoop

    def router(self, edge: Edge) -> APIRouter:
        """Return the routes."""
        router = APIRouter(route_class=DirectRoute, tags=["Registry"])
        for path, read, summary in (
            ("/v1/registry/releases", self._releases, "List releases (`?name=` for one name)"),
            ("/v1/registry/releases/{reference}", self._release, "Show the manifest of a release"),
            ("/v1/registry/transforms", self._transforms, "List transform versions (`?name=` for one name)"),
            ("/v1/registry/aliases/{name}", self._aliases, "Show the aliases of a release name and their log"),
        ):
            endpoint = edge.around(path, self._answering(read), guard="read", answer=problem_response)
            router.add_api_route(path, endpoint, methods=["GET"], summary=summary)
        return router

    def _answering(self, read: Callable[[Request], Any]) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            found = await self.work(partial(read, request))
            return Response(orjson.dumps(plain(found), option=orjson.OPT_NON_STR_KEYS), media_type=JSON)

        return answer

    def _releases(self, request: Request) -> Any:
        return {"releases": self.registry.releases(request.query_params.get("name"))}

    def _release(self, request: Request) -> Any:
        return self.registry.release(request.path_params["reference"])

    def _transforms(self, request: Request) -> Any:
        return {"transforms": self.registry.transforms(request.query_params.get("name"))}

    def _aliases(self, request: Request) -> Any:
        name = request.path_params["name"]
        return {"name": name, "aliases": self.registry.aliases(name), "log": self.registry.alias_log(name)}


def plain(value: Any) -> Any:
    """Return records of the registry as JSON values."""
    if is_dataclass(value) and not isinstance(value, type):
        try:
            return plain(asdict(value))
        except TypeError:  # a field that can't be copied (a mapping proxy): field by field instead
            return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, str | int | float | bool | None):
        return value
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [plain(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
