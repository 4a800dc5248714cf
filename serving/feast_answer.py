"""The answer of `/get-online-features`, field by field as Feast's server writes it."""

from functools import lru_cache
from typing import Any

import orjson

from likewise.serving.online import PRESENT, STATUS_NAMES, FeatureRows, StoredRows
from likewise.serving.plan import FeaturePlan
from likewise.serving.value_lists import EPOCH_TEXT, ValueLists, time_texts

_PRESENT_BYTE = bytes([PRESENT])


class FeastAnswer:
    """Writes the answers of one plan; all that is the same for every request is written once.

    Statuses and times are the same for all features of a view but for nulls, so they too are written once per
    view and request, and copied as bytes.
    """

    def __init__(self, plan: FeaturePlan) -> None:
        keys = [(field.name, field) for field in plan.join_keys]
        self._values = ValueLists([*keys, *((item.column, item.field) for item in plan.served)])
        self._views = [None] * len(keys) + [item.view for item in plan.served]
        names = [name for name, _ in keys] + [item.column for item in plan.served]
        self._metadata = _fragment({"feature_names": names})
        with_views = {"feature_names": names, "feature_view_metadata": _view_metadata(plan)}
        self._metadata_with_views = _fragment(with_views)

    def write(self, rows: FeatureRows, *, with_views: bool) -> bytes:
        """Return the JSON of n rows: column by column, join keys first."""
        computed = _Notes(["PRESENT"] * rows.n, _present(rows.n), _epochs(rows.n))
        by_view: dict[str | None, _Notes] = {view: _notes(stored) for view, stored in rows.stored.items()}
        results = []
        for view, values in zip(self._views, self._values.of(rows.columns, rows.n), strict=True):
            notes = by_view.get(view, computed)
            # A missing join key is a key still: Feast calls it present.
            statuses = notes.with_nulls(values) if view is not None and None in values else notes.statuses_json
            results.append({"values": values, "statuses": statuses, "event_timestamps": notes.times_json})
        metadata = self._metadata_with_views if with_views else self._metadata
        return orjson.dumps({"results": results, "metadata": metadata})


class _Notes:
    """Statuses and times of one view, as JSON."""

    __slots__ = ("_statuses", "statuses_json", "times_json")

    def __init__(self, statuses: list[str], statuses_json: orjson.Fragment, times_json: orjson.Fragment) -> None:
        self._statuses, self.statuses_json, self.times_json = statuses, statuses_json, times_json

    def with_nulls(self, values: list[Any]) -> list[str]:
        return [
            "NULL_VALUE" if value is None and status == "PRESENT" else status
            for value, status in zip(values, self._statuses, strict=True)
        ]


def _notes(stored: StoredRows) -> _Notes:
    codes = stored.statuses.tobytes()
    times = _fragment(time_texts(stored.event_times.tolist()))
    statuses = [STATUS_NAMES[code] for code in codes]
    if codes == _PRESENT_BYTE * len(codes):
        return _Notes(statuses, _present(len(codes)), times)
    return _Notes(statuses, _fragment(statuses), times)


def _fragment(value: Any) -> orjson.Fragment:
    return orjson.Fragment(orjson.dumps(value))


@lru_cache(maxsize=256)
def _present(n: int) -> orjson.Fragment:
    return _fragment(["PRESENT"] * n)


@lru_cache(maxsize=256)
def _epochs(n: int) -> orjson.Fragment:
    return _fragment([EPOCH_TEXT] * n)


def _view_metadata(plan: FeaturePlan) -> list[dict[str, Any]]:
    versions = {view.name: view.version for view in plan.stored}
    listed = []
    for view in dict.fromkeys(item.view for item in plan.served):
        entry: dict[str, Any] = {"name": view.partition("@")[0]}
        if versions.get(view):
            entry["version"] = versions[view]
        listed.append(entry)
    return listed
