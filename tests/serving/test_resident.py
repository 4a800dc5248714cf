import asyncio
import threading

import httpx
import pytest

from likewise.serving.app import build_app
from likewise.serving.errors import NothingLoadedError, UnknownReleaseError
from likewise.serving.loaded_release import LoadedRelease
from likewise.serving.resident import ResidentReleases
from tests.serving.client import Client, serving
from tests.serving.conftest import SETTINGS
from tests.serving.fakes import FakeSource, FakeStore, World, flights_rows, plan

ONE = {"entities": {"carrier": ["UA"], "origin": ["JFK"], "dest": ["SFO"]}, "request": {"distance": [100.5]}}


@pytest.fixture
def source() -> FakeSource:
    return FakeSource(FakeStore(plan(), flights_rows()))


def version(client: Client) -> int:
    return int(client.post("/v1/predict/flight_delay", json=ONE).json()["release"].split(":")[1])


def wait_for(client: Client, wanted: int) -> None:
    for _ in range(200):
        if version(client) == wanted:
            return
        client.portal.call(asyncio.sleep, 0.01)
    raise AssertionError(f"still {version(client)}")


def test_a_moved_alias_is_followed(client: Client, world: World) -> None:
    """When an alias moves, the new release answers within the poll, and a move back is followed the same way."""
    assert version(client) == 1
    world.source.aliases["flight_delay@prod"] = 2
    wait_for(client, 2)
    world.source.aliases["flight_delay@prod"] = 1
    wait_for(client, 1)


def test_a_release_that_fails_its_proof_never_answers(
    client: Client, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A refused release leaves the one before it serving; the refusal is shown, logged once, not retried at once."""
    world.source.refused.add(2)
    world.source.aliases["flight_delay@prod"] = 2
    for _ in range(20):
        assert version(client) == 1
        client.portal.call(asyncio.sleep, 0.01)
    ready = client.get("/health/ready").json()["releases"]["flight_delay@prod"]
    assert "golden row 0" in ready["problem"]
    assert ready["answers_with"] == "flight_delay:1"
    assert world.source.loads.count(2) == 1
    assert caplog.text.count("keeps flight_delay:1") == 1
    assert 'likewise_release_refused{reference="flight_delay@prod"} 1.0' in client.get("/metrics").text


def test_a_release_that_could_not_be_loaded_is_tried_again(
    source: FakeSource, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault that passes (a blob store away for a second) refuses a release for a while, not until a restart."""
    monkeypatch.setattr("likewise.serving.resident.RETRY_SECONDS", 0.0)
    resident = ResidentReleases(source, ("flight_delay@prod",))
    source.refused.add(1)
    assert [resident.refresh(), resident.refresh()] == [(), ()]
    assert source.loads == [1, 1]
    assert caplog.text.count("golden row 0") == 1
    source.refused.clear()
    assert resident.refresh() == ("flight_delay@prod",)
    assert resident.slots[0].problem is None


def test_a_release_that_breaks_the_loader_holds_up_no_other(
    source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of any kind while one reference loads is its own problem: the others are loaded and followed."""
    load = source.load

    def breaks(name: str, version: int) -> LoadedRelease:
        if version == 7:
            raise OSError("no space left on device")
        return load(name, version)

    monkeypatch.setattr(source, "load", breaks)
    resident = ResidentReleases(source, ("flight_delay:7", "flight_delay@prod"))
    assert resident.refresh() == ("flight_delay@prod",)
    assert resident.slots[0].problem == "no space left on device"


def test_definitions_that_move_while_serving_raise_the_alarm(
    client: Client, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A definition applied while the server runs is told in the log, in readiness and as a metric."""
    world.source.changed = ("view:weather",)
    client.portal.call(asyncio.sleep, 0.3)
    assert "DEFINITIONS MOVED: flight_delay:1" in caplog.text
    ready = client.get("/health/ready").json()["releases"]["flight_delay@prod"]
    assert ready["moved_definitions"] == ["view:weather"]
    assert 'likewise_definitions_moved{reference="flight_delay@prod"} 1.0' in client.get("/metrics").text
    world.source.changed = ()
    client.portal.call(asyncio.sleep, 0.3)
    assert "again as it pinned them" in caplog.text


def test_a_lost_registry_changes_nothing(client: Client, world: World) -> None:
    """While the alias can't be looked up, the release that serves goes on."""
    del world.source.aliases["flight_delay@prod"]
    client.portal.call(asyncio.sleep, 0.1)
    assert version(client) == 1
    world.source.aliases["flight_delay@prod"] = 3
    wait_for(client, 3)


def test_a_first_release_may_come_later(world: World) -> None:
    """A server whose alias does not exist yet is not ready, says why, and becomes ready without a restart."""
    world.source.aliases.clear()
    with serving(build_app(SETTINGS, world.parts())) as client:
        answer = client.post("/v1/predict/flight_delay", json=ONE)
        assert answer.status_code == 503
        assert "does not exist" in answer.json()["detail"]
        assert client.get("/health/ready").status_code == 503
        world.source.aliases["flight_delay@prod"] = 1
        for _ in range(200):
            if client.get("/health/ready").status_code == 200:
                break
            client.portal.call(asyncio.sleep, 0.01)
        assert version(client) == 1


def test_no_answer_is_torn_while_releases_swap(world: World) -> None:
    """Under load with the alias moving all the time, every answer's prediction is of the release that it names."""
    world.store.delay_seconds = 0.002
    seen: set[int] = set()

    async def load(http: httpx.AsyncClient, count: int) -> None:
        for _ in range(count):
            answer = (await http.post("/v1/predict/flight_delay", json=ONE)).json()
            number = int(answer["release"].split(":")[1])
            assert answer["predictions"] == [1000.0 * number + 105.25]
            assert answer["transform"] == f"sha256:{number:064d}"
            seen.add(number)

    async def everybody(http: httpx.AsyncClient) -> None:
        await asyncio.gather(*(load(http, 60) for _ in range(16)))

    with serving(build_app(SETTINGS, world.parts())) as client:
        mover = threading.Thread(target=_move, args=(world, client))
        mover.start()
        client.portal.call(everybody, client.http)
        mover.join()
    assert len(seen) > 2


def _move(world: World, client: Client) -> None:
    for number in range(2, 30):
        world.source.aliases["flight_delay@prod"] = number
        client.portal.call(asyncio.sleep, 0.03)


def test_names_of_a_release(source: FakeSource) -> None:
    """A release is found by name, by alias and by version; others are told apart by what is configured."""
    resident = ResidentReleases(source, ("release:flight_delay@prod", "flight_delay:7"))
    with pytest.raises(NothingLoadedError):
        resident.find("flight_delay@prod")
    assert resident.refresh() == ("flight_delay@prod", "flight_delay:7")
    assert resident.find("flight_delay@prod").identity.version == 1
    assert resident.find("flight_delay").identity.version == 1
    assert resident.find("flight_delay:7").identity.version == 7
    with pytest.raises(UnknownReleaseError, match="flight_delay@prod"):
        resident.find("flight_delay@staging")


def test_the_old_release_is_drained(source: FakeSource) -> None:
    """A swapped-out release is drained when its last request has ended."""
    resident = ResidentReleases(source, ("flight_delay@prod",))
    resident.refresh()
    old = resident.find("flight_delay")
    with resident.using(old):
        source.aliases["flight_delay@prod"] = 2
        resident.refresh()
        assert resident.find("flight_delay").identity.version == 2
        assert not resident.drain(old, timeout_seconds=0.02)
    assert resident.drain(old, timeout_seconds=0.02)
