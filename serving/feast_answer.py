"""The answer of `/get-online-features`, field by field as Feast's server writes it."""

import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import orjson

from likewise.serving.online import NULL_VALUE, PRESENT, STATUS_NAMES, FeatureRows
from likewise.serving.plan import FeaturePlan
from likewise.serving.row_texts import row_texts
from likewise.serving.value_texts import block_texts, column_text, key_text, time_text
from likewise.stores.packed_answer import ReadAnswer
from likewise.stores.packed_blocks import groups_of
from likewise.stores.packed_schema import FieldType

_OPEN = b'{"values":['
# Up to so many rows what stands behind the values of a column is remembered: at 20,000 rows it has a megabyte.
_REMEMBERED_ROWS = 16
_STATUSES = tuple([b'"%b"' % name.encode() for name in STATUS_NAMES])


class FeastAnswer:
    """Writes the answers of one plan; all that is the same for every request is written once.

    An answer is bytes joined: for each column its values, then statuses and times, which are the same for all
    features of a view but for nulls, so they are written once per view and request.
    """

    def __init__(self, plan: FeaturePlan) -> None:
        self._plan = plan
        views = {view.name: at for at, view in enumerate(plan.stored)}
        read = [(view.name, field) for view in plan.stored for field in view.fields]
        # Each served feature among all that are read, view by view; those that are computed come behind them.
        places = {(view, field.name): place for place, (view, field) in enumerate(read)}
        self._computed = [item for item in plan.served if item.view not in views]
        places |= {(item.view, item.field.name): len(read) + at for at, item in enumerate(self._computed)}
        groups = groups_of(FieldType[field.feast_type] for _, field in read)
        self._order = [place for group in groups for place in group.places]  # of what `_texts` returns
        where = {place: at for at, place in enumerate(self._order)}
        served = [places[item.view, item.field.name] for item in plan.served]
        self._served = [where.get(place, place) for place in served]
        # For each column its view; behind all views stands what has no time: join keys and computed features.
        self._views = [len(views)] * len(plan.join_keys) + [views.get(item.view, len(views)) for item in plan.served]
        self._columns_at: dict[int, int] = {at: len(plan.join_keys) + column for column, at in enumerate(self._served)}
        names = [field.name for field in plan.join_keys] + [item.column for item in plan.served]
        self._end = _ending({"feature_names": names})
        self._end_with_views = _ending({"feature_names": names, "feature_view_metadata": _view_metadata(plan)})

    def write(self, rows: FeatureRows, *, with_views: bool) -> bytes:
        """Return the JSON of n rows: column by column, join keys first."""
        keys = [key_text(field, rows.given.keys[field.name]) for field in self._plan.join_keys]
        found, odd = self._texts(rows)
        values = [*keys, *[found[at] for at in self._served]]
        views = _ViewNotes(rows)
        ends = [views.ends[view] for view in self._views]
        for at in odd:
            column = self._columns_at.get(at)
            if column is not None:
                ends[column] = views.with_nulls(self._views[column], values[column])
        end = self._end_with_views if with_views else self._end
        if not values:
            return b'{"results":[' + end
        # Joined once: an answer may have megabytes, and copying them took longer than writing them.
        ends[-1] = ends[-1].removesuffix(b"," + _OPEN) + end
        parts = [b""] * (2 * len(values) + 1)
        parts[0], parts[1::2], parts[2::2] = b'{"results":[' + _OPEN, values, ends
        return b"".join(parts)

    def _texts(self, rows: FeatureRows) -> tuple[list[bytes], list[int]]:
        """Return the values of what is read, in the order of its groups, and of what is computed; and the odd ones."""
        texts: list[bytes] = []
        odd: list[int] = []
        if isinstance(rows.answer, ReadAnswer) and rows.n == 1:
            texts, odd = _single_row(rows.answer)
        elif isinstance(rows.answer, ReadAnswer):
            for block in rows.answer.blocks:
                made = block_texts(block)
                odd += [len(texts) + at for at in made.odd]
                texts += made.texts
        else:
            columns = [
                rows.stored[view.name].columns[field.name] for view in self._plan.stored for field in view.fields
            ]
            fields = [field for view in self._plan.stored for field in view.fields]
            texts = [column_text(fields[place], columns[place]) for place in self._order]
            odd = list(range(len(texts)))
        odd += range(len(texts), len(texts) + len(self._computed))
        texts += [column_text(item.field, rows.columns[item.column]) for item in self._computed]
        return texts, odd


def _single_row(answer: ReadAnswer) -> tuple[list[bytes], list[int]]:
    """Return the texts of one row; they are made together with those of the rows that were read with it."""
    portion = answer.part_of
    whole, row = (answer, 0) if portion is None else (portion.whole, portion.rows.start)
    made = whole.once(row_texts)[row]
    return list(made.texts), list(made.odd)


class _ViewNotes:
    """What stands behind the values of each view's columns: statuses and times.

    Attributes
    ----------
    ends
        View by view; last, what stands behind columns that have no view.
    """

    __slots__ = ("_codes", "_times", "_write", "ends")

    def __init__(self, rows: FeatureRows) -> None:
        n, answer = rows.n, rows.answer
        if isinstance(answer, ReadAnswer):  # all views in one go
            codes, times = answer.statuses.T.tobytes(), answer.event_times.T.tobytes()
        else:
            codes = b"".join([stored.statuses.tobytes() for stored in answer])
            times = b"".join([stored.event_times.tobytes() for stored in answer])
        starts = range(0, n * len(answer), n) if n else [0] * len(answer)
        self._codes = [*[codes[at : at + n] for at in starts], bytes([PRESENT]) * n]
        self._times = [*[times[8 * at : 8 * (at + n)] for at in starts], bytes(8 * n)]
        self._write: Callable[[bytes, bytes], bytes] = _remembered_end
        if n > _REMEMBERED_ROWS:
            self._times, self._write = list(map(_times_text, self._times)), _end
        self.ends = list(map(self._write, self._codes, self._times))

    def with_nulls(self, view: int, values: bytes) -> bytes:
        """Return what stands behind values of which some are null: such a row is not present."""
        codes = bytearray(self._codes[view])
        for at, value in enumerate(orjson.loads(b"[%b]" % values)):
            if value is None and codes[at] == PRESENT:
                codes[at] = NULL_VALUE
        return self._write(bytes(codes), self._times[view])


def _end(codes: bytes, times: bytes) -> bytes:
    """Return the statuses of rows, the bytes of their array, and their times, as texts, as they stand in an answer."""
    return b'],"statuses":%b,"event_timestamps":[%b]},%b' % (_statuses_text(codes), times, _OPEN)


@lru_cache(maxsize=4096)
def _remembered_end(codes: bytes, times: bytes) -> bytes:
    """Return statuses and times of rows from the bytes of their arrays."""
    return _end(codes, _times_text(times))


def _statuses_text(codes: bytes) -> bytes:
    if codes.count(PRESENT) == len(codes):
        return _present(len(codes))
    return b"[%b]" % b",".join([_STATUSES[code] for code in codes])


@lru_cache(maxsize=256)
def _present(n: int) -> bytes:
    return orjson.dumps(["PRESENT"] * n)


def _times_text(times: bytes) -> bytes:
    """Return times, the bytes of an array of int64, between commas."""
    n = len(times) // 8
    if n and times == times[:8] * n:  # rows of one materialization
        text = b'"%b",' % time_text(int.from_bytes(times[:8], sys.byteorder, signed=True)).encode()
        return (text * n)[:-1]
    return orjson.dumps(list(map(time_text, np.frombuffer(times, np.int64).tolist())))[1:-1]


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
