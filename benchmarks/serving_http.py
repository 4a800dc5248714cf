"""What HTTP takes of a request, in microseconds, without sockets: a chosen route that does nothing, best of many runs.

    python benchmarks/serving_http.py

Bytes go into a connection of the server's protocol and its answer is taken from it, on uvloop, in one process. The
best of many short runs is what it takes when nothing else wants the core: it holds on a busy machine too.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import orjson
import uvicorn
import uvloop
from _machine import machine
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from likewise.serving.bodies import read_object
from likewise.serving.corked_http import CorkedHttp
from likewise.serving.direct_app import DirectApp
from likewise.serving.direct_http import DirectHttp
from likewise.serving.edge import DirectRoute, Edge
from likewise.serving.json_answer import JsonAnswer
from likewise.serving.metrics import Metrics
from likewise.serving.problems import problem_response
from likewise.serving.settings import ServingSettings
from likewise.serving.tokens import Access

CONNECTIONS, SHORT, SECONDS = 8, 25, 3.0
TURNS = 8  # of the loop, in which every request is answered
PATH = "/get-online-features"
SENT = orjson.dumps({"feature_service": "wide_50", "entities": {"user_id": [1]}})
HEAD = f"POST {PATH} HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: {len(SENT)}\r\n\r\n"
MESSAGE = HEAD.encode() + SENT
ANSWER = orjson.dumps({"values": "1" * 3_000})  # as much as 1 x 50


class Wire(asyncio.Transport):
    """A connection's other end: counts answers."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = 0

    def write(self, data: Any) -> None:
        """Count an answer by its end."""
        self.answers += data.endswith(ANSWER)

    def is_closing(self) -> bool:
        """Return that it stays open."""
        return False


async def bare(_: Any, receive: Any, send: Any) -> None:
    """Answer as an ASGI application that looks at nothing."""
    await receive()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})


def ours() -> DirectApp:
    """Return our app with one chosen route that parses its body and does nothing."""
    settings = ServingSettings()
    edge = Edge(Access(settings), Metrics(), settings.limits.inflight)

    async def handle(request: Request) -> Response:
        await read_object(request, settings.limits.body_bytes)
        return JsonAnswer(ANSWER)

    router = APIRouter(route_class=DirectRoute)
    endpoint = edge.around(PATH, handle, guard="read", answer=problem_response)
    router.add_api_route(PATH, endpoint, methods=["POST"])
    app = DirectApp()
    app.router.routes.extend(router.routes)
    app.choose([PATH])
    return app


def connections(app: Any, protocol: type[Any]) -> list[tuple[Any, Wire]]:
    """Return some connections of a server."""
    config = uvicorn.Config(app, loop="uvloop", ws="none", lifespan="off", log_config=None, access_log=False)
    config.load()
    made = [(protocol(config=config, server_state=ServerState(), app_state={}), Wire()) for _ in range(CONNECTIONS)]
    for connection, wire in made:
        connection.connection_made(wire)
    return made


async def microseconds(app: Any, protocol: type[Any]) -> float:
    """Return what a request takes at best; what turns of an empty loop take is left out."""
    made = connections(app, protocol) if app is not None else []

    async def short() -> None:
        for _ in range(SHORT):
            for connection, _wire in made:
                connection.data_received(MESSAGE)
            for _ in range(TURNS):
                await asyncio.sleep(0)

    best, end, runs = float("inf"), time.perf_counter() + SECONDS, 0
    while time.perf_counter() < end:
        started = time.perf_counter()
        await short()
        best, runs = min(best, (time.perf_counter() - started) / (SHORT * CONNECTIONS)), runs + 1
    assert all(wire.answers == runs * SHORT for _, wire in made), "every request was answered within its turns"
    return best * 1e6


def main() -> None:
    """Print the table."""
    print(machine())
    run: Callable[..., float] = lambda *what: uvloop.run(microseconds(*what))  # noqa: E731  a loop for each
    empty, app = run(None, None), ours()
    for name, what, protocol in (
        ("a bare ASGI application, uvicorn", bare, HttpToolsProtocol),
        ("our route that does nothing, uvicorn's way", app, CorkedHttp),
        ("our route that does nothing, the short way", app, DirectHttp),
    ):
        print(f"{name:<50}{run(what, protocol) - empty:>8.1f} us", flush=True)


if __name__ == "__main__":
    main()
