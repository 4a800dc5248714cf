"""A small project: entity rows, a history without Feast, and a recipe over them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from likewise.models import WideAndDeep
from likewise.training import Recipe, TimeSplit
from likewise.training.history_file import EVENT_TIME, ROW, History, write_history
from likewise.transforms import Steps, Transform
from likewise.transforms import kinds as K  # noqa: N812

START = datetime(2013, 1, 1, tzinfo=UTC)


def small_recipe(**changes: Any) -> Recipe:
    """Return a recipe whose label depends on `delay` and `carrier`."""
    transform = Transform(
        name="late",
        feature_service="late_v1",
        outputs={
            "numbers": [Steps(["delay", "distance"], [K.SimpleImputer("median"), K.StandardScaler()])],
            "carrier": [Steps(["carrier"], [K.OrdinalEncoder(unseen="oov", missing="category")])],
        },
    )
    declared: dict[str, Any] = {
        "name": "late",
        "entities": "labels.parquet",
        "label": "late",
        "label_known_at": "known_at",
        "split": TimeSplit("2013-01-20", "2013-01-25", "2013-01-30"),
        "transform": transform,
        "model": WideAndDeep(hidden=(8,), epochs=3, batch_size=256),
        "slices": ("carrier",),
    }
    return Recipe(**(declared | changes))


def small_rows(rows: int = 3000, seed: int = 1) -> pa.Table:
    """Return entity rows and features over January 2013, in time order; labels are known 3 hours later."""
    random = np.random.default_rng(seed)
    times = [START + timedelta(minutes=float(minute)) for minute in np.sort(random.uniform(0, 30 * 24 * 60, rows))]
    delay, carrier = random.normal(10, 20, rows), random.integers(0, 4, rows)
    chance = 1 / (1 + np.exp(-(0.06 * (delay - 10) + 0.8 * (carrier - 2))))
    delay[random.random(rows) < 0.05] = np.nan
    return pa.table(
        {
            "carrier": pa.array([f"C{code}" for code in carrier]),
            "late": pa.array((random.random(rows) < chance).astype(np.int64)),
            "known_at": pa.array([time + timedelta(hours=3) for time in times], pa.timestamp("us", "UTC")),
            EVENT_TIME: pa.array(times, pa.timestamp("us", "UTC")),
            "delay": pa.array(delay),
            "distance": pa.array(random.uniform(100, 2500, rows)),
        }
    )


def small_history(folder: Path, rows: pa.Table | None = None) -> History:
    """Return a history of these rows, as retrieval would have written it."""
    rows = small_rows() if rows is None else rows
    table = rows.add_column(0, ROW, pa.array(np.arange(len(rows))))
    path = folder / "history.parquet"
    return History(
        path, write_history(table, path), len(rows), "late_v1", ("delay", "distance"), ("late", "known_at"), "sha256:0"
    )
