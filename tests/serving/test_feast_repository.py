import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from feast import FeatureStore

from likewise.serving.app import build_app
from likewise.serving.errors import SettingsError
from likewise.serving.feast_repository import FeastRepository
from likewise.serving.feast_writer import FeastWriter
from likewise.serving.parts import Parts
from likewise.serving.settings import ServingSettings
from likewise.stores.clock import FixedClock
from likewise.stores.embedded import stop
from tests.serving.client import Client, serving
from tests.serving.fakes import NOW
from tests.serving.real_repository import repository_in, write_rows

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("repo")
    with repository_in(folder):
        yield folder


@pytest.fixture
def client(repository: Path) -> Iterator[Client]:
    opened = FeastRepository(repository, FixedClock(NOW))
    parts = Parts(opened, FeastWriter(opened.store), heal=opened.heal, close=opened.aclose)
    settings = ServingSettings(roles=("features",), poll_seconds=0.05)
    with serving(build_app(settings, parts)) as client:
        yield client


def columns(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return dict(zip(answer["metadata"]["feature_names"], answer["results"], strict=True))


def read(client: Client, **body: Any) -> dict[str, dict[str, Any]]:
    answer = client.post("/get-online-features", json=body)
    assert answer.status_code == 200, answer.text
    return columns(answer.json())


def test_every_type_comes_out_as_feast_spells_it(client: Client) -> None:
    """Whole numbers, floats, texts, booleans, times and lists have Feast's JSON forms, long integers exactly."""
    found = read(client, feature_service="plain", entities={"carrier": ["UA", "OO", "DL", "ZZ", None]})
    first = {name: column["values"][0] for name, column in found.items()}
    assert first == {
        "carrier": "UA",
        "mean_delay": 4.5,
        "flights": 2**60 + 1,
        "airline": "United",
        "share": 0.10000000149011612,
        "is_low_cost": False,
        "last_seen": 1383645600,
        "hubs": ["ORD", "DEN"],
        "counts": [1, 2, 3],
        "all_flights": 336776,
    }
    assert found["airline"]["values"][1:] == [None] * 4
    assert found["airline"]["statuses"] == ["PRESENT", "NULL_VALUE", "OUTSIDE_MAX_AGE", "NOT_FOUND", "NOT_FOUND"]
    assert found["airline"]["event_timestamps"][0] == "2013-11-05T10:59:59.998500Z"
    assert found["all_flights"]["statuses"] == ["PRESENT"] * 5


def test_one_view_is_read_under_two_keys(client: Client) -> None:
    """Projections with their own name and join key map read the same view for two airports."""
    found = read(
        client,
        feature_service="routes",
        entities={"carrier": ["UA"], "origin": ["JFK"], "dest": ["SFO"]},
        full_feature_names=True,
    )
    assert found["origin_facts__altitude"]["values"] == [13.0]
    assert found["dest_facts__altitude"]["values"] == [14.5]


def test_colliding_short_names_are_refused(client: Client) -> None:
    """Two features of one short name need full names, and the answer says so."""
    body = {"feature_service": "routes", "entities": {"carrier": ["UA"], "origin": ["JFK"], "dest": ["SFO"]}}
    answer = client.post("/get-online-features", json=body)
    assert (answer.status_code, "full_feature_names" in answer.json()["advice"]) == (422, True)


@pytest.mark.parametrize("full_names", [False, True])
def test_on_demand_views_answer_in_both_modes(client: Client, *, full_names: bool) -> None:
    """On-demand views in python and pandas mode compute from stored features and request data, full names included."""
    entities = {"carrier": ["UA", "OO"], "distance": [100, None], "departs": ["2013-11-05T23:30:00Z", 1383607800]}
    found = read(client, feature_service="full", entities=entities, full_feature_names=full_names)
    by_short = {name.split("__")[-1]: column for name, column in found.items()}
    assert by_short["delay_per_mile"]["values"] == [0.045, None]
    assert by_short["delay_per_mile"]["statuses"] == ["PRESENT", "NULL_VALUE"]
    assert by_short["hour"]["values"] == [23, 23]
    assert by_short["full"]["values"] == [True, False]
    assert by_short["busy"]["values"] == [(2**60 + 1) / 2, 1.5]


def test_values_equal_what_feasts_own_client_reads(client: Client, repository: Path) -> None:
    """Our answer and the Feast SDK's on the same store hold the same values."""
    entities = {"carrier": ["UA", "OO", "ZZ"]}
    ours = read(client, feature_service="plain", entities=entities)
    theirs = _feast_values(repository, entities)
    for name in ("mean_delay", "flights", "airline", "share", "hubs", "counts", "all_flights"):
        assert ours[name]["values"] == theirs[name], name


def _feast_values(repository: Path, entities: dict[str, list[Any]]) -> dict[str, list[Any]]:
    store = FeatureStore(repo_path=str(repository))
    values: dict[str, list[Any]] = store.get_online_features(
        store.get_feature_service("plain"),
        entities,  # type: ignore[arg-type]
    ).to_dict()
    return values


def test_pushed_rows_are_read_at_once(client: Client) -> None:
    """Rows pushed over HTTP are served by the next read; a later read of the old event time changes nothing."""
    row = {
        "carrier": ["B6"],
        "mean_delay": [1.5],
        "flights": [9],
        "airline": ["JetBlue"],
        "share": [0.5],
        "is_low_cost": [True],
        "last_seen": [(NOW - timedelta(minutes=5)).isoformat()],
        "hubs": [["BOS"]],
        "counts": [[1]],
        "event_timestamp": [(NOW - timedelta(minutes=1)).isoformat()],
    }
    pushed = client.post("/push", json={"push_source_name": "carrier_stats_push", "df": row})
    assert pushed.status_code == 200, pushed.text
    features = ["carrier_stats:airline", "carrier_stats:mean_delay"]
    assert read(client, features=features, entities={"carrier": ["B6"]})["mean_delay"]["values"] == [1.5]
    older = row | {"mean_delay": [9.9], "event_timestamp": [(NOW - timedelta(minutes=2)).isoformat()]}
    assert (
        client.post("/write-to-online-store", json={"feature_view_name": "carrier_stats", "df": older}).status_code
        == 200
    )
    assert read(client, features=features, entities={"carrier": ["B6"]})["mean_delay"]["values"] == [1.5]


PUSHES = [
    ({"push_source_name": "carrier_push", "df": {"carrier": ["UA"]}}, 404, "carrier_stats_push"),
    ({"push_source_name": "carrier_stats_push", "df": {"carrier": ["UA"]}}, 422, "mean_delay"),
]


@pytest.mark.parametrize(("body", "status", "said"), PUSHES)
def test_a_wrong_push_says_what_is_missing(client: Client, body: dict[str, Any], status: int, said: str) -> None:
    """A push to an unknown source, or without the view's columns, is the caller's error and says what to send."""
    answer = client.post("/push", json=body)
    assert answer.status_code == status
    assert said in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"feature_service": "plane"}, 404, "plain"),
        ({"features": ["carrier_stats:flight"]}, 404, "carrier_stats:flights"),
        ({"features": ["carrier_stat:flights"]}, 404, "carrier_stats:flights"),
        ({"features": ["flights"]}, 404, "view:feature"),
        ({"features": ["carrier_stats@v9:flights"]}, 404, "carrier_stats"),
    ],
)
def test_unknown_features_are_404_with_close_names(client: Client, body: Any, status: int, said: str) -> None:
    """What the Feast registry does not have is 404, with what was probably meant."""
    answer = client.post("/get-online-features", json={**body, "entities": {"carrier": ["UA"]}})
    assert answer.status_code == status, answer.text
    assert said in answer.json()["detail"]


def test_on_demand_code_that_fails_is_told(client: Client) -> None:
    """Code of an on-demand view that can't take the values is a 422 that names the view, not a 500."""
    entities = {"carrier": ["UA"], "distance": [1.0], "departs": [None]}
    answer = client.post("/get-online-features", json={"feature_service": "full", "entities": entities})
    assert answer.status_code == 422
    assert "'calendar'" in answer.json()["detail"]


def test_a_stopped_redis_is_503_until_it_is_back(client: Client, repository: Path) -> None:
    """While Redis is stopped reads are 503 with Retry-After; started again, they are answered without a restart."""
    body = {"features": ["carrier_stats:flights"], "entities": {"carrier": ["UA"]}}
    assert client.post("/get-online-features", json=body).status_code == 200
    assert stop(repository / "redis")
    for _ in range(8):
        answer = client.post("/get-online-features", json=body)
        assert answer.status_code == 503, answer.text
        assert int(answer.headers["retry-after"]) >= 1
    assert client.get("/health/ready").status_code == 503
    write_rows(FeatureStore(repo_path=str(repository)))  # starts it again, as any Feast client would
    for _ in range(200):
        if (answer := client.post("/get-online-features", json=body)).status_code == 200:
            break
        client.portal.call(asyncio.sleep, 0.02)
    assert answer.status_code == 200, answer.text
    assert client.get("/health/ready").status_code == 200


def test_a_folder_that_is_no_repository_is_named(tmp_path: Path) -> None:
    """Serving a folder without feature_store.yaml says which folder and which setting."""
    with pytest.raises(SettingsError, match="LIKEWISE_REPO"):
        FeastRepository(tmp_path, FixedClock(NOW))
    yaml = "project: x\nprovider: local\nregistry: r.db\nonline_store: {type: sqlite, path: o.db}\n"
    (tmp_path / "feature_store.yaml").write_text(yaml + "entity_key_serialization_version: 3\n")
    with pytest.raises(SettingsError, match="PackedRedisOnlineStore"):
        FeastRepository(tmp_path, FixedClock(NOW))
