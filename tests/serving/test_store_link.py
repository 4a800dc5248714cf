"""The worker's connections where redis-py makes them: TLS, special settings, clusters, Sentinel."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from likewise.serving.store_link import StoreLink
from likewise.stores.embedded import attach, stop
from likewise.stores.packed_clients import Topology


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Return the URL of a Redis."""
    yield attach(tmp_path).url
    stop(tmp_path)


def test_a_lost_connection_costs_no_request(url: str, tmp_path: Path) -> None:
    """When the server drops a connection between two commands, the second is sent anew: on threads and event loops."""
    link = StoreLink("exp", f"{url}?client_name=worker", tmp_path, Topology())

    async def ask() -> list[bytes]:
        client = link.asynchronous()
        assert isinstance(client, redis.asyncio.Redis)  # settings that our own pipelined client does not know
        await client.set("a", 1)
        with redis.Redis.from_url(url) as raw:
            raw.client_kill_filter(_type="normal", skipme=True)
        answers = [await client.get("a"), link.sync().get("a")]
        await link.aclose()
        return answers

    link.sync().set("a", 1)
    assert asyncio.run(ask()) == [b"1", b"1"]
