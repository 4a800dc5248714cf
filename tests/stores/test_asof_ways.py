"""The two ways through a history, in memory and by DuckDB's joins: which is taken when, and that they agree."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import FileSource

from likewise.stores import asof_gather, asof_held
from likewise.stores.asof_codes import ABSENT, make_codes
from likewise.stores.asof_held import needed_bytes
from likewise.stores.asof_history import HistoryQuery
from likewise.stores.asof_session import SessionSettings, open_session
from likewise.stores.asof_source import open_relation
from likewise.stores.asof_times import Unit
from likewise.stores.asof_view import FeatureColumn, JoinKey, ViewPlan

ROWS, KEYS = 20_000, 60
BASE = np.datetime64("2013-03-01", "us").astype(np.int64)
SECOND = 1_000_000


def instants(values: np.ndarray) -> pa.Array:
    return pa.array(values).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))


def history_of(folder: Path, *, ttl: timedelta | None = None, known_only: bool = False) -> HistoryQuery:
    """Return a query over facts with many ties, late facts and corrections; keys are an integer and a text."""
    draw = np.random.default_rng(3)
    events = BASE + draw.integers(0, 5_000, ROWS) * SECOND
    facts = {
        "uid": draw.integers(-KEYS, KEYS, ROWS),
        "town": pa.array(draw.choice(["", "a", "ab"], ROWS)),
        "event": instants(events),
        "created": instants(events + draw.integers(0, 900, ROWS) * SECOND),
        "value": np.arange(ROWS),
    }
    pq.write_table(pa.table(facts), folder / "facts.parquet", row_group_size=3_000)
    entities = {
        "uid": draw.integers(-KEYS, KEYS + 2, ROWS),
        "town": pa.array(draw.choice(["", "a", "ab", "b"], ROWS)),
        "event_timestamp": instants(BASE + draw.integers(-100, 6_500, ROWS) * SECOND),
    }
    keys = (JoinKey("uid", "uid"), JoinKey("town", "town"))
    source = FileSource(path=str(folder / "facts.parquet"), timestamp_field="event")
    plan = ViewPlan("facts", source, keys, (FeatureColumn("value", "value"),), "event", "created", ttl)
    return HistoryQuery(SessionSettings(batch_rows=1_000), (plan,), pa.table(entities), known_only)


def values(query: HistoryQuery, **settings: object) -> list[int | None]:
    found = replace(query, settings=replace(query.settings, **settings)).batches().read_all()
    return found["value"].to_pylist()  # type: ignore[no-any-return]


@pytest.mark.parametrize("known_only", [False, True])
@pytest.mark.parametrize("ttl", [None, timedelta(minutes=5)])
def test_both_ways_agree_on_many_rows(tmp_path: Path, ttl: timedelta | None, *, known_only: bool) -> None:
    """20,000 facts of 360 keys, a third of them tied and most of them late, give the same values either way."""
    query = history_of(tmp_path, ttl=ttl, known_only=known_only)
    in_memory, by_joins = values(query), values(query, held_share=0.0)
    assert in_memory == by_joins
    assert 0.2 < sum(value is None for value in in_memory) / ROWS < 0.9
    assert values(query, chunk_rows=777) == in_memory


@pytest.mark.parametrize("held", [0.25, 0.0])
def test_a_ttl_beyond_all_nanoseconds_is_none(tmp_path: Path, held: float) -> None:
    """A TTL of a thousand years, which 64 bits cannot count in nanoseconds, leaves every match."""
    query = history_of(tmp_path)
    late = query.entities["event_timestamp"].cast(pa.int64()).to_numpy() * 1000 + 1  # type: ignore[index]
    finer = query.entities.set_column(2, "event_timestamp", pa.array(late).cast(pa.timestamp("ns", "UTC")))  # type: ignore[union-attr]
    ages = replace(query.views[0], ttl=timedelta(days=365_250))
    found = values(replace(query, entities=finer, views=(ages,)), held_share=held)
    assert found == values(query)


@pytest.mark.parametrize(("held", "way"), [(0.25, asof_gather.InMemory), (0.0, asof_gather.ByJoins)])
def test_the_memory_limit_chooses_the_way(
    tmp_path: Path, held: float, way: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sources that fit the share of the memory limit are held; others go through joins that spill."""
    chosen: list[object] = []
    choose = asof_gather.choose_gatherer

    def noted(*given: object, **options: object) -> object:
        chosen.append(choose(*given, **options))  # type: ignore[arg-type]
        return chosen[-1]

    monkeypatch.setattr("likewise.stores.asof_history.choose_gatherer", noted)
    values(history_of(tmp_path), held_share=held)
    assert [type(gatherer) for gatherer in chosen] == [way]


def documents_of(folder: Path, rows: int, size: int) -> HistoryQuery:
    """Return a query whose one feature is a text of `size` bytes, of which the facts have 200."""
    draw = np.random.default_rng(5)
    documents = [draw.bytes(size // 2).hex() for _ in range(200)]
    facts = {"uid": range(200), "event": instants(np.full(200, BASE)), "text": documents}
    pq.write_table(pa.table(facts), folder / "documents.parquet")
    entities = {"uid": np.arange(rows) % 201, "event_timestamp": instants(np.full(rows, BASE + SECOND))}
    source = FileSource(path=str(folder / "documents.parquet"), timestamp_field="event")
    plan = ViewPlan(
        "documents", source, (JoinKey("uid", "uid"),), (FeatureColumn("text", "text"),), "event", None, None
    )
    return HistoryQuery(SessionSettings(memory_limit="400MB"), (plan,), pa.table(entities))


@pytest.mark.parametrize(("rows", "held"), [pytest.param(150_000, 0.25, marks=pytest.mark.slow), (12_000, 0.0)])
def test_texts_far_larger_than_memory_come_in_small_batches(tmp_path: Path, rows: int, held: float) -> None:
    """Documents of 20 kB, up to 3 GB (more than an Arrow array holds): no batch is over 100 MB, either way."""
    query = documents_of(tmp_path, rows, 20_000)
    texts = pq.read_table(tmp_path / "documents.parquet")["text"].to_pylist()
    at = 0
    for batch in replace(query, settings=replace(query.settings, held_share=held)).batches():
        assert batch.nbytes < 100e6
        uids = batch["uid"].to_pylist()
        assert uids == [uid % 201 for uid in range(at, at + batch.num_rows)]
        assert batch["text"].to_pylist() == [texts[uid] if uid < 200 else None for uid in uids]
        at += batch.num_rows
    assert at == rows


def test_texts_beyond_an_array_are_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A column whose texts no Arrow array holds goes by joins."""
    query = documents_of(tmp_path, 10, 1_000)
    (plan,) = query.views
    kinds = pa.schema([("text", pa.string())])
    with open_session(query.settings) as session:
        relation = open_relation(session, plan.source, plan.columns())
    assert needed_bytes(relation, plan.features, kinds) is not None
    monkeypatch.setattr(asof_held, "_MOST_TEXT", 100_000)
    assert needed_bytes(relation, plan.features, kinds) is None


def chunked(*numbers: int | None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(numbers, pa.int64())])


def test_codes_rise_with_keys_and_instants() -> None:
    """Codes order rows by key and then instant; a missing or unknown key is below all of them."""
    codes = make_codes({"k0": chunked(7, 9)}, [np.array([100, 200])], Unit.MICROSECOND)
    assert codes is not None
    floors = codes.floor(pa.table({"k0": chunked(7, 9, 8, 10, -(2**63), None)}))
    assert floors[0] < floors[2] < floors[1]
    assert (floors[3:] < 0).all()
    assert codes.scale.encode(np.array([-(2**62), 99, 100, 150, 200, 10**12])).tolist() == [
        ABSENT,
        ABSENT,
        0,
        50,
        100,
        100,
    ]


def test_codes_that_fit_no_integer_are_refused() -> None:
    """Keys over the whole range are listed instead; where that does not help either, there are no codes."""
    far = chunked(-(2**63), 2**63 - 1)
    listed = make_codes({"k0": far}, [np.array([0, 10])], Unit.MICROSECOND)
    assert listed is not None
    assert listed.floor(pa.table({"k0": far})).tolist() == [0, 11]
    assert make_codes({"k0": far}, [np.array([0, 2**61])], Unit.MICROSECOND) is None
    # 300 years in whole microseconds are few steps, and still too many nanoseconds to subtract.
    years = np.array([-(2**62) // 1000 * 1000, 2**62 // 1000 * 1000])
    assert make_codes({"k0": chunked(1)}, [years], Unit.NANOSECOND) is None


def test_whole_microseconds_need_no_nanosecond_codes() -> None:
    """Nanoseconds that are whole microseconds are counted in those; instants between them belong to the one before."""
    codes = make_codes({"k0": chunked(1)}, [np.array([5_000, 9_000])], Unit.NANOSECOND)
    assert codes is not None
    assert codes.scale.steps == 5
    finer = make_codes({"k0": chunked(1)}, [np.array([5_000, 9_001])], Unit.NANOSECOND)
    assert finer is not None
    assert finer.scale.steps == 4_002
    assert codes.scale.encode(np.array([4_999, 5_000, 5_999, 6_000])).tolist() == [ABSENT, 0, 0, 1]
