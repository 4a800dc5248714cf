"""What rows of several shapes take in Redis: in Feast's layout, a hash of protobufs, and packed."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from _online_project import FEASTS, NOW, OURS, Bench
from feast import FeatureView, Field
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Array, Bool, FeastType, Float32, Float64, Int32, Int64, String

ROWS = 3000


@dataclass(frozen=True, slots=True)
class Shape:
    """Rows of `features` values of one type, of which a share is null."""

    name: str
    features: int
    type: FeastType
    value: Callable[[random.Random], Value]
    null_share: float = 0.0

    def row(self, rng: random.Random) -> dict[str, Value]:
        """Return one row's values."""
        return {
            f"f{at:02d}": Value() if rng.random() < self.null_share else self.value(rng) for at in range(self.features)
        }


def _double(rng: random.Random) -> Value:
    return Value(double_val=rng.gauss(0, 1))


def _text(rng: random.Random) -> Value:
    return Value(string_val=f"{rng.randrange(10**12):012d}")


SHAPES = (
    Shape("50 float64", 50, Float64, _double),
    Shape("50 float32", 50, Float32, lambda rng: Value(float_val=rng.gauss(0, 1))),
    Shape("50 int64 up to a million million", 50, Int64, lambda rng: Value(int64_val=rng.randrange(10**12))),
    Shape("50 int64 below 100", 50, Int64, lambda rng: Value(int64_val=rng.randrange(100))),
    Shape("50 int32 below 100", 50, Int32, lambda rng: Value(int32_val=rng.randrange(100))),
    Shape("50 booleans", 50, Bool, lambda rng: Value(bool_val=rng.random() < 0.5)),
    Shape("20 texts of 12 characters", 20, String, _text),
    Shape("1 list of 64 float32", 1, Array(Float32), lambda rng: Value(float_list_val={"val": [rng.random()] * 64})),
    Shape("50 float64, 90 % null", 50, Float64, _double, 0.9),
    Shape("20 texts, 90 % null", 20, String, _text, 0.9),
    Shape("10 float64", 10, Float64, _double),
    Shape("3 float64", 3, Float64, _double),
)


def bytes_a_row(it: Bench, shape: Shape) -> tuple[float, float]:
    """Return bytes of Redis memory a row in Feast's layout and in ours, keys and Redis' own included."""
    rng = random.Random(0)
    rows: list[Any] = [
        (EntityKey(join_keys=["uid"], entity_values=[Value(int64_val=uid)]), shape.row(rng), NOW, None)
        for uid in range(ROWS)
    ]
    base = it.view("shaped", 0)
    fields = [Field(name=f"f{at:02d}", dtype=shape.type) for at in range(shape.features)]
    view = FeatureView(name="shaped", entities=[], schema=fields, source=base.batch_source)
    view.entity_columns = base.entity_columns
    taken = []
    for project, parts in (("theirs", FEASTS), ("ours", OURS)):
        store = it.repository(f"{project}_shaped", parts, [])
        it.raw.flushall()
        before = it.used_memory()
        store._get_provider().online_write_batch(store.config, view, rows, None)  # noqa: SLF001  the way `push` goes
        taken.append((it.used_memory() - before) / ROWS)
    return taken[0], taken[1]
