"""Redis clients from addresses: one server, a cluster, or a master found through Sentinel; sync and async."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from redis import Redis, RedisCluster
from redis import asyncio as redis_asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import AbstractBackoff, ExponentialWithJitterBackoff
from redis.cluster import ClusterNode
from redis.retry import Retry
from redis.sentinel import Sentinel

from likewise.stores.redis_url import RedisAddress, Setting

# `redis.Redis | redis.RedisCluster` and their asyncio twins. redis-py annotates most results as "either a value or
# an awaitable of it", so the real types would only force casts on every call.
SyncClient: TypeAlias = Any
AsyncClient: TypeAlias = Any

# A dead network must become an error, not a hang; a server busy with a large file may take seconds.
DEFAULT_SETTINGS: Final[Mapping[str, Setting]] = {"socket_connect_timeout": 5, "socket_timeout": 30}


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a command is tried again when the connection is lost, and the pauses between."""

    retries: int
    pauses: AbstractBackoff


# Enough for a restart of some 2 s; writes may be repeated freely.
PATIENT: Final = Patience(5, ExponentialWithJitterBackoff(base=0.1, cap=1.0))


@dataclass(frozen=True, slots=True)
class Topology:
    """How the address is to be understood: ``redis``, ``redis_cluster`` or ``redis_sentinel`` (Feast's words)."""

    kind: str = "redis"
    sentinel_master: str = "mymaster"


def connect(address: RedisAddress, topology: Topology, patience: Patience = PATIENT) -> SyncClient:
    """Return a client; it connects at its first command (a cluster's at once)."""
    settings = _settings(address, Retry(patience.pauses, patience.retries))
    if topology.kind == "redis_cluster":
        return RedisCluster(startup_nodes=[ClusterNode(*node) for node in address.nodes], **settings)  # type: ignore[no-untyped-call]
    if topology.kind == "redis_sentinel":
        sentinel = Sentinel(list(address.nodes), **settings)  # type: ignore[no-untyped-call]
        return sentinel.master_for(topology.sentinel_master)  # type: ignore[no-untyped-call]
    return Redis(**_place(address), **settings)


def connect_async(address: RedisAddress, topology: Topology, patience: Patience = PATIENT) -> AsyncClient:
    """Return an asyncio client, good for the event loop it is first used in."""
    # asyncio clients need a retry of their own kind: given the other, they never try again.
    settings = _settings(address, AsyncRetry(patience.pauses, patience.retries))
    if topology.kind == "redis_cluster":
        nodes = [redis_asyncio.cluster.ClusterNode(*node) for node in address.nodes]
        return redis_asyncio.RedisCluster(startup_nodes=nodes, **settings)
    if topology.kind == "redis_sentinel":
        sentinel = redis_asyncio.Sentinel(list(address.nodes), **settings)  # type: ignore[no-untyped-call]
        return sentinel.master_for(topology.sentinel_master)
    return redis_asyncio.Redis(**_place(address), **settings)


async def close_async(client: AsyncClient) -> None:
    """Close an asyncio client and, behind Sentinel, the clients that asked for the master."""
    manager = getattr(getattr(client, "connection_pool", None), "sentinel_manager", None)
    await client.aclose()
    for sentinel in manager.sentinels if manager else ():
        await sentinel.aclose()


def _settings(address: RedisAddress, retry: Retry | AsyncRetry) -> dict[str, Any]:
    # Rows are bytes: a client that decodes replies would break on the first one.
    return {**DEFAULT_SETTINGS, "retry": retry, **address.settings, "decode_responses": False}


def _place(address: RedisAddress) -> dict[str, Any]:
    if address.socket_path is not None:
        return {"unix_socket_path": address.socket_path}
    host, port = address.nodes[0]
    return {"host": host, "port": port}
