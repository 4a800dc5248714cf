"""Predictions of rows that were read as one are made as one: one transform, one run of the model, then each its own.

A row's tensors and predictions have the same bits whatever stands beside it (`likewise.models.tiles`, and the
conformance suite of the transforms), so nobody can tell from an answer who came with it.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from itertools import pairwise

from likewise.serving.entity_rows import EntityRows
from likewise.serving.joined_columns import joined
from likewise.serving.loaded_release import Answer, LoadedRelease
from likewise.serving.online import StoredRows
from likewise.stores.packed_answer import Portion, ReadAnswer


class GatheredAnswers:
    """Gathers the answers of one event loop by release and by read."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, int], _Batch] = {}

    async def answer(self, release: LoadedRelease, rows: EntityRows, stored: Sequence[StoredRows]) -> Answer:
        """Return a release's answer for what the store held of n rows, as `release.answer` alone would."""
        if not isinstance(stored, ReadAnswer) or stored.part_of is None:  # nobody was read with it
            return release.answer(rows, stored)
        key = (id(release), id(stored.part_of.whole))
        batch = self._open.get(key)
        if batch is None:
            # Everybody who was read with it has been woken already, so asks before this is called.
            batch = self._open[key] = _Batch(release)
            batch.loop.call_soon(self._run, key)
        answer = await batch.add(rows, stored, stored.part_of)
        return release.answer(rows, stored) if answer is None else answer

    def _run(self, key: tuple[int, int]) -> None:
        self._open.pop(key).run()


class _Asked:
    """The rows of one request, waiting for their answer."""

    __slots__ = ("future", "portion", "rows", "stored")

    def __init__(
        self, rows: EntityRows, stored: ReadAnswer, portion: Portion, future: "asyncio.Future[Answer | None]"
    ) -> None:
        self.rows, self.stored, self.portion, self.future = rows, stored, portion, future


class _Batch:
    """Portions of one read, to be answered by one release."""

    __slots__ = ("_asked", "_release", "loop")

    def __init__(self, release: LoadedRelease) -> None:
        self.loop = asyncio.get_running_loop()
        self._release, self._asked = release, list[_Asked]()

    def add(self, rows: EntityRows, stored: ReadAnswer, portion: Portion) -> "asyncio.Future[Answer | None]":
        """Return the future answer for one portion; None: it is to be answered alone, by who asked."""
        future: asyncio.Future[Answer | None] = self.loop.create_future()
        self._asked.append(_Asked(rows, stored, portion, future))
        return future

    def run(self) -> None:
        """Answer everybody."""
        asked = [one for one in self._asked if not one.future.done()]
        answers: Sequence[Answer | None] = [None] * len(asked)
        if len(asked) > 1 and _are_alike(asked):
            with contextlib.suppress(Exception):  # somebody's rows were refused: only they are to hear of it
                answers = self._answer_together(asked)
        for one, answer in zip(asked, answers, strict=True):
            one.future.set_result(answer)

    def _answer_together(self, asked: Sequence[_Asked]) -> list[Answer]:
        first, last = asked[0].portion, asked[-1].portion
        stored = first.whole.rows(first.rows.start, last.rows.stop)
        whole = self._release.answer(_joined([one.rows for one in asked]), stored)
        return [self._own(whole, one, one.portion.rows.start - first.rows.start) for one in asked]

    def _own(self, whole: Answer, one: _Asked, start: int) -> Answer:
        """Return one request's part of an answer."""
        some = slice(start, start + one.rows.n)
        tensors = {name: tensor[some] for name, tensor in whole.tensors.items()}
        predictions = None if whole.predictions is None else whole.predictions[some]
        return Answer(whole.rows.portion(one.rows, one.stored), tensors, predictions)


def _are_alike(asked: Sequence[_Asked]) -> bool:
    """Whether portions follow one another, and the same fields were sent with each (`event_timestamp` may be)."""
    sent = asked[0].rows.request.keys()
    return all(one.rows.request.keys() == sent for one in asked) and all(
        before.portion.rows.stop == after.portion.rows.start for before, after in pairwise(asked)
    )


def _joined(rows: Sequence[EntityRows]) -> EntityRows:
    """Return the rows of all requests, one behind the other."""
    first = rows[0]
    keys = {name: [value for one in rows for value in one.keys[name]] for name in first.keys}
    request = {name: joined([one.request[name] for one in rows]) for name in first.request}
    return EntityRows(sum(one.n for one in rows), keys, request)
