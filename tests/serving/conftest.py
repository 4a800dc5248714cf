from collections.abc import Iterator

import pytest

from likewise.serving.app import build_app
from likewise.serving.settings import ServingSettings
from tests.serving.client import Client, serving
from tests.serving.fakes import World

SETTINGS = ServingSettings(releases=("flight_delay@prod",), poll_seconds=0.02, definitions_seconds=0.05)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Iterator[Client]:
    with serving(build_app(SETTINGS, world.parts())) as client:
        yield client
