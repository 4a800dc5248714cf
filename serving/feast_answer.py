"""The answer of `/get-online-features`, field by field as Feast's server writes it."""

from collections.abc import Mapping
from itertools import repeat
from typing import Any

import orjson

from likewise.serving.online import STATUS_NAMES, FeatureRows, StoredRows
from likewise.serving.plan import FeaturePlan
from likewise.serving.value_lists import EPOCH_TEXT, time_texts, value_lists


def feast_answer(plan: FeaturePlan, rows: FeatureRows, *, with_views: bool) -> bytes:
    """Return the JSON of n rows: column by column, join keys first.

    Statuses and times are the same for all features of a view but for nulls, so they are written once per
    view and copied as bytes.
    """
    n = rows.n
    keys = value_lists([rows.columns[field.name] for field in plan.join_keys], [f.feast_type for f in plan.join_keys])
    values = value_lists(
        [rows.columns[item.column] for item in plan.served], [item.field.feast_type for item in plan.served]
    )
    computed = _Fragments(["PRESENT"] * n, [EPOCH_TEXT] * n)
    by_view = {view: _view_fragments(stored) for view, stored in rows.stored.items()}
    results = [computed.result(column, absent=False) for column in keys]
    for item, column in zip(plan.served, values, strict=True):
        results.append(by_view.get(item.view, computed).result(column, absent=None in column))
    names = [field.name for field in plan.join_keys] + [item.column for item in plan.served]
    metadata: dict[str, Any] = {"feature_names": names}
    if with_views:
        metadata["feature_view_metadata"] = _view_metadata(plan)
    return orjson.dumps({"results": results, "metadata": metadata})


class _Fragments:
    """Statuses and times of one view as JSON bytes, for features without nulls; those with nulls get their own."""

    __slots__ = ("_statuses", "_statuses_json", "_times_json")

    def __init__(self, statuses: list[str], times: list[str]) -> None:
        self._statuses = statuses
        self._statuses_json = orjson.Fragment(orjson.dumps(statuses))
        self._times_json = orjson.Fragment(orjson.dumps(times))

    def result(self, values: list[Any], *, absent: bool) -> dict[str, Any]:
        statuses: Any = self._statuses_json
        if absent:
            statuses = [
                "NULL_VALUE" if value is None and status == "PRESENT" else status
                for value, status in zip(values, self._statuses, strict=True)
            ]
        return {"values": values, "statuses": statuses, "event_timestamps": self._times_json}


def _view_fragments(stored: StoredRows) -> _Fragments:
    statuses = [STATUS_NAMES[status] for status in stored.statuses.tolist()]
    return _Fragments(statuses, time_texts(stored.event_times.tolist()))


def _view_metadata(plan: FeaturePlan) -> list[dict[str, Any]]:
    versions: Mapping[str, int] = {view.name: view.version for view in plan.stored}
    views = dict(zip((item.view for item in plan.served), repeat(None), strict=False))
    listed = []
    for view in views:
        entry: dict[str, Any] = {"name": view.partition("@")[0]}
        if versions.get(view):
            entry["version"] = versions[view]
        listed.append(entry)
    return listed
