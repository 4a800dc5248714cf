"""Reads of a plan's views: from a cluster, and of views that have no entity."""

import asyncio
from dataclasses import replace
from typing import Any, Self, cast

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from likewise.serving.entity_rows import EntityRows
from likewise.serving.errors import StoreUnavailableError
from likewise.serving.online import ENTITYLESS_KEY, OnlineReader
from likewise.serving.packed_views import PackedViews
from likewise.serving.plan import FeaturePlan, KeyBinding, Served
from likewise.serving.store_link import StoreLink
from likewise.stores.clock import FixedClock
from likewise.stores.packed_answer import ReadAnswer
from tests.serving.fakes import CARRIER_VIEW, NOW, plan

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
    """A link to a cluster."""

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


@pytest.mark.parametrize("n", [0, 1, 3, 40])
def test_views_without_an_entity_answer_every_row(n: int) -> None:
    """Where a plan has no join key, there is an answer to each row of the request all the same."""
    view = replace(CARRIER_VIEW, keys=(KeyBinding(ENTITYLESS_KEY, ENTITYLESS_KEY),))
    bare = FeaturePlan("s", (), (), (view,), (), tuple(Served(view.name, one, one.name) for one in view.fields))
    store = PackedViews(cast("StoreLink", Link()), bare, FixedClock(NOW))
    reader, rows = OnlineReader(bare, store, (), FixedClock(NOW)), EntityRows(n, {}, {})
    (found,) = asyncio.run(reader.fetch(rows))
    assert (len(found.statuses), len(found.columns["flights"])) == (n, n)
