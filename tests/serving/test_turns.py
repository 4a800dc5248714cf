import asyncio
import time

import httpx

from likewise.serving.app import build_app
from likewise.serving.turns import LONG_TURN_SECONDS, MANY_REQUESTS, Turns
from tests.serving.client import serving
from tests.serving.conftest import SETTINGS
from tests.serving.fakes import World

ONE = {"entities": {"carrier": ["UA"], "origin": ["JFK"], "dest": ["SFO"]}, "request": {"distance": [100.5]}}


def test_a_long_turn_takes_no_more_and_the_next_one_does() -> None:
    """Once a turn of the loop is long and has many requests, no more are taken; the next turn begins anew."""

    async def use() -> None:
        turns, now = Turns(), time.perf_counter()
        taken = [
            turns.takes_another(now + 2 * LONG_TURN_SECONDS * at / MANY_REQUESTS) for at in range(2 * MANY_REQUESTS)
        ]
        assert taken == [True] * MANY_REQUESTS + [False] * MANY_REQUESTS
        await asyncio.sleep(0)
        assert turns.takes_another(now + 1.0)
        assert turns.takes_another(now + 9.0)  # few requests: something else held the loop up

    asyncio.run(use())


def test_more_than_a_turn_can_answer_is_told_at_once(world: World) -> None:
    """Of a flood that would take the worker far too long, a part is answered 503 with Retry-After, the rest right."""
    slow = world.store.read_async

    async def heavy(keys: object) -> object:
        time.sleep(0.005)  # work on the event loop itself
        return await slow(keys)  # type: ignore[arg-type]

    world.store.read_async = heavy  # type: ignore[method-assign, assignment]

    async def flood(http: httpx.AsyncClient) -> list[httpx.Response]:
        return await asyncio.gather(*(http.post("/v1/predict/flight_delay", json=ONE) for _ in range(200)))

    with serving(build_app(SETTINGS, world.parts())) as client:
        answers = client.portal.call(flood, client.http)
        shed = [answer for answer in answers if answer.status_code == 503]
        assert 0 < len(shed) < 200
        assert all(answer.headers["retry-after"] == "1" for answer in shed)
        assert all(answer.json()["predictions"] == [1105.25] for answer in answers if answer.status_code == 200)
        assert client.post("/v1/predict/flight_delay", json=ONE).status_code == 200
