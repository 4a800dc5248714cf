"""Reads of a plan's views from a cluster."""

import asyncio
from typing import Any, Self, cast

from redis.exceptions import ConnectionError as RedisConnectionError

from likewise.serving.errors import StoreUnavailableError
from likewise.serving.packed_views import PackedViews
from likewise.serving.store_link import StoreLink
from likewise.stores.clock import FixedClock
from likewise.stores.packed_answer import ReadAnswer
from tests.serving.fakes import NOW, plan

KEYS = {"carrier": ["UA"], "origin": ["JFK"], "dest": ["SFO"]}


class Cluster:
    """A client of a cluster whose server of the carrier DL is away."""

    nodes_manager = None

    def __init__(self) -> None:
        self._keys: list[bytes] = []

    def pipeline(self) -> "Cluster":
        """Return a pipeline."""
        return Cluster()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def get(self, key: bytes) -> None:
        """Ask for a key."""
        self._keys.append(key)

    async def execute(self) -> list[None]:
        """Return nothing for every key."""
        await asyncio.sleep(0)
        if any(b"DL" in key for key in self._keys):
            raise RedisConnectionError("connection refused")
        return [None] * len(self._keys)


class Link:
    """A link to the cluster."""

    project, generation = "p", 0

    def sync(self) -> Any:
        """Return what threads use."""
        return Cluster()

    asynchronous = sync


def test_of_a_cluster_only_who_needs_a_lost_server_hears_of_it() -> None:
    """Requests that come together with one for a server that is away are answered."""

    async def ask() -> list[Any]:
        store = PackedViews(cast("StoreLink", Link()), plan(), FixedClock(NOW))
        asked = (store.read_async({**KEYS, "carrier": [carrier]}) for carrier in ("UA", "DL", "OO"))
        return list(await asyncio.gather(*asked, return_exceptions=True))

    assert [type(one) for one in asyncio.run(ask())] == [ReadAnswer, StoreUnavailableError, ReadAnswer]
