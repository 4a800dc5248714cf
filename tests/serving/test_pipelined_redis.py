import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import hiredis
import pytest
import uvloop
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from likewise.serving.pipelined_redis import RECEIVED_BYTES, SILENT_SECONDS, PipelinedRedis
from likewise.stores.embedded import attach, stop
from likewise.stores.redis_url import RedisAddress, parse_url

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisAddress]:
    folder: Path = tmp_path_factory.mktemp("redis")
    yield parse_url(attach(folder).url)
    stop(folder)


def run(work: Awaitable[Any]) -> Any:
    async def started() -> Any:
        return await work

    return asyncio.run(started())


async def with_server(answer: Answer, use: Callable[[PipelinedRedis], Awaitable[Any]]) -> Any:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        client = PipelinedRedis(RedisAddress((server.sockets[0].getsockname()[:2],)))
        try:
            return await use(client)
        finally:
            await client.aclose()
            await asyncio.sleep(0.05)  # the server's side sees the end and closes too


async def end(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        await writer.drain()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


def test_concurrent_commands_get_their_own_replies(address: RedisAddress) -> None:
    """A thousand concurrent commands on one connection each get their own reply."""

    async def use() -> None:
        client = PipelinedRedis(address)
        await asyncio.gather(*(client.execute_command("SET", f"k{at}", str(at)) for at in range(1000)))
        found = await asyncio.gather(*(client.execute_command("MGET", f"k{at}", "none") for at in range(1000)))
        assert found == [[str(at).encode(), None] for at in range(1000)]
        await client.execute_command("HSET", "h", "a", "1")
        assert await client.hgetall(b"h") == {b"a": b"1"}
        await client.aclose()

    run(use())


def test_a_command_that_is_packed_already_is_sent_as_it_is(address: RedisAddress) -> None:
    """Packed commands and others take turns on one connection; an error of one is its caller's alone."""

    async def use() -> None:
        client = PipelinedRedis(address)
        await client.execute_command("SET", "a\r\n\0", b"\x00\r\n$1\r\n")
        packed = hiredis.pack_command(("MGET", "a\r\n\0", "none"))
        refused = hiredis.pack_command(("HGETALL", "a\r\n\0"))
        found = await asyncio.gather(
            client.execute_packed(packed),
            client.execute_packed(refused),
            client.execute_command("GET", "none"),
            return_exceptions=True,
        )
        assert found[0] == [b"\x00\r\n$1\r\n", None]
        assert isinstance(found[1], ResponseError)
        assert found[2] is None
        await client.aclose()

    run(use())


@pytest.mark.parametrize("run_loop", [run, uvloop.run])
def test_replies_larger_than_what_is_read_at_once_are_whole(
    address: RedisAddress, run_loop: Callable[[Awaitable[None]], None]
) -> None:
    """Values of many times what the connection takes in at once, and commands behind them, come back byte for byte."""
    large = bytes(range(256)) * (4 * RECEIVED_BYTES // 256) + b"end"

    async def use() -> None:
        client = PipelinedRedis(address)
        await client.execute_command("SET", "large", large)
        mget = client.execute_command("MGET", "large", "none", "large")
        found = await asyncio.gather(mget, client.execute_command("GET", "none"), client.execute_command("PING"))
        assert found == [[large, None, large], None, b"PONG"]
        await client.aclose()

    run_loop(use())


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64])
def test_a_reply_may_be_cut_anywhere(step: int) -> None:
    """Replies that arrive in pieces of a few bytes are the replies that were sent, each its own caller's."""
    values = [b"", b"\r\n", b"$5\r\nhello\r\n", b"\x00" * 20, bytes(range(256))]
    reply = b"*%d\r\n" % (len(values) + 1)
    reply += b"".join([b"$%d\r\n%b\r\n" % (len(value), value) for value in values]) + b"$-1\r\n"

    async def in_pieces(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = 0
        while asked < 2 and (sent := await reader.read(1000)):
            asked += sent.count(b"MGET")
        for start in range(0, 2 * len(reply), step):
            writer.write((reply * 2)[start : start + step])
            await writer.drain()
            await asyncio.sleep(0)
        await reader.read()
        await end(writer)

    async def use(client: PipelinedRedis) -> None:
        both = await asyncio.gather(client.execute_command("MGET", "a"), client.execute_command("MGET", "b"))
        assert both == [[*values, None]] * 2

    run(with_server(in_pieces, use))


def test_a_caller_that_gives_up_shifts_nobodys_reply(address: RedisAddress) -> None:
    """When callers are cancelled while they wait, those behind them still get their own replies."""

    async def use() -> None:
        client = PipelinedRedis(address)
        await client.execute_command("SET", "mine", "yes")
        slow = asyncio.create_task(client.execute_command("DEBUG", "SLEEP", "0.1"))
        await asyncio.sleep(0.01)
        waiting = asyncio.create_task(client.execute_command("GET", "mine"))
        slow.cancel()
        assert await waiting == b"yes"
        await client.aclose()

    run(use())


def test_a_refused_command_is_an_error_and_the_connection_lives(address: RedisAddress) -> None:
    """An error reply raises for its caller only."""

    async def use() -> None:
        client = PipelinedRedis(address)
        with pytest.raises(ResponseError, match="unknown command"):
            await client.execute_command("NONSENSE")
        assert await client.execute_command("PING") == b"PONG"
        await client.aclose()

    run(use())


def test_a_wrong_password_says_so(address: RedisAddress) -> None:
    """A password that the server refuses is told without the password."""

    async def use() -> None:
        client = PipelinedRedis(RedisAddress(address.nodes, {"password": "secret"}, address.socket_path))
        with pytest.raises(RedisError, match="AUTH refused") as caught:
            await client.execute_command("PING")
        assert "secret" not in str(caught.value)
        await asyncio.sleep(0)  # the refused connection closes in the loop's next turn

    run(use())


def test_a_lost_connection_is_made_again() -> None:
    """A server that closes after each reply is asked on a new connection; nobody notices."""
    connections = 0

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.read(1000)
        writer.write(b"+PONG\r\n")
        await end(writer)

    async def use(client: PipelinedRedis) -> None:
        for _ in range(5):
            assert await client.execute_command("PING") == b"PONG"
            await asyncio.sleep(0.01)

    run(with_server(once, use))
    assert connections == 5


def test_no_server_is_an_error_at_once() -> None:
    """Where nothing listens the error comes at once and names the address; waiters share one attempt."""

    async def use() -> None:
        client = PipelinedRedis(RedisAddress((("127.0.0.1", 1),)))
        errors = await asyncio.gather(*(client.execute_command("PING") for _ in range(50)), return_exceptions=True)
        assert all(isinstance(error, RedisConnectionError) and "127.0.0.1:1" in str(error) for error in errors)

    run(use())


def test_a_server_that_speaks_otherwise_is_an_error() -> None:
    """Bytes that are no Redis protocol end the connection with an error for everyone who waits."""

    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await end(writer)

    async def use(client: PipelinedRedis) -> None:
        with pytest.raises(RedisConnectionError):
            async with asyncio.timeout(5):
                await client.execute_command("PING")

    run(with_server(web, use))


def test_which_addresses_it_takes() -> None:
    """Plain servers and sockets are taken; TLS and several nodes are left to redis-py."""
    assert PipelinedRedis.supports(parse_url("redis://user:pw@host:1/3"))
    assert PipelinedRedis.supports(parse_url("unix:///tmp/redis.sock"))
    assert not PipelinedRedis.supports(parse_url("rediss://host:1"))
    assert not PipelinedRedis.supports(RedisAddress((("a", 1), ("b", 1))))


def test_a_peer_that_only_listens_is_left() -> None:
    """A connection on which nothing comes back ends when a caller gives up, and the next command uses a new one."""
    met: list[int] = []

    async def first_is_deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.append(len(met))
        is_deaf = len(met) == 1
        with contextlib.suppress(ConnectionError):
            while await reader.read(1000):
                if not is_deaf:
                    writer.write(b"+PONG\r\n")
        await end(writer)

    async def use(client: PipelinedRedis) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SILENT_SECONDS * 1.5):
                await client.execute_command("PING")
        async with asyncio.timeout(5):
            assert await client.execute_command("PING") == b"PONG"
        await client.aclose()

    run(with_server(first_is_deaf, use))
    assert met == [0, 1]


def test_a_slow_reply_does_not_cost_the_connection() -> None:
    """A caller with little patience leaves the connection to the others while replies still come."""

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while sent := await reader.read(1000):
            await asyncio.sleep(0.05)
            writer.write(b"+PONG\r\n" * sent.count(b"PING"))
        await end(writer)

    async def use(client: PipelinedRedis) -> None:
        patient = asyncio.create_task(asyncio.wait_for(client.execute_command("PING"), 5))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await client.execute_command("PING")
        assert await patient == b"PONG"
        await client.aclose()

    run(with_server(slow, use))


def test_a_connection_that_ends_as_a_command_comes_tells_its_caller(address: RedisAddress) -> None:
    """A command of the very turn in which the connection broke fails as lost, and nothing else goes wrong."""
    problems: list[object] = []

    async def use() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
        client = PipelinedRedis(address)
        await client.execute_command("SET", "mine", "yes")
        connection = client._connection
        assert connection is not None
        assert connection._transport is not None
        connection._transport.abort()
        asked = connection.send(b"*1\r\n$4\r\nPING\r\n")
        with pytest.raises(RedisConnectionError):
            await asked
        assert await client.execute_command("GET", "mine") == b"yes"
        await client.aclose()

    uvloop.run(use())
    assert problems == []
