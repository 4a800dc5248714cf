"""The app, with a short way to the routes that are asked thousands of times a second."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import httptools
from fastapi import FastAPI
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from likewise.serving.edge import DirectRoute
from likewise.serving.observing import Handler

# Addresses are remembered: there are as many as releases, but who asks for others must not fill the memory.
_ADDRESSES, _LONGEST = 256, 256


@dataclass(frozen=True, slots=True)
class Chosen:
    """A chosen route as a request's address names it.

    Attributes
    ----------
    handler
        The route's.
    scope
        What the address says, as members of an ASGI scope.
    """

    handler: Handler
    scope: Mapping[str, Any]


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
        self._known: dict[bytes, Chosen] = {}
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
            chosen = self._at(scope["path"])
            if chosen is not None:
                scope.update(chosen.scope)
                response = await chosen.handler(Request(scope, receive, send))
                await response(scope, receive, send)
                return
        await super().__call__(scope, receive, send)

    def find(self, url: bytes) -> Chosen | None:
        """Return the chosen route that a POST to a request's target asks for, read as uvicorn reads it."""
        known = self._known.get(url)
        if known is not None:
            return known
        target = httptools.parse_url(url)
        path = unquote(target.path.decode("ascii"))
        chosen = self._at(path)
        if chosen is None:
            return None
        said = {"method": "POST", "path": path, "raw_path": target.path, "query_string": target.query or b""}
        chosen = Chosen(chosen.handler, {**said, **chosen.scope})
        if len(url) <= _LONGEST:
            if len(self._known) >= _ADDRESSES:
                self._known.clear()
            self._known[url] = chosen
        return chosen

    def _at(self, path: str) -> Chosen | None:
        fixed = self._fixed.get(path)
        if fixed is not None:
            return Chosen(fixed, {})
        at = path.rfind("/") + 1
        found = self._by_prefix.get(path[:at])
        if found is None or at == len(path):
            return None
        return Chosen(found[1], {"path_params": {found[0]: path[at:]}})
