"""A closed loop that checks every answer against the release that it names; requests go several to a write."""

import asyncio
import json
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

# Between the requests of a connection that waits to see a swap, when the next one is near.
HOLD_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Expected:
    """What a release answers.

    Attributes
    ----------
    transform
        Its digest, as the header says it.
    bodies
        The whole answer for each request, bit for bit.
    predictions
        For each request.
    """

    transform: bytes
    bodies: Sequence[bytes]
    predictions: Sequence[float]


@dataclass(slots=True)
class Verdict:
    """What was seen so far.

    Attributes
    ----------
    answers, exact
        Answers, and how many of them were the expected bytes.
    within, beyond
        Of the others: within the bound of the release that they name, and not.
    torn
        Answers whose parts name different releases or transforms, or that can't be read.
    by_release
        Answers by the release that they name.
    astray
        How often a connection saw another release than the next one in turn after its own: a swap that it
        missed, or an answer of a release that was gone.
    """

    answers: int = 0
    exact: int = 0
    within: int = 0
    beyond: int = 0
    torn: int = 0
    astray: int = 0
    by_release: Counter[bytes] = field(default_factory=Counter)
    by_status: Counter[int] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> int:
        """Return how many answers were not what they must be."""
        return self.beyond + self.torn + self.astray + self.answers - sum(self.by_release.values())


@dataclass(frozen=True, slots=True)
class Checker:
    """Compares answers with what the release that they name must say.

    Attributes
    ----------
    expected
        By release, in the order in which they take turns.
    """

    expected: Mapping[bytes, Expected]
    bound: float
    verdict: Verdict = field(default_factory=Verdict)

    def check(self, at: int, head: bytes, body: bytes) -> bytes:
        """Count an answer to request `at`; return the release that it names."""
        verdict = self.verdict
        verdict.answers += 1
        status = int(head[9:12])
        verdict.by_status[status] += 1
        release = _header(head, b"\r\nx-likewise-release: ")
        expected = self.expected.get(release)
        if status != 200 or expected is None:
            self._note("refused", head, body)
            return release
        verdict.by_release[release] += 1
        if body == expected.bodies[at] and _header(head, b"\r\nx-likewise-transform: ") == expected.transform:
            verdict.exact += 1
        else:
            self._check_parts(at, head, body, expected, release)
        return release

    def steps(self, release: bytes, before: bytes) -> int:
        """Return how many moves of the alias lie between two releases; another number than one is counted."""
        turns = list(self.expected)
        known = release in self.expected and before in self.expected
        steps = (turns.index(release) - turns.index(before)) % len(turns) if known else 0
        if steps != 1:
            self.verdict.astray += 1
            self._note(f"{before!r} is followed by {release!r}", b"", b"")
        return steps

    def _check_parts(self, at: int, head: bytes, body: bytes, expected: Expected, release: bytes) -> None:
        try:
            said = json.loads(body)
            named = {said["release"].encode(), release}
            transforms = {said["transform"].encode(), _header(head, b"\r\nx-likewise-transform: "), expected.transform}
            difference = abs(float(np.float32(said["predictions"][0])) - expected.predictions[at])
        except (ValueError, KeyError, IndexError, TypeError):
            named, transforms, difference = set(), set(), 1.0
        if len(named) != 1 or len(transforms) != 1:
            self.verdict.torn += 1
            self._note("torn", head, body)
        elif difference <= self.bound:
            self.verdict.within += 1
        else:
            self.verdict.beyond += 1
            self._note("beyond the bound", head, body)

    def _note(self, what: str, head: bytes, body: bytes) -> None:
        if len(self.verdict.examples) < 5:
            self.verdict.examples.append(f"{what}: {head!r} {body[:300]!r}")


def _header(head: bytes, name: bytes) -> bytes:
    at = head.find(name)
    if at < 0:
        return b""
    at += len(name)
    end = head.find(b"\r\n", at)
    return head[at:] if end < 0 else head[at:end]


class Swaps:
    """When the alias moves: at every so many answers; before it does, every connection should have seen the last move.

    Parameters
    ----------
    every
        Answers from one move to the next.
    move
        Moves the alias, soon.
    """

    def __init__(self, every: int, move: Callable[[], None]) -> None:
        self._every, self._move, self._due = every, move, every
        self.made = 0
        self.seen: dict[int, int] = {}  # by connection: moves that it saw

    @property
    def are_seen(self) -> bool:
        """Whether every connection saw every move."""
        return min(self.seen.values()) >= self.made

    def count(self, answers: int, left: int) -> None:
        """Move if it is time; what nobody could see any more is not done."""
        while answers >= self._due and left:
            self._due += self._every
            self.made += 1
            self._move()

    def hold_back(self, answers: int) -> bool:
        """Whether connections should ask little: the next move is near, and the last one not seen by all."""
        return not self.are_seen and answers > self._due - self._every // 3


@dataclass(frozen=True, slots=True)
class Flow:
    """How much is asked, and how.

    Attributes
    ----------
    count
        Requests in all.
    connections, depth
        Connections, and requests of each under way.
    """

    count: int
    connections: int
    depth: int


@dataclass(frozen=True, slots=True)
class Soak:
    """What every connection of a run shares."""

    requests: Sequence[bytes]
    flow: Flow
    checker: Checker
    swaps: Swaps


async def drive(port: int, soak: Soak) -> None:
    """Send `flow.count` requests to a port of the loopback, all of them checked, and return with the last answer.

    Raises
    ------
    ConnectionError
        The server closed a connection.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    source = _Source(soak.flow.count, len(soak.requests))
    made = []
    soak.swaps.seen.update(dict.fromkeys(range(soak.flow.connections), 0))
    for number in range(soak.flow.connections):
        link = _Link(number, soak, source, ended)
        await loop.create_connection(lambda link=link: link, "127.0.0.1", port)  # type: ignore[misc]
        made.append(link)
    for link in made:
        link.begin()
    try:
        await ended
    finally:
        for link in made:
            link.close()


class _Source:
    """Hands out which request comes next."""

    def __init__(self, count: int, kinds: int) -> None:
        self.left, self.unanswered, self._kinds = count, count, kinds

    def take(self, wanted: int) -> list[int]:
        taken = min(wanted, self.left)
        first, self.left = self.left, self.left - taken
        return [(first - at) % self._kinds for at in range(taken)]


class _Link(asyncio.Protocol):
    def __init__(self, number: int, soak: Soak, source: _Source, ended: "asyncio.Future[None]") -> None:
        self._number, self._soak, self._source, self._ended = number, soak, source, ended
        self._under_way: deque[int] = deque()
        self._buffer, self._last = b"", next(iter(soak.checker.expected))
        self._is_waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def begin(self) -> None:
        self._send(self._soak.flow.depth)

    def _send(self, wanted: int) -> None:
        taken = self._source.take(wanted)
        if taken:
            self._under_way.extend(taken)
            self._transport.write(b"".join([self._soak.requests[at] for at in taken]))

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        start = answered = 0
        while (head_end := buffer.find(b"\r\n\r\n", start)) >= 0:
            length_at = buffer.find(b"content-length: ", start, head_end) + 16
            line_end = buffer.find(b"\r\n", length_at, head_end + 2)
            body_end = head_end + 4 + int(buffer[length_at:line_end])
            if body_end > len(buffer):
                break
            self._take(buffer[start:head_end], buffer[head_end + 4 : body_end])
            start, answered = body_end, answered + 1
        self._buffer = buffer[start:]
        self._source.unanswered -= answered
        self._soak.swaps.count(self._soak.checker.verdict.answers, self._source.left)
        self._ask()
        if self._source.unanswered == 0 and not self._ended.done():
            self._ended.set_result(None)

    def _take(self, head: bytes, body: bytes) -> None:
        release = self._soak.checker.check(self._under_way.popleft(), head, body)
        if release != self._last:
            self._soak.swaps.seen[self._number] += self._soak.checker.steps(release, self._last)
            self._last = release

    def _ask(self) -> None:
        """Fill what is under way up; half of it is sent together: fewer, larger writes on both sides."""
        depth = self._soak.flow.depth
        if self._soak.swaps.hold_back(self._soak.checker.verdict.answers):
            if not self._under_way and not self._is_waiting:
                self._is_waiting = True
                asyncio.get_running_loop().call_later(HOLD_SECONDS, self._ask_one)
        elif not self._is_waiting and len(self._under_way) <= depth // 2:
            self._send(depth - len(self._under_way))

    def _ask_one(self) -> None:
        self._is_waiting = False
        swaps = self._soak.swaps
        if swaps.seen[self._number] < swaps.made:
            self._send(1)
        else:
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_exception(ConnectionError(f"the server closed a connection: {exc}"))

    def close(self) -> None:
        self._transport.close()
