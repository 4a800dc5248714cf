"""Small reads that come together are read as one: one command, one decoding, then each its rows.

Reading and decoding cost nearly the same for one row as for ten. So a turn of the event loop reads once for all of
its requests, and while two reads are under way those that come next gather, for a millisecond at most. A request that
comes alone is read within microseconds.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias

from likewise.serving.errors import StoreUnavailableError
from likewise.stores.packed_answer import ReadAnswer

Keys: TypeAlias = Mapping[str, Sequence[object]]
Read: TypeAlias = Callable[[Keys], Awaitable[ReadAnswer]]

# Reads of more rows go alone: they have little to share, and the others would wait for their decoding.
SMALL_ROWS = 16
# No more rows in one: decoding them holds the event loop up.
MOST_ROWS = 256
# While one read is decoded the store can work on another; with more of them fewer rows share one.
UNDER_WAY = 2
# For so many turns of the loop, some microseconds each if there is nothing else to do, a read waits for others: more
# of them then share it, and more requests go into a second.
TURNS = 2
# How long the next ones wait for those under way: a store on this machine answers within it, a far one may not.
PATIENCE_SECONDS = 0.001


class GatheredReads:
    """Gathers the reads of one plan on one event loop.

    Parameters
    ----------
    read
        Reads any number of keys at once, without gathering.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        self._open: _Batch | None = None
        self._under_way = 0

    async def read(self, keys: Keys) -> ReadAnswer:
        """Return what the store holds of n keys (each join key -> n values), as if they had been read alone."""
        n = len(next(iter(keys.values()), ()))
        if not 0 < n <= SMALL_ROWS:
            return await self._read(keys)
        batch = self._open
        if batch is None or batch.rows + n > MOST_ROWS:
            batch = self._open = self._opened()
        try:
            found = await batch.add(keys, n)
        except asyncio.CancelledError:
            batch.end_if_left()
            raise
        return await self._read(keys) if found is None else found

    def _opened(self) -> "_Batch":
        """Return a new batch, which starts soon."""
        batch, loop = _Batch(self._read), asyncio.get_running_loop()
        if self._under_way >= UNDER_WAY:
            batch.starts = loop.call_later(PATIENCE_SECONDS, self._start, batch)
        else:
            batch.starts = loop.call_soon(self._start_after, TURNS, batch)
        return batch

    def _start_after(self, turns: int, batch: "_Batch") -> None:
        """Start a batch some turns of the loop later, in which it looks at the sockets."""
        if turns:
            batch.starts = asyncio.get_running_loop().call_soon(self._start_after, turns - 1, batch)
        else:
            self._start(batch)

    def _start(self, batch: "_Batch") -> None:
        if self._open is batch:
            self._open = None
        self._under_way += 1
        batch.start().add_done_callback(self._ended)

    def _ended(self, _: object) -> None:
        self._under_way -= 1
        if self._open is not None and self._open.starts is not None:
            self._open.starts.cancel()
            self._start(self._open)


class _Asked:
    """One read of a batch."""

    __slots__ = ("future", "keys", "n")

    def __init__(self, keys: Keys, n: int, future: "asyncio.Future[ReadAnswer | None]") -> None:
        self.keys, self.n, self.future = keys, n, future


class _Batch:
    """Reads that are made as one.

    Attributes
    ----------
    rows
        Keys of all reads.
    starts
        What will start it.
    """

    __slots__ = ("_asked", "_loop", "_read", "_task", "rows", "starts")

    def __init__(self, read: Read) -> None:
        self.rows = 0
        self.starts: asyncio.Handle | None = None
        self._loop, self._read, self._asked = asyncio.get_running_loop(), read, list[_Asked]()
        self._task: asyncio.Task[None] | None = None

    def add(self, keys: Keys, n: int) -> "asyncio.Future[ReadAnswer | None]":
        """Return the future answer to n keys; None: they are to be read alone, by who asked."""
        future: asyncio.Future[ReadAnswer | None] = self._loop.create_future()
        self._asked.append(_Asked(keys, n, future))
        self.rows += n
        return future

    def start(self) -> "asyncio.Task[None]":
        """Read; return what ends when everybody has an answer."""
        self._task = self._loop.create_task(self._answer())
        return self._task

    def end_if_left(self) -> None:
        """End the read once nobody waits for it, so that the connection is told that a reply is overdue."""
        if self._task is not None and self._is_left():
            self._task.cancel()

    def _is_left(self) -> bool:
        return all(asked.future.done() for asked in self._asked)

    async def _answer(self) -> None:
        try:
            if not self._is_left():
                self._share(await self._read(self._joined()))
        except StoreUnavailableError as error:
            self._fail(error)  # the same for all
        except Exception as error:
            if len(self._asked) == 1:
                self._fail(error)
            else:
                self._send_away()
        finally:
            self._end()

    def _joined(self) -> Keys:
        """Return the keys of all reads, one behind the other."""
        if len(self._asked) == 1:
            return self._asked[0].keys
        names = self._asked[0].keys
        return {name: [value for asked in self._asked for value in asked.keys[name]] for name in names}

    def _share(self, whole: ReadAnswer) -> None:
        start = 0
        for asked in self._asked:
            end = start + asked.n
            if not asked.future.done():
                asked.future.set_result(whole.rows(start, end))
            start = end

    def _fail(self, error: Exception) -> None:
        for asked in self._asked:
            if not asked.future.done():
                asked.future.set_exception(error)

    def _send_away(self) -> None:
        """Have each read alone: somebody's rows were refused, and only they are to hear of it."""
        for asked in self._asked:
            if not asked.future.done():
                asked.future.set_result(None)

    def _end(self) -> None:
        for asked in self._asked:
            asked.future.cancel()  # whoever still waits: nobody else would tell them
        self._asked.clear()  # an error knows this batch by its traceback: with its own future it would be a cycle
