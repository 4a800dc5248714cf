"""Small histories to join: instants by the hour, rows by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
from feast import FeatureStore

from tests.stores.feast_repository import ViewOf, apply_views, make_store

DAY = datetime(2013, 3, 1, tzinfo=UTC)


def hour(count: float) -> datetime:
    """Return an instant, in hours after 2013-03-01."""
    return DAY + timedelta(hours=count)


def table(rows: list[tuple[object, ...]], *names: str) -> pa.Table:
    """Return rows under names."""
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows])


def numbers(*rows: tuple[int, datetime, datetime, float]) -> pa.Table:
    """Return rows of (uid, event, created, x)."""
    return table(list(rows), "uid", "event_timestamp", "created", "x")


def entities(*rows: tuple[int, datetime]) -> pd.DataFrame:
    """Return entity rows of (uid, event)."""
    return pd.DataFrame({"uid": [r[0] for r in rows], "event_timestamp": [r[1] for r in rows]})


def history(store: FeatureStore, rows: object, *refs: str, **options: object) -> pa.Table:
    """Return the history of some features as a table."""
    return store.get_historical_features(entity_df=rows, features=list(refs), **options).to_arrow()  # type: ignore[arg-type]


def small_store(folder: Path) -> FeatureStore:
    """Hold two values of uid 1, hours 0 and 2, the second corrected at 5; and one of uid 2. TTL is 3 hours."""
    made = make_store(folder)
    rows = numbers(
        (1, hour(0), hour(0), 10.0),
        (1, hour(2), hour(2), 20.0),
        (1, hour(2), hour(5), 21.0),
        (2, hour(1), hour(4), 30.0),
    )
    apply_views(made, folder, [ViewOf("v", rows, ttl=timedelta(hours=3), created=True)])
    return made
