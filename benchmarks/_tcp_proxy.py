"""A TCP proxy on the loopback that makes the network behind it slow, silent or gone."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import Literal

Mode = Literal["pass", "silent", "gone"]


class TcpProxy:
    """Forwards to a port of the loopback; `target`, `mode` and `delay_seconds` may be changed at any time.

    Attributes
    ----------
    target
        The port; connections that there are stay with the one before.
    mode
        `pass`; `silent`: connections are taken and kept, but what comes is thrown away, as by a load balancer whose
        server died or by a host that failed over; `gone`: connections are refused and those there are cut.
    delay_seconds
        Added to what passes, in each direction.
    connections
        How many clients are connected now.
    """

    def __init__(self, port: int) -> None:
        self.target = port
        self.port = 0
        self.mode: Mode = "pass"
        self.delay_seconds = 0.0
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready, self._thread = threading.Event(), threading.Thread(target=self._run, name="tcp-proxy")

    @property
    def connections(self) -> int:
        """Return how many clients are connected."""
        return len(self._writers)

    def cut(self) -> None:
        """Refuse connections from now on, and end those there are."""
        self.mode = "gone"
        self._loop.call_soon_threadsafe(lambda: [writer.close() for writer in tuple(self._writers)])

    @contextlib.contextmanager
    def running(self) -> Iterator["TcpProxy"]:
        """Run until the end of the block."""
        self._thread.start()
        self._ready.wait(10)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join(10)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._end = asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        server.close()
        for writer in tuple(self._writers):
            writer.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "gone":
            writer.close()
            return
        self._writers.add(writer)
        try:
            upstream, onward = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            self._writers.discard(writer)
            writer.close()
            return
        both = asyncio.gather(self._pump(reader, onward), self._pump(upstream, writer))
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await both
        self._writers.discard(writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A connection that was silent once has lost bytes: it stays so.
        is_silent = False
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                is_silent = is_silent or self.mode == "silent"
                if not is_silent:
                    writer.write(data)
        writer.close()
