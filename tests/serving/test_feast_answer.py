"""The bytes of `/get-online-features`, put together a second time the plain way."""

from itertools import product
from typing import Any

import orjson
from feast.protos.feast.types.Value_pb2 import Value
from hypothesis import given, settings
from hypothesis import strategies as st

from likewise.serving.entity_rows import EntityRows
from likewise.serving.feast_answer import FeastAnswer
from likewise.serving.online import STATUS_NAMES, FeatureRows
from likewise.serving.plan import FeaturePlan, Field, KeyBinding, Served, StoredView
from likewise.serving.value_texts import time_text
from likewise.stores.packed_answer import ReadAnswer
from likewise.stores.packed_schema import FieldType, RowSchema
from likewise.transforms.columns import LogicalType
from tests.stores.test_packed_joint import NOW, Stored, read, wide, worlds

World = tuple[list[RowSchema], list[list[Stored | None]]]
KEY = Field("user_id", LogicalType.NUMBER, "INT64")
# Times of as many digits as there are, of one row and of several, and what is no time at all.
TIMES = (-1, NOW, NOW + 1, NOW + 1_000, 253_402_300_800_000_000)
VALUES = (Value(double_val=0.25), Value(int64_val=7), Value(bool_val=True), Value(string_val='a "b"'))
PLAIN = [FieldType.DOUBLE, FieldType.INT64, FieldType.STRING, FieldType.BOOL]


def plan_of(schemas: list[RowSchema]) -> FeaturePlan:
    """Return a plan that serves every field of some views, the last first."""
    stored = [
        StoredView(
            one.view, one.view, (KeyBinding("uid", "user_id"),),
            tuple(Field(field.name, LogicalType.NUMBER, field.type.name) for field in one.fields), None,
        )
        for one in schemas
    ]  # fmt: skip
    served = [Served(view.name, field, f"{view.name}__{field.name}") for view in stored for field in view.fields]
    return FeaturePlan("service", (KEY,), (), tuple(stored), (), tuple(reversed(served)))


def written(schemas: list[RowSchema], answer: ReadAnswer) -> bytes:
    """Return the answer as the server writes it."""
    plan, n = plan_of(schemas), answer.found.n
    rows = FeatureRows(plan, EntityRows(n, {"user_id": list(range(n))}, {}), answer, (), NOW)
    return FeastAnswer(plan).write(rows, with_views=False)


def expected(schemas: list[RowSchema], answer: ReadAnswer) -> dict[str, Any]:
    """Return the answer's statuses and times by what the store says of each feature, and its names."""
    n = answer.found.n
    results = [{"statuses": ["PRESENT"] * n, "event_timestamps": ["1970-01-01T00:00:00Z"] * n}]
    for view, schema in reversed(list(enumerate(schemas))):
        times = [time_text(at) for at in answer[view].event_times.tolist()]
        for field in reversed(schema.fields):
            statuses = [STATUS_NAMES[code] for code in answer[view].statuses_of(field.name).tolist()]
            results.append({"statuses": statuses, "event_timestamps": times})
    names = ["user_id", *[f"{one.view}__{f.name}" for one in reversed(schemas) for f in reversed(one.fields)]]
    return {"results": results, "metadata": {"feature_names": names}}


def check(schemas: list[RowSchema], answer: ReadAnswer) -> None:
    """Compare an answer's notes with those that are expected, and its bytes with the plain JSON of what they say."""
    body = written(schemas, answer)
    told = orjson.loads(body)
    assert orjson.dumps(told) == body
    assert [list(one) for one in told["results"]] == [["values", "statuses", "event_timestamps"]] * len(told["results"])
    for one in told["results"]:
        del one["values"]
    assert told == expected(schemas, answer)


@settings(max_examples=100, deadline=None)
@given(worlds(), st.sampled_from([1, 17]))
def test_answers_say_of_every_value_what_the_store_said(world: World, times: int) -> None:
    """Statuses and times of any rows, few or many, are those of each feature, in the plainest JSON there is."""
    schemas, rows = world
    rows = [held * times for held in rows]
    # Maps and lists hold numbers that JSON may spell in two ways; `test_value_texts.py` is about values.
    check(schemas, read(schemas, rows, [False] * len(schemas)))


def test_times_and_nulls_of_many_rows() -> None:
    """Rows of one time and of many, with and without nulls, below and above what is remembered of small answers."""
    schema = wide("v", PLAIN)
    full = {field.name: value for field, value in zip(schema.fields, VALUES, strict=True)}
    for n, (first, then) in product((1, 2, 16, 17, 40), product(TIMES, TIMES)):
        held: list[Stored | None] = [Stored(schema, full, first), *[Stored(schema, {}, then)] * (n - 1)]
        answer = read([schema], [held], [False])
        check([schema], answer)
        check([schema], read([schema], [held[:1] * n], [False]))
