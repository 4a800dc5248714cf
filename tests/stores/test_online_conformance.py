"""One list of promises about online stores, run over Feast's Redis store as the reference and over ours.

Where Feast's store does not keep a promise, its case says so and why; the day it does, the test asks to be changed.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from feast import FeatureStore, RepoConfig
from feast.infra.online_stores.redis import RedisOnlineStore, RedisOnlineStoreConfig
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Array, Bool, Bytes, Float32, Float64, Int32, Int64, String, UnixTimestamp

from likewise.stores.packed_redis import PackedRedisOnlineStore, PackedRedisOnlineStoreConfig
from likewise.stores.redis_url import parse_url
from tests.stores.packed_world import NOON, View, entity, feast_store, numbers, row

HOUR = timedelta(hours=1)
STORES = {
    "feast": (RedisOnlineStore, RedisOnlineStoreConfig),
    "ours": (PackedRedisOnlineStore, PackedRedisOnlineStoreConfig),
}


@dataclass(frozen=True)
class Subject:
    """A store under test and how to configure it."""

    store: Any
    kind: Any
    address: str

    def config(self, project: str = "exp") -> RepoConfig:
        """Return a configuration."""
        return RepoConfig(
            project=project,
            provider="local",
            registry="unused.db",
            entity_key_serialization_version=3,
            online_store=self.kind(connection_string=self.address),
            offline_store={"type": "dask"},
        )

    def write(self, *rows: Any, view: View | None = None, project: str = "exp") -> None:
        """Write rows."""
        self.store.online_write_batch(self.config(project), (view or View()).feast(), list(rows), None)

    def read(self, *uids: int, project: str = "exp") -> list[float | None]:
        """Return `x` of entities."""
        keys = [entity(uid) for uid in uids]
        return numbers(self.store.online_read(self.config(project), View().feast(), keys, ["x"]))


@pytest.fixture
def subject(request: pytest.FixtureRequest, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Subject:
    """Return the store that the case names; the clock stands at noon."""
    monkeypatch.setenv("LIKEWISE_CLOCK", NOON.isoformat())
    store, kind = STORES[request.param]
    host, port = parse_url(redis_url).nodes[0]
    return Subject(store(), kind, f"{host}:{port}")


def stores(feast_fails: str | None = None) -> Any:
    """Run a promise over both stores; `feast_fails` says why Feast's does not keep it."""
    marks = [pytest.mark.xfail(strict=True, reason=feast_fails)] if feast_fails else []
    cases = [pytest.param("feast", marks=marks, id="feast"), pytest.param("ours", id="ours")]
    return pytest.mark.parametrize("subject", cases, indirect=True)


@stores()
def test_values_of_every_common_type_come_back(subject: Subject) -> None:
    """Scalars, texts, bytes, times, lists and nulls come back as the protos that were written."""
    kinds = [Float64, Float32, Int64, Int32, Bool, String, Bytes, UnixTimestamp, Array(Float64), String]
    view = View("typed", dict(zip("abcdefghij", kinds, strict=True)))
    values = {
        "a": Value(double_val=0.1), "b": Value(float_val=0.5), "c": Value(int64_val=-(2**60)), "d": Value(int32_val=7),
        "e": Value(bool_val=False), "f": Value(string_val="é"), "g": Value(bytes_val=b"\xff"),
        "h": Value(unix_timestamp_val=1_700_000_000), "i": Value(), "j": Value(),
    }  # fmt: skip
    values["i"].double_list_val.val.extend([1.0, 2.0])
    subject.write((entity(1), values, NOON, None), view=view)
    assert subject.store.online_read(subject.config(), view.feast(), [entity(1)], list(values)) == [(NOON, values)]


@stores()
def test_answers_are_in_the_order_asked(subject: Subject) -> None:
    """Any order and repetition of entities is answered as asked."""
    subject.write(row(1, 1.0), row(2, 2.0))
    assert subject.read(2, 9, 1, 2) == [2.0, None, 1.0, 2.0]


@stores()
def test_older_events_lose(subject: Subject) -> None:
    """A later write with an older event time changes nothing."""
    subject.write(row(1, 1.0, NOON))
    subject.write(row(1, 2.0, NOON - HOUR))
    assert subject.read(1) == [1.0]


@stores("equal event times are skipped")
def test_corrections_land(subject: Subject) -> None:
    """The same event with a later created time replaces the value."""
    subject.write(row(1, 1.0, NOON, NOON))
    subject.write(row(1, 2.0, NOON, NOON + HOUR))
    assert subject.read(1) == [2.0]


@stores("absent entities come back as rows of nulls from 1970")
def test_absent_entities_are_none(subject: Subject) -> None:
    """`online_read` gives (None, None) for an entity without a row."""
    assert subject.store.online_read(subject.config(), View().feast(), [entity(1)], ["x"]) == [(None, None)]


@stores("its deletion pattern ends in the project's name without a separator")
def test_projects_are_apart(subject: Subject) -> None:
    """Tearing one project down leaves one whose name ends alike."""
    for project in ("exp", "myexp"):
        subject.write(row(1, 1.0), project=project)
    subject.store.teardown(subject.config(), [View().feast()], [])
    assert [subject.read(1), subject.read(1, project="myexp")] == [[None], [1.0]]


@stores()
def test_removed_views_are_deleted(subject: Subject) -> None:
    """`update` deletes a view's rows and leaves another view of the same entity."""
    other = View("other")
    subject.write(row(1, 1.0))
    subject.write(row(1, 2.0), view=other)
    subject.store.update(subject.config(), [View().feast()], [other.feast()], [], [], partial=False)
    assert subject.read(1) == [None]
    found = subject.store.online_read(subject.config(), other.feast(), [entity(1)], ["x"])
    assert numbers(found) == [2.0]


@stores()
def test_both_ways_of_reading_agree(subject: Subject) -> None:
    """The asyncio read gives what the blocking one gives."""
    subject.write(row(1, 1.0))

    async def read() -> Any:
        found = await subject.store.online_read_async(subject.config(), View().feast(), [entity(1)], ["x"])
        await (
            subject.store.close()
            if isinstance(subject.store, PackedRedisOnlineStore)
            else subject.store._client_async.aclose()
        )
        return found

    assert numbers(asyncio.run(read())) == subject.read(1) == [1.0]


@stores("TTLs do not count and absent entities are PRESENT")
def test_statuses_are_true(subject: Subject, tmp_path: Path) -> None:
    """PRESENT, OUTSIDE_MAX_AGE and NOT_FOUND say what is."""
    view = View(ttl=HOUR)
    store: FeatureStore = feast_store(subject.config(), tmp_path, [view])
    subject.write(row(1, 1.0, NOON), row(2, 2.0, NOON - 2 * HOUR), view=view)
    response = store.get_online_features(["stats:x"], entity_rows=[{"uid": uid} for uid in (1, 2, 3)])
    assert list(response.proto.results[1].statuses) == [
        FieldStatus.PRESENT,
        FieldStatus.OUTSIDE_MAX_AGE,
        FieldStatus.NOT_FOUND,
    ]


@stores()
def test_responses_are_alike(subject: Subject, tmp_path: Path) -> None:
    """For rows that exist, `to_dict`, names and protos of a response are Feast's."""
    view = View("both", {"x": Float64, "k": Int64, "s": String, "t": UnixTimestamp})
    store = feast_store(subject.config(), tmp_path, [view])
    values = {
        "x": Value(double_val=1.5),
        "k": Value(int64_val=3),
        "s": Value(string_val="é"),
        "t": Value(unix_timestamp_val=0),
    }
    subject.write((entity(1), values, NOON, None), view=view)
    response = store.get_online_features(
        ["both:x", "both:k", "both:s", "both:t"], entity_rows=[{"uid": 1}], full_feature_names=True
    )
    found = response.to_dict()
    assert {name: found[name] for name in ("uid", "both__x", "both__k", "both__s")} == {
        "uid": [1], "both__x": [1.5], "both__k": [3], "both__s": ["é"],
    }  # fmt: skip
    assert found["both__t"][0].isoformat() == "1970-01-01T00:00:00+00:00"
    vectors = dict(zip(response.proto.metadata.feature_names.val, response.proto.results, strict=True))
    assert [vectors[f"both__{name}"].values[0] for name in values] == list(values.values())
    assert vectors["both__x"].event_timestamps[0].seconds == int(NOON.timestamp())
