"""Work that would hold up the event loop, on a few threads of its own."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

T = TypeVar("T")

# Up to so many values an answer is made on the event loop, where 25,000 take 1 ms. A thread would take them from the
# loop only in name: it needs the GIL for nearly all of that, and gets and gives it in turns of up to 5 ms.
CELLS_ON_LOOP = 40_000


class OffLoop:
    """A pool for on-demand code and large batches; more threads than cores only take the GIL from each other.

    Parameters
    ----------
    threads
        How many.
    keeps_context
        Whether work sees the context variables of who asked for it: spans find their parents there.
    """

    def __init__(self, threads: int = 2, *, keeps_context: bool = False) -> None:
        self._keeps_context = keeps_context
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="likewise-work")

    async def __call__(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, done on a thread."""
        if self._keeps_context:
            work = partial(contextvars.copy_context().run, work)
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Let the threads end once their work is done."""
        self._pool.shutdown(wait=False)
