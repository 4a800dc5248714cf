"""One timer for all deadlines ends each wait at its own time, and leaves other cancellations alone."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from likewise.serving.deadlines import Deadlines


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Run a test in a loop of its own."""
    asyncio.run(test())  # type: ignore[arg-type]


def test_what_ends_in_time_is_returned_and_forgotten() -> None:
    """A result comes back as it is, an error too; nothing is kept of waits that have ended."""

    async def fail() -> None:
        raise ValueError("work's own")

    async def test() -> None:
        deadlines = Deadlines(60)
        assert await deadlines.keep(asyncio.sleep(0, "done")) == "done"
        with pytest.raises(ValueError, match="work's own"):
            await deadlines.keep(fail())
        assert not deadlines._waits

    run(test)


def test_each_wait_ends_at_its_own_deadline() -> None:
    """Of three that hang, begun one after the other, each is ended in turn; one that ended in between is not."""

    async def test() -> None:
        deadlines, ended = Deadlines(0.05), []

        async def hang(name: str) -> None:
            try:
                await deadlines.keep(asyncio.Event().wait())
            except TimeoutError:
                ended.append(name)

        tasks = []
        for name in ("first", "second", "third"):
            tasks.append(asyncio.create_task(hang(name)))
            assert await deadlines.keep(asyncio.sleep(0.02, "in time")) == "in time"
        await asyncio.wait_for(asyncio.gather(*tasks), 10)
        assert ended == ["first", "second", "third"]
        assert not deadlines._waits
        assert all(task.cancelling() == 0 for task in tasks)

    run(test)


def test_a_task_that_is_cancelled_from_outside_is_cancelled() -> None:
    """A client that leaves is no deadline, also where both come in one turn."""

    async def test() -> None:
        deadlines = Deadlines(0.01)
        alone = asyncio.create_task(deadlines.keep(asyncio.Event().wait()))
        await asyncio.sleep(0)
        alone.cancel()
        both = asyncio.create_task(deadlines.keep(asyncio.Event().wait()))
        await asyncio.sleep(0)
        for wait in deadlines._waits:
            wait.due = 0.0
        deadlines._look(asyncio.get_running_loop())
        both.cancel()
        for task in (alone, both):
            with pytest.raises(asyncio.CancelledError):
                await task

    run(test)


def test_a_later_loop_has_its_own_timer() -> None:
    """Deadlines that were used in a loop that has ended hold in the next one."""
    deadlines = Deadlines(0.01)

    async def test() -> None:
        with pytest.raises(TimeoutError):
            await deadlines.keep(asyncio.Event().wait())
        assert await deadlines.keep(asyncio.sleep(0, "done")) == "done"

    run(test)
    run(test)
