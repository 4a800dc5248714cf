"""Computes a logged answer again, stage by stage, and names the first stage at which it comes out otherwise."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from likewise.serving.entity_rows import EVENT_TIMESTAMP, EntityRows
from likewise.serving.errors import OnDemandViewError, RequestNotLoggedError
from likewise.serving.loaded_release import LoadedRelease
from likewise.serving.logged_rows import INPUT, VALUE, array_of, raw_digest, tensors_digest, unserved_inputs
from likewise.serving.online import NO_TIME, STATUS_NAMES, FeatureRows, HeldRows
from likewise.serving.plan import FeaturePlan, Field, StoredView
from likewise.serving.request_log import log_files
from likewise.transforms.columns import Column, LogicalType, column_from_arrow

Stage = Literal["none", "release", "raw values", "on-demand code", "transform", "model"]
_MOST_TOLD = 5


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came out.

    Attributes
    ----------
    release
        `NAME:VERSION` that answered.
    stage
        The first stage that differs, or `none`: `release` (its manifest or transform is another one), `raw values`
        (the log no longer holds what was answered from), `on-demand code` (other features from the same inputs),
        `transform` (other tensors), `model` (other predictions).
    differs
        What differs there, in words; the first few.
    moved
        Parts of the feature definitions that are no longer as the release pinned them: with another on-demand view
        among them, other features are to be expected.
    requests
        How many logged requests have this id; the latest is replayed.
    logged, computed
        (n,) float32 predictions, then and now; None where there was no model or it did not come so far.
    """

    request_id: str
    release: str
    stage: Stage
    differs: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    requests: int = 1
    logged: np.ndarray[Any, Any] | None = None
    computed: np.ndarray[Any, Any] | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """The latest logged request of an id, and how many there are."""

    name: str
    version: int
    rows: pa.Table
    requests: int


@dataclass(frozen=True, slots=True)
class _Outcome:
    stage: Stage
    differs: tuple[str, ...] = ()
    logged: np.ndarray[Any, Any] | None = None
    computed: np.ndarray[Any, Any] | None = None


def replay(folder: Path, request_id: str, load: Callable[[str, int], LoadedRelease]) -> Replayed:
    """Return a logged request computed again from its raw values.

    Every stage is fed with what the log says of the stage before, so that the first one named is at fault by itself.

    Parameters
    ----------
    folder
        The request log.
    request_id
        As the answer's `X-Request-Id`.
    load
        Returns a release by name and version, with the on-demand code that the Feast registry holds now.

    Raises
    ------
    RequestNotLoggedError
        The log does not hold the request (it may not have been sampled).
    """
    found = _find(folder, request_id)
    release = load(found.name, found.version)
    outcome = _first_difference(release, found.rows)
    return Replayed(
        request_id=request_id,
        release=f"{found.name}:{found.version}",
        stage=outcome.stage,
        differs=outcome.differs,
        moved=release.identity.moved,
        requests=found.requests,
        logged=outcome.logged,
        computed=outcome.computed,
    )


def _first_difference(release: LoadedRelease, rows: pa.Table) -> _Outcome:
    for name, now in (("transform", release.identity.transform), ("release_digest", release.identity.digest)):
        if (then := rows.column(name)[0].as_py()) != now:
            return _Outcome("release", (f"{name.replace('_', ' ')}: logged {then}, loaded {now}",))
    raw = {name: _whole(rows, name) for name in rows.column_names if name.startswith((VALUE, INPUT))}
    if raw_digest(raw) != rows.column("raw_digest")[0].as_py():
        return _Outcome("raw values", ("they are not those whose digest was logged with the answer",))
    if release.reader.runs_code and (differs := _other_features(release, rows)):
        return _Outcome("on-demand code", differs)
    columns = {
        spec.name: column_from_arrow(spec.name, raw[VALUE + spec.name], spec.type) for spec in release.transform.inputs
    }
    tensors = release.transform.apply_columns(columns)
    if tensors_digest(tensors) != rows.column("tensors_digest")[0].as_py():
        return _Outcome("transform", ("the tensors are not those whose digest was logged",))
    if release.predictor is None:
        return _Outcome("none")
    logged = rows.column("prediction").to_numpy(zero_copy_only=False).astype(np.float32)
    computed = np.asarray(release.predictor.predict(tensors), np.float32)
    other = np.flatnonzero((logged != computed) & ~(np.isnan(logged) & np.isnan(computed)))[:_MOST_TOLD]
    differs = tuple(f"prediction of row {row}: logged {logged[row]!s}, computed {computed[row]!s}" for row in other)
    return _Outcome("model" if differs else "none", differs, logged, computed)


def _other_features(release: LoadedRelease, rows: pa.Table) -> tuple[str, ...]:
    """Return which on-demand features come out otherwise from the logged inputs."""
    plan = release.reader.plan
    held = [_held(plan, view, rows) for view in plan.stored]
    now = rows.column("now")[0].cast(pa.int64()).as_py()
    again = FeatureRows(plan, _given(plan, rows), held, release.reader.on_demand, now)
    try:
        columns = again.columns
    except OnDemandViewError as error:
        return (str(error),)
    computed = {view.name for view in plan.computed}
    told: list[str] = []
    for item in plan.served:
        if item.view in computed:
            told += _differences(
                item.column, _whole(rows, VALUE + item.column), array_of(columns[item.column], item.field)
            )
    return tuple(told[:_MOST_TOLD])


def _differences(name: str, logged: pa.Array, computed: pa.Array) -> list[str]:
    if computed.type != logged.type:  # numbers declared to be whole: the one side has others among them
        logged, computed = (side.cast(pa.float64(), safe=False) for side in (logged, computed))
    if logged.equals(computed):
        return []
    pairs = enumerate(zip(logged.to_pylist(), computed.to_pylist(), strict=True))
    return [f"{name} of row {row}: logged {then!r}, computed {now!r}" for row, (then, now) in pairs if then != now]


def _given(plan: FeaturePlan, rows: pa.Table) -> EntityRows:
    keys = {
        field.name: [_key(value) for value in _whole(rows, VALUE + field.name).to_pylist()] for field in plan.join_keys
    }
    sent = [*plan.request_fields, Field(EVENT_TIMESTAMP, LogicalType.TIME, "UNIX_TIMESTAMP")]
    return EntityRows(rows.num_rows, keys, {field.name: _column(rows, VALUE + field.name, field) for field in sent})


def _key(value: Any) -> Any:
    return int(value.timestamp()) if isinstance(value, datetime) else value  # such keys are whole seconds


def _held(plan: FeaturePlan, view: StoredView, rows: pa.Table) -> HeldRows:
    """Return what the store had answered for a view."""
    served = {item.field.name: item.column for item in plan.served if item.view == view.name}
    unserved = {field.name for name, field in unserved_inputs(plan) if name == view.name}
    columns: dict[str, Column] = {}
    for field in view.fields:
        place = f"{INPUT}{view.name}__{field.name}" if field.name in unserved else VALUE + served[field.name]
        columns[field.name] = _column(rows, place, field)
    codes: Mapping[str, int] = {name: code for code, name in enumerate(STATUS_NAMES)}
    statuses = np.array([codes[name] for name in rows.column(f"status__{view.name}").to_pylist()], np.uint8)
    times = pc.fill_null(_whole(rows, f"event_time__{view.name}").cast(pa.int64()), NO_TIME)
    return HeldRows(columns, statuses, times.to_numpy(zero_copy_only=False))


def _column(rows: pa.Table, name: str, field: Field) -> Column:
    return column_from_arrow(field.name, _whole(rows, name), field.type)


def _whole(rows: pa.Table, name: str) -> pa.Array:
    return rows.column(name).combine_chunks()


def _find(folder: Path, request_id: str) -> _Found:
    """Return the latest request of an id; clients may have sent one id several times."""
    found: list[_Found] = []
    unreadable = 0
    for path in log_files(folder):
        try:
            table = pq.read_table(path, filters=pc.field("request_id") == request_id)
        except (OSError, pa.ArrowException):
            unreadable += 1
            continue
        if not table.num_rows:
            continue
        starts = np.flatnonzero(table.column("row").to_numpy() == 0).tolist()
        for start, end in zip(starts, [*starts[1:], table.num_rows], strict=True):
            rows = table.slice(start, end - start)
            found.append(_Found(path.parent.parent.name, int(path.parent.name), rows, 1))
    if not found:
        raise RequestNotLoggedError(request_id, folder, unreadable)
    latest = found[-1]
    return _Found(latest.name, latest.version, latest.rows, len(found))
