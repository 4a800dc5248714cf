"""What clients do when their connection is lost."""

import asyncio

import pytest
import redis
from redis.backoff import NoBackoff

from likewise.stores.packed_clients import Patience, Topology, close_async, connect, connect_async
from likewise.stores.packed_errors import RedisUnreachableError
from likewise.stores.redis_url import parse_url
from tests.stores.packed_world import View, config_of, entity, store_at

ONCE = Patience(1, NoBackoff())


def test_a_command_is_tried_again(redis_url: str, raw: redis.Redis) -> None:
    """A lost connection costs no command: the blocking client connects anew."""
    client = connect(parse_url(redis_url), Topology(), ONCE)
    client.set("a", 1)
    raw.client_kill_filter(_type="normal", skipme=True)
    assert client.get("a") == b"1"
    client.close()


def test_a_command_is_tried_again_on_an_event_loop(redis_url: str, raw: redis.Redis) -> None:
    """The asyncio client does so too, by a retry of its own kind."""

    async def ask() -> bytes:
        client = connect_async(parse_url(redis_url), Topology(), ONCE)
        try:
            await client.set("a", 1)
            raw.client_kill_filter(_type="normal", skipme=True)
            answer: bytes = await client.get("a")
            return answer
        finally:
            await close_async(client)

    assert asyncio.run(ask()) == b"1"


@pytest.mark.parametrize("kind", ["redis", "redis_cluster"])
def test_an_absent_server_is_named(kind: str) -> None:
    """Whatever the topology, nobody listening is our error with the address in it."""
    config = config_of("127.0.0.1:1,retry=null", redis_type=kind)
    with pytest.raises(RedisUnreachableError, match=r"127\.0\.0\.1:1"):
        store_at().online_read(config, View().feast(), [entity(1)], ["x"])
