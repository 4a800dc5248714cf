"""One real Redis for the store tests, emptied before each of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from likewise.stores.embedded import attach, stop


@pytest.fixture(scope="session")
def redis_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Run an embedded server for the whole session; return its directory."""
    directory = tmp_path_factory.mktemp("redis")
    attach(directory)
    yield directory
    stop(directory)


@pytest.fixture
def redis_url(redis_directory: Path) -> str:
    """Return the URL of an empty Redis."""
    url = attach(redis_directory).url
    with redis.Redis.from_url(url) as client:
        client.flushall()
    return url


@pytest.fixture
def raw(redis_url: str) -> Iterator[redis.Redis]:
    """Return a plain client of that Redis."""
    with redis.Redis.from_url(redis_url) as client:
        yield client
