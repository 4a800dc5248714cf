"""Makes wrong requests out of right ones: trees, bytes, tensors and headers, by seed."""

import copy
import json
import random
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LENGTH_HEADER = "inference-header-content-length"
DEEP = "[" * 2_000 + "]" * 2_000
# Written as they are: JSON that no encoder would write, and numbers at the edges of types.
RAW = ["NaN", "Infinity", "-Infinity", "1e999", "-1e400", "1" * 400, "0.1e-400", "-0", "01", "0x1", "1.", "True", DEEP]
TEXTS = ["", "\x00", "\ud800", "é", "💥" * 40, "UA", "NaN", "null", "2013-11-05T12:00:00Z", "9999-12-31T23:59:59+23:59"]
TEXTS += [
    "0001-01-01T00:00:00-23:59",
    "2013-02-30",
    "AAAA",
    "AA=A",
    "../../etc/passwd",
    "a:b",
    ":",
    "@",
    "%s%n",
    "x" * 5_000,
]
NUMBERS = [
    0,
    -1,
    1,
    2**31,
    -(2**31) - 1,
    2**53 + 1,
    2**63 - 1,
    2**63,
    -(2**63),
    2**64,
    1e308,
    -1e308,
    5e-324,
    0.1,
    1e18,
]
OTHERS: list[Any] = [None, True, False, [], {}, [[]], [{}], {"": None}, [None], [[[[1]]]], {"a": {"b": []}}]


@dataclass(frozen=True, slots=True)
class Right:
    """A request that is answered.

    Attributes
    ----------
    path
        The route's path and query.
    document
        Its JSON.
    tail
        Binary tensors behind the JSON.
    """

    path: str
    document: Mapping[str, Any]
    tail: bytes = b""


@dataclass(frozen=True, slots=True)
class Case:
    """What is sent."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class _Raw(str):
    """Text that stands in JSON without quotes."""

    __slots__ = ()


@dataclass
class Fuzzer:
    """Gives one wrong (or strange, or by chance right) request after the other; the same seed gives the same.

    Attributes
    ----------
    rights
        What to make them of.
    big
        Length of lists that are over the limits of the server under test.
    """

    rights: Sequence[Right]
    seed: int
    big: int = 400
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # repeatable, not secret

    def next(self) -> Case:
        """Return the next request."""
        right = self._random.choice(self.rights)
        document: Any = json.loads(json.dumps(right.document))
        for _ in range(self._random.choice((0, 1, 1, 1, 2, 3))):
            document = self._mutate(document)
        head = self._spelled(document).encode("utf-8", "surrogatepass")
        headers = {"content-type": "application/json"}
        tail = right.tail
        if tail:
            headers[LENGTH_HEADER] = str(len(head))
            tail = self._bitten(tail) if self._random.random() < 0.5 else tail
        body = head + tail
        if self._random.random() < 0.25:
            body = self._bitten(body)
        if self._random.random() < 0.15:
            headers = self._odd_headers(headers, len(body))
        return Case(right.path, headers, body)

    def _mutate(self, document: Any) -> Any:
        """Return a tree with one node changed."""
        places = list(_places(document))
        if not places or self._random.random() < 0.05:
            return self._evil()
        parent, key = self._random.choice(places)
        change = self._random.choice((self._replace, self._replace, self._drop, self._double, self._grow, self._rename))
        change(parent, key)
        return document

    def _replace(self, parent: Any, key: Any) -> None:
        parent[key] = self._evil()

    def _drop(self, parent: Any, key: Any) -> None:
        del parent[key]

    def _double(self, parent: Any, key: Any) -> None:
        if isinstance(parent, dict):
            parent[_Again(key)] = self._evil()
        else:
            parent.insert(key, parent[key])

    def _grow(self, parent: Any, key: Any) -> None:
        value = parent[key]
        many = self._random.choice((2, 3, 17, self.big))
        parent[key] = value * many if isinstance(value, list) else [value] * many

    def _rename(self, parent: Any, key: Any) -> None:
        if isinstance(parent, dict):
            parent[self._random.choice([*TEXTS, f"{key}x", str(key).upper(), str(key)[:-1]])] = parent.pop(key)
        else:
            parent[key] = {"0": parent[key]}

    def _evil(self) -> Any:
        kind = self._random.randrange(5)
        if kind == 0:
            return _Raw(self._random.choice(RAW))
        chosen = self._random.choice((TEXTS, NUMBERS, OTHERS, [[number] for number in NUMBERS])[kind - 1])
        return copy.deepcopy(chosen)  # it may be changed in its turn

    def _spelled(self, value: Any) -> str:
        if isinstance(value, _Raw):
            return str(value)
        if isinstance(value, dict):
            return "{" + ",".join(f"{json.dumps(str(key))}:{self._spelled(item)}" for key, item in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ",".join(self._spelled(item) for item in value) + "]"
        if isinstance(value, str) and value and self._random.random() < 0.2:
            return (
                '"' + value.replace("\\", "").replace('"', "") + '"'
            )  # control characters and lone surrogates as they are
        return json.dumps(value)

    def _bitten(self, body: bytes) -> bytes:
        """Return bytes with a piece cut, changed, doubled or put in."""
        at, to = sorted((self._random.randrange(len(body) + 1), self._random.randrange(len(body) + 1)))
        noise = self._random.randbytes(self._random.choice((1, 4, 40)))
        length = struct.pack("<I", self._random.choice((0, 1, 5, 2**31, 2**32 - 1)))
        ways: tuple[Callable[[], bytes], ...] = (
            lambda: body[:at],
            lambda: body[at:],
            lambda: body[:at] + body[to:],
            lambda: body[:at] + noise + body[at:],
            lambda: body[:at] + noise + body[at + len(noise) :],
            lambda: body[:at] + length + body[at + 4 :],
            lambda: body + body[at:to],
            lambda: body[:at] + b"\xff\xfe\xc0\x80" + body[at:],
        )
        return self._random.choice(ways)()

    def _odd_headers(self, headers: Mapping[str, str], length: int) -> dict[str, str]:
        lengths = ("-1", "0", "1", str(length), str(length + 1), str(2**70), "1e3", "٣", "", " 3")
        odd = {
            "content-type": self._random.choice(
                ("text/plain", "application/octet-stream", "multipart/form-data", "", "x;;=")
            ),
            LENGTH_HEADER: self._random.choice(lengths),
            "content-length": self._random.choice((str(length), "abc", "-5", "", str(2**70))),
            "accept": self._random.choice(("text/html", "*/*", "")),
            "x-request-id": self._random.choice(("é", "x" * 5_000, "\t", "a b")),
            "authorization": self._random.choice(("Bearer", "Bearer é", "Basic x", "")),
            "traceparent": self._random.choice(("00-0-0-0", "x", "00-" + "0" * 32 + "-" + "0" * 16 + "-01")),
        }
        chosen = self._random.sample(sorted(odd), 2)
        return {**headers, **{name: odd[name] for name in chosen}}


class _Again(str):
    """A key that is equal to no other, so that it stands twice in one object."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


def _places(value: Any) -> Any:
    """Yield (parent, key) of every node below the root."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(keys):
        yield value, key
        yield from _places(value[key])


async def send(app: Any, case: Case) -> tuple[int, Mapping[str, str], bytes]:
    """Return status, headers and body of an app's answer, without a socket."""
    path, _, query = case.path.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(name.encode(), text.encode("utf-8")) for name, text in case.headers.items()],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000), "app": app, "state": {},
    }  # fmt: skip
    half = len(case.body) // 2
    chunks = [
        {"type": "http.request", "body": case.body[:half], "more_body": True},
        {"type": "http.request", "body": case.body[half:], "more_body": False},
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return chunks.pop(0) if chunks else {"type": "http.disconnect"}

    async def keep(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, keep)
    headers = {name.decode(): text.decode("latin-1") for name, text in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:])
