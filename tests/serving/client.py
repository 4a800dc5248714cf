# ruff: noqa: D102 (HTTP methods)
"""A client that runs an app in its own event loop, lifespan included, without a socket."""

from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI


class Client:
    """Sends requests to an app; synchronous outside, one event loop inside."""

    def __init__(self, portal: BlockingPortal, http: httpx.AsyncClient) -> None:
        self.portal, self.http = portal, http

    def request(self, method: str, path: str, **content: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            return await self.http.request(method, path, **content)

        return self.portal.call(send)

    def get(self, path: str, **content: Any) -> httpx.Response:
        return self.request("GET", path, **content)

    def post(self, path: str, **content: Any) -> httpx.Response:
        return self.request("POST", path, **content)


@contextmanager
def serving(app: FastAPI) -> Iterator[Client]:
    """Run an app for the length of a `with`."""

    @asynccontextmanager
    async def running() -> Any:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http,
        ):
            yield http

    with start_blocking_portal() as portal, portal.wrap_async_context_manager(running()) as http:
        yield Client(portal, http)
