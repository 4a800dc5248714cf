"""Predictions that are made together are, to the byte, those that each request would get alone."""

import asyncio
import gc
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uvloop
from feast.protos.feast.types.Value_pb2 import Value

from likewise.serving.entity_rows import EntityRows, RowRules, check_rows
from likewise.serving.errors import StaleFeaturesError
from likewise.serving.gathered_answers import GatheredAnswers
from likewise.serving.loaded_release import Answer, LoadedRelease, ReleaseIdentity
from likewise.serving.logged_rows import Logged, table_of
from likewise.serving.online import OnlineReader
from likewise.serving.plan import FeaturePlan, Field, KeyBinding, Served, StoredView
from likewise.serving.predict_answer import predict_answer
from likewise.serving.request_log import RequestLog, log_files
from likewise.stores.clock import FixedClock
from likewise.stores.packed_answer import ReadAnswer
from likewise.stores.packed_schema import FieldType, row_schema
from likewise.transforms import FittedTransform, Steps, Transform
from likewise.transforms import kinds as K  # noqa: N812  as recipes write it
from likewise.transforms.columns import LogicalType
from tests.stores.test_packed_joint import AGE, NOW, Stored, read

CARRIER = Field("carrier", LogicalType.TEXT, "STRING")
DISTANCE = Field("distance", LogicalType.NUMBER, "DOUBLE")
FIELDS = (Field("delay", LogicalType.NUMBER, "DOUBLE"), Field("airline", LogicalType.TEXT, "STRING"))
VIEW = StoredView("stats", "stats", (KeyBinding("carrier", "carrier"),), FIELDS, timedelta(microseconds=AGE))
PLAN = FeaturePlan("s", (CARRIER,), (DISTANCE,), (VIEW,), (), tuple(Served("stats", one, one.name) for one in FIELDS))
SCHEMA = row_schema("stats", ["carrier"], [("delay", FieldType.DOUBLE), ("airline", FieldType.STRING)])
CLOCK = FixedClock(datetime.fromtimestamp(NOW / 1e6, UTC))
RULES = RowRules("entities or request", 100, ignore_unknown=False)


def fitted() -> FittedTransform:
    """Return a real transform of stored features, a join key, request data and the time."""
    n = 40
    numbers = np.random.default_rng(5).normal(size=n)
    when = pa.array([datetime(2013, 1, 1, tzinfo=UTC) + timedelta(hours=at) for at in range(n)])
    table = pa.table(
        {
            "delay": numbers,
            "distance": numbers * 100,
            "airline": ["United", "Delta", "é", "B6"] * 10,
            "carrier": ["UA", "DL"] * 20,
            "event_timestamp": when,
        }
    )
    scaled = [K.SimpleImputer("median"), K.StandardScaler()]
    codes = [K.OrdinalEncoder(unseen="oov", missing="category")]
    outputs = {
        "numbers": [
            Steps(["delay", "distance"], scaled),
            Steps(["event_timestamp"], [K.DatetimeFeatures(("hour", "minute"))]),
        ],
        "codes": [Steps(["airline", "carrier"], codes)],
    }
    return Transform(name="t", feature_service="s", outputs=outputs).fit(table)


@dataclass
class Model:
    """Adds up what it is given; counts its runs, refuses a row whose first number is beyond `limit`."""

    limit: float = np.inf
    runs: list[int] = field(default_factory=list)

    def predict(self, tensors: Mapping[str, Any]) -> np.ndarray[Any, Any]:
        """Return (n,) float32."""
        numbers = tensors["numbers"]
        if (numbers[:, 1] > self.limit).any():
            raise ValueError("out of range")
        self.runs.append(len(numbers))
        found: np.ndarray[Any, Any] = (numbers.sum(axis=1) + tensors["codes"].sum(axis=1)).astype(np.float32)
        return found

    def check_golden(self) -> None:
        """Nothing to check."""


class Nowhere:
    """A store that nobody reads."""

    def read(self, keys: Mapping[str, Sequence[object]]) -> Any:
        """Refuse."""
        raise AssertionError(keys)

    read_async = read


def release_of(model: Model) -> LoadedRelease:
    """Return a release over the real transform."""
    reader = OnlineReader(PLAN, Nowhere(), (), CLOCK)
    return LoadedRelease(ReleaseIdentity("r", 1, "sha256:1", "sha256:2"), reader, fitted(), model)


def stored(delay: float | None, airline: str | None, age: int = 0) -> Stored:
    """Return a row of the view."""
    values = {"delay": Value() if delay is None else Value(double_val=delay)}
    values["airline"] = Value() if airline is None else Value(string_val=airline)
    return Stored(SCHEMA, values, NOW - age)


ROWS = [stored(1.5, "United"), stored(None, "Delta"), None, stored(2.0, None), stored(3.0, "é\n", AGE + 1)]
SENT: list[dict[str, list[Any]]] = [
    {"carrier": ["UA"], "distance": [10.0]},
    {"carrier": ["DL", None], "distance": [None, 2**60]},
    {"carrier": ["ZZ"], "distance": [0.5]},
    {"carrier": ["UA"], "distance": [7]},
]


def requests(sent: Sequence[Mapping[str, list[Any]]] = SENT) -> list[EntityRows]:
    """Return requests of 1, 2, 1 and 1 rows."""
    return [check_rows(PLAN, one, RULES) for one in sent]


def portions(rows: Sequence[EntityRows]) -> list[ReadAnswer]:
    """Return what was read for them, together."""
    whole, start, found = read([SCHEMA], [ROWS], [False]), 0, []
    for one in rows:
        found.append(whole.rows(start, start + one.n))
        start += one.n
    return found


def together(release: LoadedRelease, rows: Sequence[EntityRows]) -> list[Any]:
    """Return the answers (or errors) of requests that were read together."""
    parts = portions(rows)

    async def ask() -> list[Any]:
        gathered = GatheredAnswers()
        asked = (gathered.answer(release, one, part) for one, part in zip(rows, parts, strict=True))
        return list(await asyncio.gather(*asked, return_exceptions=True))

    return asyncio.run(ask())


def assert_as_alone(release: LoadedRelease, rows: Sequence[EntityRows], answers: Sequence[Any]) -> None:
    """Every answer is what the release says of that request alone, to the byte."""
    alone = release_of(Model())
    for one, part, answer in zip(rows, portions(rows), answers, strict=True):
        expected = alone.answer(one, part)
        assert isinstance(answer, Answer), answer
        assert {n: t.tobytes() for n, t in answer.tensors.items()} == {
            n: t.tobytes() for n, t in expected.tensors.items()
        }
        for explain in (False, True):
            assert predict_answer(release, answer, explain=explain) == predict_answer(alone, expected, explain=explain)


def test_what_was_read_together_is_predicted_together() -> None:
    """One run of the model answers all; missing, unknown, stale and odd rows among them change nothing."""
    model = Model()
    release = release_of(model)
    rows = requests()
    answers = together(release, rows)
    assert model.runs == [5]
    assert_as_alone(release, rows, answers)
    alone = release_of(Model())
    for one, part in zip(rows, portions(rows), strict=True):
        alone.answer(one, part)
    assert dict(release.tally.snapshot()) == dict(alone.tally.snapshot())
    assert release.tally.snapshot().rows == 5


def test_a_time_sent_with_some_is_theirs() -> None:
    """Requests that bring `event_timestamp` are not mixed with those that take the clock's."""
    sent = [{**one} for one in SENT]
    sent[1]["event_timestamp"] = ["2013-01-01T05:59:00Z", "2013-01-02T17:00:00+02:00"]
    model = Model()
    release = release_of(model)
    rows = requests(sent)
    assert_as_alone(release, rows, together(release, rows))
    assert model.runs == [1, 2, 1, 1]
    timed = [{**one, "event_timestamp": ["2013-01-01T05:59:00Z"] * len(one["carrier"])} for one in SENT]
    model.runs.clear()
    rows = requests(timed)
    assert_as_alone(release, rows, together(release, rows))
    assert model.runs == [5]


def test_one_refusal_is_one_refused_answer() -> None:
    """Where one request's rows are refused, the others are answered, and counted once."""
    release = release_of(Model(limit=100.0))
    rows = requests()
    answers = together(release, rows)
    assert [type(one) for one in answers] == [Answer, ValueError, Answer, Answer]
    assert release.tally.snapshot().rows == 3
    stale = replace(release_of(Model()), refuse_stale=True)
    answers = together(stale, rows)
    assert [type(one) for one in answers] == [Answer, Answer, Answer, StaleFeaturesError]


def test_who_gives_up_changes_nothing_for_others() -> None:
    """A request that was given up between reading and predicting leaves a gap that others do not see."""
    release = release_of(Model())
    rows = requests()
    parts = portions(rows)

    async def ask() -> list[Any]:
        gathered = GatheredAnswers()
        tasks = [
            asyncio.create_task(gathered.answer(release, one, part)) for one, part in zip(rows, parts, strict=True)
        ]
        asyncio.get_running_loop().call_soon(tasks[1].cancel)
        return list(await asyncio.gather(*tasks, return_exceptions=True))

    answers = asyncio.run(ask())
    assert isinstance(answers[1], asyncio.CancelledError)
    kept = [0, 2, 3]
    expected = [release_of(Model()).answer(rows[at], parts[at]) for at in kept]
    assert [answers[at].predictions.tobytes() for at in kept] == [one.predictions.tobytes() for one in expected]


def test_a_refusal_keeps_nothing() -> None:
    """When a refused request has heard of it, what was read with it is free at once: an error is no cycle."""
    release = release_of(Model(limit=100.0))
    rows = requests()

    async def ask() -> weakref.ref[ReadAnswer]:
        gathered, parts = GatheredAnswers(), portions(rows)
        assert parts[0].part_of is not None
        whole = weakref.ref(parts[0].part_of.whole)
        asked = (gathered.answer(release, one, parts.pop(0)) for one in rows)
        told = [type(one) for one in await asyncio.gather(*asked, return_exceptions=True)]
        assert told == [Answer, ValueError, Answer, Answer]
        return whole

    gc.disable()
    try:
        assert uvloop.run(ask())() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("share", [1.0, 0.9])
def test_a_sampled_answer_keeps_its_own_rows_only(
    share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is logged of few answers among many does not keep the many in memory, and is logged as it was."""
    monkeypatch.setattr("likewise.serving.request_log.random.random", lambda: 0.0)
    release, rows = release_of(Model()), requests()
    log = RequestLog(tmp_path, share, 10**9, lambda _: None)
    gc.disable()
    try:
        answers = together(release, rows)
        whole = weakref.ref(answers[0].rows.answer.part_of.whole)
        expected = table_of([Logged(str(at), release, one) for at, one in enumerate(answers)])
        for at, one in enumerate(answers):
            log.offer(str(at), release, one)
        del answers, one
        assert (whole() is None) == (share < 1.0)
    finally:
        gc.enable()
    log.close(30)
    assert pq.read_table(log_files(tmp_path)[0], partitioning=None).equals(expected)


def test_a_read_of_its_own_is_answered_at_once() -> None:
    """Rows that were read with nobody wait for nothing."""
    release = release_of(Model())
    (rows,) = requests(SENT[:1])
    whole = read([SCHEMA], [ROWS[:1]], [False])
    work = GatheredAnswers().answer(release, rows, whole)
    with pytest.raises(StopIteration) as ended:
        work.send(None)
    assert isinstance(ended.value.value, Answer)
