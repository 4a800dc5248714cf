"""Reads that come together are made as one, and nobody can tell from their answer."""

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
import uvloop

from likewise.serving import gathered_reads
from likewise.serving.errors import StoreUnavailableError
from likewise.serving.gathered_reads import MOST_ROWS, SMALL_ROWS, TURNS, GatheredReads
from likewise.stores.packed_answer import ReadAnswer
from likewise.stores.packed_errors import CorruptRowError

Keys = Mapping[str, Sequence[object]]


@dataclass
class Answer:
    """The keys that were read."""

    keys: list[object]

    def rows(self, start: int, end: int) -> "Answer":
        """Return some of them."""
        return Answer(self.keys[start:end])


@dataclass
class Store:
    """Counts reads; refuses the key `bad`, waits for `gate` where there is one."""

    reads: list[list[object]] = field(default_factory=list)
    is_down: bool = False
    gate: asyncio.Event | None = None
    ended: int = 0

    async def read(self, keys: Keys) -> ReadAnswer:
        """Return the answer to keys, as a `ReadAnswer` would be."""
        wanted = list(zip(*keys.values(), strict=True)) if len(keys) > 1 else list(next(iter(keys.values())))
        self.reads.append(cast("list[object]", wanted))
        try:
            await (asyncio.sleep(0) if self.gate is None else self.gate.wait())
        finally:
            self.ended += 1
        if self.is_down:
            raise StoreUnavailableError("connection refused")
        if "bad" in wanted:
            raise CorruptRowError(b"bad", "its check does not match its bytes")
        return cast("ReadAnswer", Answer(cast("list[object]", wanted)))


def run(scene: Callable[[Store, GatheredReads], Awaitable[None]]) -> Store:
    """Play a scene with a new store."""
    store = Store()

    async def play() -> None:
        await scene(store, GatheredReads(store.read))

    asyncio.run(play())
    return store


async def all_of(gathered: GatheredReads, *keys: list[object]) -> list[Any]:
    """Return the answers (or errors) to reads that come in one turn."""
    reads = (gathered.read({"uid": some}) for some in keys)
    answers = await asyncio.gather(*reads, return_exceptions=True)
    return [answer.keys if isinstance(answer, Answer) else answer for answer in answers]


def test_reads_of_one_turn_are_one_read() -> None:
    """Each gets its own rows of one read, whatever their numbers."""

    async def scene(store: Store, gathered: GatheredReads) -> None:
        assert await all_of(gathered, [1], [2, 3], [1], [4, 4, 4]) == [[1], [2, 3], [1], [4, 4, 4]]

    assert run(scene).reads == [[1, 2, 3, 1, 4, 4, 4]]


def test_a_read_waits_for_some_turns_only() -> None:
    """What comes in the next turns of the loop shares the read of the first; what comes later does not."""

    async def scene(store: Store, gathered: GatheredReads) -> None:
        store.gate = asyncio.Event()
        first = asyncio.create_task(gathered.read({"uid": [1]}))
        await asyncio.sleep(0)
        second = asyncio.create_task(gathered.read({"uid": [2]}))
        for _ in range(2 * TURNS + 2):
            await asyncio.sleep(0)
        assert store.reads == [[1, 2]]
        third = asyncio.create_task(gathered.read({"uid": [3]}))
        for _ in range(2 * TURNS + 2):
            await asyncio.sleep(0)
        assert store.reads == [[1, 2], [3]]
        store.gate.set()
        await asyncio.gather(first, second, third)

    run(scene)


def test_keys_of_several_names_stay_together() -> None:
    """Composite keys are joined name by name, in whatever order a request has them."""

    async def scene(store: Store, gathered: GatheredReads) -> None:
        reads = (gathered.read({"a": [1, 2], "b": [3, 4]}), gathered.read({"b": [6], "a": [5]}))
        found = await asyncio.gather(*reads)
        assert [cast("Answer", one).keys for one in found] == [[(1, 3), (2, 4)], [(5, 6)]]

    run(scene)


def test_many_rows_are_read_alone() -> None:
    """A read of many rows, or of none, shares with nobody; a batch ends where it would hold the loop up."""

    async def scene(store: Store, gathered: GatheredReads) -> None:
        many = list(range(SMALL_ROWS + 1))
        assert await all_of(gathered, many, [1], [], [2]) == [many, [1], [], [2]]
        assert sorted(store.reads, key=len) == [[], [1, 2], many]
        store.reads.clear()
        some = [[at] * SMALL_ROWS for at in range(MOST_ROWS // SMALL_ROWS + 1)]
        assert await all_of(gathered, *some) == some
        assert [len(read) for read in store.reads] == [MOST_ROWS, SMALL_ROWS]

    run(scene)


def test_one_bad_row_is_one_bad_answer() -> None:
    """Where a row is refused, only who asked for it hears of it."""

    async def scene(store: Store, gathered: GatheredReads) -> None:
        first, bad, last = await all_of(gathered, [1], ["bad"], [3])
        assert (first, last) == ([1], [3])
        assert isinstance(bad, CorruptRowError)

    assert run(scene).reads == [[1, "bad", 3], [1], ["bad"], [3]]


def test_a_store_that_is_down_is_asked_once() -> None:
    """Everybody is told, after one try."""

    async def scene(store: Store, gathered: GatheredReads) -> None:
        store.is_down = True
        told = await all_of(gathered, [1], [2], [3])
        assert [type(error) for error in told] == [StoreUnavailableError] * 3

    assert len(run(scene).reads) == 1


@pytest.mark.parametrize("is_down", [True, False])
def test_an_error_keeps_nothing(*, is_down: bool) -> None:
    """What was read for is free when its errors have been heard of, without a collector: a lost store makes many."""

    async def play() -> list[weakref.ref[Any]]:
        gathered = GatheredReads(Store(is_down=is_down).read)
        told = [*await all_of(gathered, [1], ["bad"]), *await all_of(gathered, ["bad"])]
        return [weakref.ref(one) for one in told if isinstance(one, Exception)]

    gc.disable()
    try:
        errors = uvloop.run(play())
        assert [one() for one in errors] == [None] * (3 if is_down else 2)
    finally:
        gc.enable()


def test_who_waits_for_a_read_that_is_ended_is_told() -> None:
    """A read that somebody else ends leaves nobody waiting."""

    async def play() -> None:
        async def ended(keys: Keys) -> ReadAnswer:
            raise asyncio.CancelledError(keys)

        gathered = GatheredReads(ended)
        async with asyncio.timeout(10):
            told = await all_of(gathered, [1], [2])
        assert [type(one) for one in told] == [asyncio.CancelledError] * 2
        assert gathered._under_way == 0

    asyncio.run(play())


def test_who_gives_up_takes_nobody_along() -> None:
    """A read goes on while anybody waits for it, and ends with the last: its connection is told."""

    async def scene(store: Store, gathered: GatheredReads) -> None:
        store.gate = asyncio.Event()
        first, second = (asyncio.create_task(gathered.read({"uid": [at]})) for at in (1, 2))
        await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.sleep(0)
        assert store.ended == 0
        store.gate.set()
        assert cast("Answer", await second).keys == [2]
        store.gate.clear()
        both = [asyncio.create_task(gathered.read({"uid": [at]})) for at in (1, 2)]
        await asyncio.sleep(0.01)
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)
        await asyncio.sleep(0)
        assert store.ended == 2
        store.gate.set()
        assert await all_of(gathered, [5]) == [[5]]

    run(scene)


def test_who_gives_up_before_the_read_is_not_read_for() -> None:
    """A batch that everybody has left reads nothing."""

    async def scene(store: Store, gathered: GatheredReads) -> None:
        task = asyncio.create_task(gathered.read({"uid": [1]}))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0.01)
        assert await all_of(gathered, [2]) == [[2]]

    assert run(scene).reads == [[2]]


def test_reads_gather_while_others_are_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes while two reads are under way is read as one when one of them has ended."""
    monkeypatch.setattr(gathered_reads, "PATIENCE_SECONDS", 60)

    async def scene(store: Store, gathered: GatheredReads) -> None:
        store.gate = asyncio.Event()
        tasks = []
        for at in range(5):
            tasks.append(asyncio.create_task(gathered.read({"uid": [at]})))
            await asyncio.sleep(0.002)
        assert store.reads == [[0], [1]]
        store.gate.set()
        assert [cast("Answer", await task).keys for task in tasks] == [[0], [1], [2], [3], [4]]

    assert run(scene).reads == [[0], [1], [2, 3, 4]]


def test_nobody_waits_long_for_slow_reads() -> None:
    """Behind reads that take long the next ones start by themselves."""

    async def scene(store: Store, gathered: GatheredReads) -> None:
        store.gate = asyncio.Event()
        tasks = []
        for at in range(4):
            tasks.append(asyncio.create_task(gathered.read({"uid": [at]})))
            await asyncio.sleep(0.1)
        assert store.reads == [[0], [1], [2], [3]]
        store.gate.set()
        await asyncio.gather(*tasks)

    run(scene)
