"""The app, with a short way to the routes that are asked thousands of times a second."""

from collections.abc import Sequence

from fastapi import FastAPI
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from likewise.serving.edge import DirectRoute
from likewise.serving.observing import Handler


class DirectApp(FastAPI):
    """FastAPI whose chosen routes are found by a look into a table.

    Middleware and routing cost 40 us a request, a third of a lookup of 50 features (2026-11). The chosen routes need
    nothing of them: their handlers answer every error themselves (`Edge`). They are routes of the app all the same,
    so they stand in its OpenAPI document, and every other method, path and route goes FastAPI's way.
    """

    def choose(self, paths: Sequence[str]) -> None:
        """Choose POST routes by their paths: fixed ones, or with one parameter as the last segment."""
        # Not in the constructor: FastAPI's takes no routes that this class could look at.
        self._fixed: dict[str, Handler] = {}
        self._by_prefix: dict[str, tuple[str, Handler]] = {}
        for route in self.router.routes:
            if isinstance(route, DirectRoute) and route.path in paths and "POST" in (route.methods or ()):
                prefix, _, parameter = route.path.partition("{")
                if parameter:
                    self._by_prefix[prefix] = (parameter.removesuffix("}"), route.endpoint)
                else:
                    self._fixed[prefix] = route.endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request by the route of its path, or go FastAPI's way."""
        if scope["type"] == "http" and scope["method"] == "POST":
            handler = self._find(scope)
            if handler is not None:
                response = await handler(Request(scope, receive, send))
                await response(scope, receive, send)
                return
        await super().__call__(scope, receive, send)

    def _find(self, scope: Scope) -> Handler | None:
        path: str = scope["path"]
        fixed = self._fixed.get(path)
        if fixed is not None:
            return fixed
        at = path.rfind("/") + 1
        found = self._by_prefix.get(path[:at])
        if found is None or at == len(path):
            return None
        scope["path_params"] = {found[0]: path[at:]}
        return found[1]
