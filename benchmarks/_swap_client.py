"""A closed loop that checks every answer against the release that it names; requests go several to a write."""

import asyncio
import json
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np


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
    changes
        How often a connection saw another release than in its answer before.
    """

    answers: int = 0
    exact: int = 0
    within: int = 0
    beyond: int = 0
    torn: int = 0
    changes: int = 0
    by_release: Counter[bytes] = field(default_factory=Counter)
    by_status: Counter[int] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> int:
        """Return how many answers were not what they must be."""
        return self.beyond + self.torn + self.answers - self.by_status[200]


@dataclass(frozen=True, slots=True)
class Checker:
    """Compares answers with what the release that they name must say."""

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


@dataclass(frozen=True, slots=True)
class Flow:
    """How much is asked, and how.

    Attributes
    ----------
    count
        Requests in all.
    connections, depth
        Connections, and requests of each under way.
    each
        Called with the number of answers after each read.
    """

    count: int
    connections: int
    depth: int
    each: Callable[[int], None]


async def drive(port: int, requests: Sequence[bytes], flow: Flow, checker: Checker) -> None:
    """Send `flow.count` requests to a port of the loopback, all of them checked, and return with the last answer.

    Raises
    ------
    ConnectionError
        The server closed a connection.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    source = _Source(flow.count, len(requests))
    made = []
    for _ in range(flow.connections):
        _, link = await loop.create_connection(lambda: _Link(requests, flow, checker, source, ended), "127.0.0.1", port)
        made.append(link)
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
    def __init__(
        self,
        requests: Sequence[bytes],
        flow: Flow,
        checker: Checker,
        source: _Source,
        ended: "asyncio.Future[None]",
    ) -> None:
        self._requests, self._flow, self._checker, self._source, self._ended = requests, flow, checker, source, ended
        self._under_way: deque[int] = deque()
        self._buffer, self._last = b"", b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._send(self._flow.depth)

    def _send(self, wanted: int) -> None:
        taken = self._source.take(wanted)
        if taken:
            self._under_way.extend(taken)
            self._transport.write(b"".join([self._requests[at] for at in taken]))

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        start = answered = 0
        while (head_end := buffer.find(b"\r\n\r\n", start)) >= 0:
            length_at = buffer.find(b"content-length: ", start, head_end) + 16
            line_end = buffer.find(b"\r\n", length_at, head_end + 2)
            body_end = head_end + 4 + int(buffer[length_at:line_end])
            if body_end > len(buffer):
                break
            release = self._checker.check(
                self._under_way.popleft(), buffer[start:head_end], buffer[head_end + 4 : body_end]
            )
            if release != self._last:
                self._checker.verdict.changes += bool(self._last)
                self._last = release
            start, answered = body_end, answered + 1
        self._buffer = buffer[start:]
        self._source.unanswered -= answered
        # Half of them are sent together: fewer, larger writes on both sides.
        if len(self._under_way) <= self._flow.depth // 2:
            self._send(self._flow.depth - len(self._under_way))
        self._flow.each(self._checker.verdict.answers)
        if self._source.unanswered == 0 and not self._ended.done():
            self._ended.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_exception(ConnectionError(f"the server closed a connection: {exc}"))

    def close(self) -> None:
        self._transport.close()
