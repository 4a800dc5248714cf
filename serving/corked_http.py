"""HTTP connections that send what one turn of the event loop writes in one go: an answer is one packet, not two.

uvicorn writes head and body one after the other, each a system call that also wakes the client up: with small
answers that was a third of all time (2026-11).
"""

import asyncio
from typing import Any

from likewise.serving.slow_clients import HEAD_BYTES
from likewise.serving.without_upgrades import HttpWithoutUpgrades

# A body of so many bytes is not copied behind its head: another system call costs less.
_LARGE = 65_536


class CorkedHttp(HttpWithoutUpgrades):
    """uvicorn's protocol over a transport that gathers writes, with one timer for a connection's idle time.

    uvicorn starts a timer after each answer and stops it at the next request. Here one timer looks how long the
    connection has been idle, and begins anew for what is left.
    """

    cork: "Cork"
    overdue: tuple[tuple[str, object], float] | None = None
    _idle_since: float | None = None
    _had_body = False
    _kept_bytes = 0

    def awaited(self) -> tuple[str, object] | None:
        """Return `head` or `body`, with what is another object for each request; None if nothing is awaited."""
        cycle: Any = self.cycle
        if cycle is not None and cycle.more_body and cycle.scope is self.scope:
            return None if self.flow.read_paused else ("body", cycle)
        is_answered = cycle is None or cycle.response_complete
        return ("head", cycle) if is_answered and self._idle_since is None else None

    def _is_incomplete(self) -> bool:
        """Whether a request has begun that is not all there; an answer to another one may be under way."""
        cycle: Any = self.cycle
        if cycle is None or cycle.scope is not self.scope:
            return self.scope is not None
        return bool(cycle.more_body)

    def give_up(self) -> None:
        """End the connection: its client does not go on."""
        self.transport.abort()

    def on_body(self, body: bytes) -> None:
        """Keep a part of a body."""
        self._had_body = True
        super().on_body(body)

    def data_received(self, data: bytes) -> None:
        """Take bytes in, and refuse a head or a trailer without an end: the parser keeps all of it."""
        super().data_received(data)
        if self._had_body or not self._is_incomplete():
            self._had_body, self._kept_bytes = False, 0
            return
        self._kept_bytes += len(data)
        if self._kept_bytes > HEAD_BYTES and not self.transport.is_closing():
            self._refuse_head()

    def _refuse_head(self) -> None:
        cycle: Any = self.cycle
        if cycle is None or (cycle.response_complete and not cycle.more_body):
            self.send_400_response(f"The head of a request may have {HEAD_BYTES:,} bytes.")
        else:  # it would be taken for the answer to another request
            self.give_up()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, with a cork in the transport."""
        self.cork = Cork(transport, self.loop)
        super().connection_made(self.cork)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer what a client asked before it ended its side, then close; return whether there is such an answer.

        A client that went away looks the same, and costs the answer that nobody reads. Nothing more is read: what is
        not all there stays so. TLS ends both sides at once, and the loop warns of who would go on.
        """
        cycle: Any = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body or self.scheme == "https":
            return False
        cycle.keep_alive = False  # the last of a pipeline: the others are answered before it
        return True

    def on_response_complete(self) -> None:
        """Go on with the next request of a pipeline, or begin to count idle time."""
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_again_in(self.timeout_keep_alive)

    def connection_lost(self, exc: Exception | None) -> None:
        """End, and stop the timer."""
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = None

    def _look_again_in(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self._look)

    def _look(self) -> None:
        """Close the connection if it has been idle for too long."""
        self.timeout_keep_alive_task = None
        if self._idle_since is None:  # a request is under way; its answer starts the timer
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._look_again_in(left)
        else:
            self.timeout_keep_alive_handler()


class Cork(asyncio.Transport):
    """A transport that passes its writes on at the end of the loop's turn, joined."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport, self._loop = transport, loop
        self._held: list[bytes] = []

    def write(self, data: Any) -> None:
        """Keep data until the turn ends."""
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)
        if len(data) > _LARGE:
            self._flush()

    def write_now(self, head: bytes, body: bytes | memoryview) -> None:
        """Pass a whole answer on at once, behind what is kept."""
        if self._held:
            self._flush()
        if len(body) > _LARGE:
            self._transport.writelines([head, body])
        else:
            self._transport.write(head + body)

    def _flush(self) -> None:
        held, self._held = self._held, []
        if self._transport.is_closing():  # the client is gone: uvloop raises where asyncio forgets
            return
        if held and len(held[-1]) > _LARGE:
            self._transport.writelines(held)
        elif held:
            self._transport.write(b"".join(held))

    def close(self) -> None:
        """Send what is kept, then close."""
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._held = []
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether the connection is closing or closed."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what the connection knows of itself."""
        return self._transport.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand the connection to another protocol."""
        self._flush()
        self._transport.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol."""
        return self._transport.get_protocol()

    def is_reading(self) -> bool:
        """Whether data is being received."""
        return self._transport.is_reading()

    def pause_reading(self) -> None:
        """Receive nothing for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Receive again."""
        self._transport.resume_reading()
