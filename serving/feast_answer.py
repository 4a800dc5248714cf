"""The answer of `/get-online-features`, field by field as Feast's server writes it."""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from likewise.serving.online import NOT_FOUND, OUTSIDE_MAX_AGE, PRESENT, STATUS_NAMES, FeatureRows, StoredRows
from likewise.serving.plan import FeaturePlan
from likewise.serving.value_texts import block_texts, column_text, key_text, time_text
from likewise.stores.packed_answer import ReadAnswer

_OPEN = b'{"values":['
_NULL = b"null"
# Up to so many rows what stands behind the values of a column is remembered: at 20,000 rows it has a megabyte.
_REMEMBERED_ROWS = 16


class FeastAnswer:
    """Writes the answers of one plan; all that is the same for every request is written once.

    An answer is bytes joined: for each column its values, then statuses and times, which are the same for all
    features of a view but for nulls, so they are written once per view and request.
    """

    def __init__(self, plan: FeaturePlan) -> None:
        self._plan = plan
        views = [view.name for view in plan.stored]
        # Where each served feature lies among all that is read (view by view), and its view; None: it is computed.
        places = {
            (view.name, field.name): place
            for place, (view, field) in enumerate((view, field) for view in plan.stored for field in view.fields)
        }
        self._places = [places.get((item.view, item.field.name)) for item in plan.served]
        self._views = [views.index(item.view) if item.view in views else None for item in plan.served]
        self._key_views: list[int | None] = [None] * len(plan.join_keys)
        names = [field.name for field in plan.join_keys] + [item.column for item in plan.served]
        self._end = _ending({"feature_names": names})
        self._end_with_views = _ending({"feature_names": names, "feature_view_metadata": _view_metadata(plan)})

    def write(self, rows: FeatureRows, *, with_views: bool) -> bytes:
        """Return the JSON of n rows: column by column, join keys first."""
        keys = [key_text(field, rows.given.keys[field.name]) for field in self._plan.join_keys]
        values = [*keys, *self._texts(rows)]
        views = [*self._key_views, *self._views]
        notes = [_notes_of(stored, rows.n) for stored in rows.answer]
        nothing = _notes(bytes([PRESENT]) * rows.n, bytes(8 * rows.n))
        ends = [nothing if view is None else notes[view] for view in views]
        silent = self._silent_rows(rows)
        for at in range(len(keys), len(values)):  # a missing join key is a key still: Feast calls it present
            if values[at].count(_NULL) != silent[views[at]]:
                ends[at] = self._end_of_nulls(values[at], rows, views[at])
        parts = [b""] * (2 * len(values))
        parts[::2], parts[1::2] = values, ends
        return b"".join([b'{"results":[', _OPEN if values else b"", *parts]).removesuffix(b"," + _OPEN) + (
            self._end_with_views if with_views else self._end
        )

    def _texts(self, rows: FeatureRows) -> list[bytes]:
        """Return the values of every served feature."""
        if not isinstance(rows.answer, ReadAnswer):  # no store answered
            return [column_text(item.field, rows.columns[item.column]) for item in self._plan.served]
        found: dict[int | None, bytes] = {}
        for group, block in zip(rows.answer.asked.groups, rows.answer.blocks, strict=True):
            found.update(zip(group.places, block_texts(block), strict=True))
        if None not in self._places:
            return [found[place] for place in self._places]
        return [
            column_text(item.field, rows.columns[item.column]) if place is None else found[place]
            for place, item in zip(self._places, self._plan.served, strict=True)
        ]

    def _silent_rows(self, rows: FeatureRows) -> dict[int | None, int]:
        """Return for each view how many rows give no value, whatever the feature, as their status says.

        A column with as many `null` has no other. One with more has nulls in present rows, or texts that say so.
        """
        silent: dict[int | None, int] = {None: 0}
        for at, (view, stored) in enumerate(zip(self._plan.stored, rows.answer, strict=True)):
            codes = stored.statuses.tobytes()
            silent[at] = codes.count(NOT_FOUND) + (0 if view.report_only else codes.count(OUTSIDE_MAX_AGE))
        return silent

    def _end_of_nulls(self, text: bytes, rows: FeatureRows, view: int | None) -> bytes:
        if view is None:
            codes, times = bytes([PRESENT]) * rows.n, np.zeros(rows.n, np.int64)
        else:
            codes, times = rows.answer[view].statuses.tobytes(), rows.answer[view].event_times
        statuses = [
            "NULL_VALUE" if value is None and code == PRESENT else STATUS_NAMES[code]
            for value, code in zip(orjson.loads(b"[%b]" % text), codes, strict=True)
        ]
        return _end_of(orjson.dumps(statuses), _times_text(times))


def _notes_of(stored: StoredRows, n: int) -> bytes:
    """Return what stands behind the values of a view's columns."""
    codes, times = stored.statuses.tobytes(), stored.event_times
    if n <= _REMEMBERED_ROWS:
        return _notes(codes, times.tobytes())
    return _end_of(_statuses_text(codes), _times_text(times))


@lru_cache(maxsize=4096)
def _notes(codes: bytes, times: bytes) -> bytes:
    """Return statuses and times of rows from the bytes of their arrays."""
    return _end_of(_statuses_text(codes), _times_text(np.frombuffer(times, np.int64)))


def _end_of(statuses: bytes, times: bytes) -> bytes:
    return b'],"statuses":%b,"event_timestamps":[%b]},%b' % (statuses, times, _OPEN)


def _statuses_text(codes: bytes) -> bytes:
    if codes.count(PRESENT) == len(codes):
        return _present(len(codes))
    return orjson.dumps([STATUS_NAMES[code] for code in codes])


@lru_cache(maxsize=256)
def _present(n: int) -> bytes:
    return orjson.dumps(["PRESENT"] * n)


def _times_text(times: npt.NDArray[np.int64]) -> bytes:
    if not len(times):
        return b""
    if (times == times[0]).all():  # rows of one materialization
        return b",".join([b'"%b"' % time_text(int(times[0])).encode()] * len(times))
    return ('"' + '","'.join(map(time_text, times.tolist())) + '"').encode()


def _ending(metadata: dict[str, Any]) -> bytes:
    return b'],"metadata":%b}' % orjson.dumps(metadata)


def _view_metadata(plan: FeaturePlan) -> list[dict[str, Any]]:
    versions = {view.name: view.version for view in plan.stored}
    listed = []
    for view in dict.fromkeys(item.view for item in plan.served):
        entry: dict[str, Any] = {"name": view.partition("@")[0]}
        if versions.get(view):
            entry["version"] = versions[view]
        listed.append(entry)
    return listed
