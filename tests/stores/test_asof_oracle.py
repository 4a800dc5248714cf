"""The point-in-time join against an oracle that looks at every pair of rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import FileSource
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from likewise.stores.asof_history import HistoryQuery
from likewise.stores.asof_session import SessionSettings
from likewise.stores.asof_view import FeatureColumn, JoinKey, ViewPlan

DAY_NS = 86_400_000_000_000
BASE_NS = 15_706 * DAY_NS
PER_UNIT = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
# Of keys 0, 1 and 2: their values, and the types of source and entity rows. No fact has key 2, and the narrow source
# cannot even hold it; far integers leave no range to count in; DuckDB alone matches floats.
KEY_KINDS = {
    "same": ((0, 1, 2), pa.int64(), pa.int64()),
    "narrow": ((-1, 1, 70_000), pa.int16(), pa.int64()),
    "far": ((-(2**63), 2**63 - 1, 5), pa.int64(), pa.int64()),
    "floats among entity rows": ((-3, 2**40, 7), pa.int64(), pa.float64()),
    "floats": ((0.5, 1.5, 2.5), pa.float64(), pa.float64()),
    "texts": (("", "ä", "b"), pa.string(), pa.large_string()),
    "dictionary": (("x", "y", "z"), pa.string(), pa.dictionary(pa.int32(), pa.string())),
}
CENTURY_NS = 36_525 * DAY_NS


@dataclass(frozen=True)
class Fact:
    """A row of a source; times in ns."""

    key: tuple[object, ...]
    event: int | None
    created: int | None
    value: int


@dataclass(frozen=True)
class Case:
    """A source, entity rows, and how both are written and joined."""

    facts: tuple[Fact, ...]
    entities: tuple[tuple[tuple[object, ...], int], ...]
    key_kind: str
    units: tuple[str, str]
    zones: tuple[str | None, str | None]
    ttl: timedelta | None
    known_only: bool
    has_created: bool
    keys: int
    files: int
    in_memory: bool
    chunk: int | None


def answer(case: Case, key: tuple[object, ...], instant: int) -> int | None:
    """Return the value of the best fact that existed and was fresh, by looking at each."""
    best: tuple[int, int, int] | None = None
    found = None
    for position, fact in enumerate(case.facts):
        if fact.event is None or fact.event > instant or any(part is None for part in key) or fact.key != key:
            continue
        created = fact.created if case.has_created else None
        if case.known_only and case.has_created and (created is None or created > instant):
            continue
        if case.ttl and fact.event + int(case.ttl.total_seconds() * 10**9) < instant:
            continue
        rank = (fact.event, -(2**63) if created is None else created, position)
        if best is None or rank > best:
            best, found = rank, fact.value
    return found


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw few keys and few instants, so that ties, late facts and stale facts are common."""
    units = (draw(st.sampled_from(list(PER_UNIT))), draw(st.sampled_from(list(PER_UNIT))))
    # Nanoseconds over centuries: no integer holds keys and instant, so that DuckDB has to match them.
    step = draw(st.sampled_from([1, 1000, 10**9, CENTURY_NS // 2 + 1]))
    base = BASE_NS if step < CENTURY_NS // 2 else BASE_NS - 3 * CENTURY_NS
    keys = draw(st.integers(0, 2))

    def one_key(last: int) -> st.SearchStrategy[tuple[object, ...]]:
        return st.tuples(*[st.one_of(st.integers(0, last), st.none()), st.sampled_from(["a", "b"])][:keys])

    def instant(unit: str) -> st.SearchStrategy[int]:
        size = max(step // PER_UNIT[unit], 1) * PER_UNIT[unit]
        return st.integers(0, 6).map(lambda i: base + i * size)

    fact = st.builds(
        Fact, one_key(1), st.one_of(instant(units[0]), st.none()), st.one_of(instant(units[0]), st.none()), st.just(0)
    )
    facts = draw(st.lists(fact, max_size=12))
    return Case(
        facts=tuple(Fact(f.key, f.event, f.created, i) for i, f in enumerate(facts)),
        entities=tuple(draw(st.lists(st.tuples(one_key(2), instant(units[1])), max_size=8))),
        key_kind=draw(st.sampled_from(list(KEY_KINDS))),
        units=units,
        zones=(draw(st.sampled_from([None, "UTC"])), draw(st.sampled_from([None, "UTC", "America/New_York"]))),
        ttl=draw(st.sampled_from([None, timedelta(seconds=2), timedelta(microseconds=3)])),
        known_only=draw(st.booleans()),
        has_created=draw(st.booleans()),
        keys=keys,
        files=draw(st.integers(1, 3)),
        in_memory=draw(st.sampled_from([True, True, False])),
        chunk=draw(st.sampled_from([None, 2, 5])),
    )


def times(values: list[int | None], unit: str, zone: str | None) -> pa.Array:
    # A naive column holds UTC, whatever zone a zoned one would have.
    return pa.array([None if v is None else v // PER_UNIT[unit] for v in values], pa.int64()).cast(
        pa.timestamp(unit, zone)
    )


def key_columns(case: Case, keys: list[tuple[object, ...]], *, of_entities: bool) -> dict[str, pa.Array]:
    values, source, entity = KEY_KINDS[case.key_kind]
    first = [None if key[0] is None else values[key[0]] for key in keys] if case.keys else []
    columns = [pa.array(first, entity if of_entities else source)]
    if case.keys > 1:
        columns.append(pa.array([key[1] for key in keys], pa.string()))
    return {f"key{i}": column for i, column in enumerate(columns[: case.keys])}


def written(case: Case, folder: Path) -> ViewPlan:
    unit, zone = case.units[0], case.zones[0]
    columns = key_columns(case, [fact.key for fact in case.facts], of_entities=False)
    columns["event"] = times([fact.event for fact in case.facts], unit, zone)
    columns["created"] = times([fact.created for fact in case.facts], unit, zone)
    columns["value"] = pa.array([fact.value for fact in case.facts], pa.int64())
    table = pa.table(columns)
    size = -(-table.num_rows // case.files)
    for number in range(case.files):
        pq.write_table(table.slice(number * size, size), folder / f"part{number}.parquet")
    return ViewPlan(
        name="facts",
        source=FileSource(path=str(folder), timestamp_field="event"),
        keys=tuple(JoinKey(f"key{i}", f"key{i}") for i in range(case.keys)),
        features=(FeatureColumn("value", "value"),),
        event="event",
        created="created" if case.has_created else None,
        ttl=case.ttl,
    )


NO_WATCH = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]}


MISSING_CREATED_BESIDE_NANOSECONDS = Case(
    facts=(Fact((), BASE_NS, BASE_NS, 0), Fact((), BASE_NS, None, 1)),
    entities=(((), BASE_NS + 1),),
    key_kind="same",
    units=("s", "ns"),
    zones=(None, None),
    ttl=None,
    known_only=False,
    has_created=True,
    keys=0,
    files=1,
    in_memory=True,
    chunk=None,
)


@settings(max_examples=150, **NO_WATCH)
@example(case=MISSING_CREATED_BESIDE_NANOSECONDS)
@example(case=replace(MISSING_CREATED_BESIDE_NANOSECONDS, in_memory=False))
@given(case=cases())
def test_join_is_the_oracles(case: Case, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every entity row comes back once, in order, with the value that an exhaustive search finds.

    Over composite keys, missing keys, integers at both ends of 64 bits, floats and texts, views without keys, ties of
    event and created time, missing times, late facts, TTLs, seconds to nanoseconds, hours and centuries, zoned and
    naive, one file and several, matched and gathered in memory and by DuckDB, entity rows at once and in chunks.
    """
    check(case, tmp_path_factory.mktemp("facts"))


@pytest.mark.prove
@settings(max_examples=4_000, **NO_WATCH)
@given(case=cases())
def test_join_is_the_oracles_at_length(case: Case, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The same over four thousand cases."""
    check(case, tmp_path_factory.mktemp("facts"))


def check(case: Case, folder: Path) -> None:
    """Retrieve the history of a case and compare it with what an exhaustive search finds."""
    plan = written(case, folder)
    entities = pa.table(
        {
            "position": pa.array(range(len(case.entities)), pa.int64()),
            "event_timestamp": times([instant for _, instant in case.entities], case.units[1], case.zones[1]),
            **key_columns(case, [key for key, _ in case.entities], of_entities=True),
        }
    )
    limits = SessionSettings(threads=1, batch_rows=3, held_share=0.25 if case.in_memory else 0.0, chunk_rows=case.chunk)
    query = HistoryQuery(limits, (plan,), entities, known_only=case.known_only)
    result = query.batches().read_all()
    assert result["position"].to_pylist() == list(range(len(case.entities)))
    assert result["value"].to_pylist() == [answer(case, key, instant) for key, instant in case.entities]
