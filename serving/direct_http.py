"""HTTP connections with a short way for the chosen routes: from a request's bytes to its handler, and back."""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from likewise.serving.corked_http import CorkedHttp
from likewise.serving.direct_app import Chosen, DirectApp
from likewise.serving.json_answer import JsonAnswer

# Many clients (Python's) write head and body apart, some 0.05 ms. Handlers that refuse before they read wait no longer.
PATIENCE_SECONDS = 0.005
_OK = STATUS_LINE[200]
# What a header must not hold: with a line end in a value it would be another header, or another answer.
_CONTROLS = bytes([*range(0x09), *range(0x0A, 0x20), 0x7F])


class DirectHttp(CorkedHttp):
    """A connection that hands whole requests of chosen routes to their handlers itself.

    Whole means that the body came with the head or right behind it, as it does from nearly all clients. Everything
    else goes uvicorn's way, which knows what to do: bodies that are large, take their time or wait for
    `100 Continue`, requests behind others in a pipeline, HTTP/1.0, `Connection: close`, and every other method and
    path.
    """

    cycle: Any  # uvicorn's, or an `Exchange`
    _begun: "Exchange | None" = None
    _patience: asyncio.TimerHandle | None = None

    def __init__(self, config: Config, *args: Any, **state: Any) -> None:
        super().__init__(config, *args, **state)
        self._find = _find_of(config)

    def _is_incomplete(self) -> bool:
        return self._begun is None and super()._is_incomplete()

    def on_headers_complete(self) -> None:
        """Hold a request of a chosen route until its body is there, or go uvicorn's way."""
        chosen = self._find(self.url) if self._is_plain() else None
        if chosen is None:
            super().on_headers_complete()
        else:
            self._begun = Exchange(self, chosen)

    def _is_plain(self) -> bool:
        parser, before = self.parser, self.cycle
        return (
            parser.get_method() == b"POST"
            and (before is None or before.response_complete)
            and not self.expect_100_continue
            and not parser.should_upgrade()
            and parser.should_keep_alive()
            and parser.get_http_version() == "1.1"
        )

    def on_body(self, body: bytes) -> None:
        """Keep a part of a body."""
        if self._begun is None:
            super().on_body(body)
        else:
            self._begun.body += body

    def on_message_complete(self) -> None:
        """Begin with a request that is whole."""
        begun = self._end_waiting()
        if begun is None:
            super().on_message_complete()
            return
        self.cycle = begun
        begun.task = self.loop.create_task(begun.run())
        self.tasks.add(begun.task)

    def data_received(self, data: bytes) -> None:
        """Take bytes in; wait a moment for the rest of a body."""
        super().data_received(data)
        if self._begun is None:
            return
        if len(self._begun.body) > HIGH_WATER_LIMIT:
            self._go_uvicorns_way()
        elif self._patience is None:
            self._patience = self.loop.call_later(PATIENCE_SECONDS, self._go_uvicorns_way)

    def connection_lost(self, exc: Exception | None) -> None:
        """End; who waits for a body learns that it does not come."""
        self._go_uvicorns_way()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Leave with the answer that is under way."""
        self._go_uvicorns_way()
        super().shutdown()

    def _end_waiting(self) -> "Exchange | None":
        begun, self._begun = self._begun, None
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        return begun

    def _go_uvicorns_way(self) -> None:
        """Begin with a request whose body is not all there, if there is one."""
        begun = self._end_waiting()
        if begun is not None:
            super().on_headers_complete()
            super().on_body(begun.body)


class Exchange:
    """A whole request of a chosen route and its answer: to its connection what uvicorn's cycle is.

    Attributes
    ----------
    body
        The request's.
    disconnected, keep_alive, scope
        As the connection says.
    more_body
        Whether some of the request is to come: never.
    response_complete
        Whether all is sent.
    task
        What runs this exchange.
    """

    __slots__ = ("_chosen", "_connection", "body", "disconnected", "keep_alive", "response_complete", "scope", "task")

    more_body: ClassVar = False

    # A lost connection sets it for who waits for more of a body: nobody here.
    message_event: ClassVar = asyncio.Event()

    def __init__(self, connection: DirectHttp, chosen: Chosen) -> None:
        self._connection, self._chosen = connection, chosen
        self.scope: Any = connection.scope
        self.body = b""
        self.disconnected = self.response_complete = False
        self.keep_alive = True
        self.task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Have the handler answer, and send that."""
        try:
            await self._answer()
        finally:  # a callback of the task's would take a turn of the loop more
            self._connection.tasks.discard(self.task)

    async def _answer(self) -> None:
        self.scope.update(self._chosen.scope)
        self.scope["likewise.body"] = self.body
        try:
            response = await self._chosen.handler(Request(self.scope, self._receive))
        except BaseException as error:  # uvicorn logs it and answers 500
            await self._send_by_uvicorn(_raising(error))
            return
        # Who keeps the request (a line of the log that waits, an idle connection) shall not keep what it brought.
        self.body = self.scope["likewise.body"] = b""
        head = self._head(response)
        if head is None:
            await self._send_by_uvicorn(response)
        elif not self.disconnected:
            self._connection.cork.write_now(head, response.body)
            self.response_complete = True
            self._connection.on_response_complete()

    async def _receive(self) -> Message:
        return {"type": "http.request", "body": self.body, "more_body": False}

    def _head(self, response: Response) -> bytes | None:
        """Return the head of an answer, or None where uvicorn shall look at it."""
        connection = self._connection
        leaves = not self.keep_alive or connection.server_state.default_headers
        if leaves or connection.flow.write_paused or type(response) is not JsonAnswer:
            return None
        lines = [b"%b: %b\r\n" % header for header in response.raw_headers]
        head = b"".join([_OK, *lines, b"\r\n"])
        controls = len(head) - len(head.translate(None, _CONTROLS))
        return head if controls == 2 * (len(lines) + 2) else None  # no more than our own line ends

    async def _send_by_uvicorn(self, app: ASGIApp) -> None:
        connection = self._connection
        cycle = RequestResponseCycle(
            scope=self.scope,
            transport=connection.transport,
            flow=connection.flow,
            logger=connection.logger,
            access_logger=connection.access_logger,
            access_log=connection.access_log,
            default_headers=connection.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=self.keep_alive,
            on_response=connection.on_response_complete,
        )
        cycle.disconnected, cycle.more_body = self.disconnected, False
        if connection.cycle is self:
            connection.cycle = cycle
        await cycle.run_asgi(app)  # type: ignore[arg-type]  # Starlette's types of the same


def _raising(error: BaseException) -> ASGIApp:
    async def app(_: Scope, __: Receive, ___: Send) -> None:
        raise error

    return app


def _find_of(config: Config) -> Callable[[bytes], Chosen | None]:
    """Return what finds chosen routes; none where something of uvicorn's own stands before the app."""
    app = config.app
    if not isinstance(app, DirectApp) or config.access_log or config.root_path or config.limit_concurrency is not None:
        return lambda _: None
    return app.find
