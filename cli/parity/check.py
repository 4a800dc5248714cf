"""One instant of parity: the same entity rows through serving and through history."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pyarrow as pa

from likewise.cli.parity.compare import Difference, Expected, differences, differing_bits, largest_distance
from likewise.cli.parity.expectation import expected_rows
from likewise.cli.parity.replay import Replay
from likewise.models import Predictor
from likewise.serving.entity_rows import RowRules, check_rows
from likewise.serving.loaded_release import Answer, LoadedRelease
from likewise.serving.plan import StoredView
from likewise.transforms import FittedTransform
from likewise.transforms.columns import Columns, columns_from_arrow

PRESENT = 1


@dataclass(slots=True)
class ReplayClock:
    """A clock that stands where the replay puts it."""

    instant: datetime

    def now(self) -> datetime:
        """Return the instant that is played."""
        return self.instant


@dataclass(frozen=True, slots=True)
class Case:
    """Entity rows to look at from one instant, and what history says of them.

    Attributes
    ----------
    entities
        n rows of join keys and request data.
    history
        The same n rows with the features as of the instant.
    """

    instant: datetime
    entities: pa.Table
    history: pa.Table


@dataclass(frozen=True, slots=True)
class Reference:
    """The training side: the published transform and model, run in one batch."""

    transform: FittedTransform
    predictor: Predictor | None


@dataclass(frozen=True, slots=True)
class InstantResult:
    """What one instant showed.

    Attributes
    ----------
    rows, values
        Entity rows and feature values compared.
    differences
        Every value that differs, with its reason.
    tensor_elements, differing_elements
        Elements of the tensors, and how many of them differ in any bit.
    prediction_distance
        Largest absolute distance between two predictions of one row.
    """

    instant: datetime
    rows: int
    values: int
    differences: tuple[Difference, ...]
    tensor_elements: int
    differing_elements: int
    prediction_distance: float

    @property
    def unexplained(self) -> tuple[Difference, ...]:
        """Return the differences that no cadence explains."""
        return tuple(found for found in self.differences if found.reason == "unexplained")


def check_instant(case: Case, release: LoadedRelease, replay: Replay, reference: Reference) -> InstantResult:
    """Compare serving, as the online store stands now, with history.

    Parameters
    ----------
    release
        Reads the store that `replay` brought to the instant, by a clock that stands there.
    """
    plan = release.reader.plan
    rows = check_rows(
        plan, case.entities.to_pydict(), RowRules("entities", case.entities.num_rows, ignore_unknown=True)
    )
    answer = release.predict(rows)
    online = {item.column: answer.rows.columns[item.column] for item in plan.served}
    history = columns_from_arrow(case.history, {name: column.type for name, column in online.items()})
    allowed = {view.name: _expected(view, case, replay) for view in plan.stored}
    by_column = {
        item.column: _of_column(allowed[item.view], item.field.name, item.column)
        for item in plan.served
        if item.view in allowed
    }
    found = differences(case.instant, history, online, by_column)
    found += [late for view, expected in allowed.items() for late in _shifted(case.instant, view, expected, answer)]
    tensors = reference.transform.apply(_reference_table(case, history, online, found))
    predicted = None if reference.predictor is None else reference.predictor.predict(tensors)
    return InstantResult(
        instant=case.instant,
        rows=rows.n,
        values=rows.n * len(online),
        differences=tuple(found),
        tensor_elements=sum(tensor.size for tensor in tensors.values()),
        differing_elements=differing_bits(tensors, answer.tensors),
        prediction_distance=largest_distance(predicted, answer.predictions),
    )


def _expected(view: StoredView, case: Case, replay: Replay) -> Expected:
    keys = {binding.in_view: case.entities[binding.in_request] for binding in view.keys}
    run = replay.due(view.stored_name, case.instant)
    rows, entities = replay.rows(view.stored_name), pa.table(keys)
    allowed = expected_rows(rows, entities, run, case.instant, view.ttl)
    known = expected_rows(rows, entities, case.instant, case.instant, view.ttl)
    return replace(allowed, known=known.columns)


def _of_column(allowed: Expected, feature: str, column: str) -> Expected:
    """Return one feature of a view's expectation, under its name in the answer."""
    known = None if allowed.known is None else {column: allowed.known[feature]}
    return Expected({column: allowed.columns[feature]}, allowed.event_times, known)


def _shifted(instant: datetime, view: str, expected: Expected, answer: Answer) -> list[Difference]:
    """Return rows that are present under another event time than their source has."""
    stored = answer.rows.stored[view]
    wrong = (stored.statuses == PRESENT) & (stored.event_times != expected.event_times)
    return [
        Difference(
            instant,
            row,
            f"{view}: event time",
            int(expected.event_times[row]),
            int(stored.event_times[row]),
            "unexplained",
            None,
        )
        for row in np.flatnonzero(wrong).tolist()
    ]


def _reference_table(case: Case, history: Columns, online: Columns, found: list[Difference]) -> pa.Table:
    """Return history, with the columns that are stale online (and otherwise right) as online has them."""
    stale = {one.feature for one in found if one.reason == "stale"}
    wrong = {one.feature for one in found if one.reason == "unexplained"}
    columns: dict[str, pa.Array] = {name: case.entities[name] for name in case.entities.column_names}
    for name, column in history.items():
        columns[name] = (online[name] if name in stale - wrong else column).arrow()
    moment = pa.array([case.instant] * case.entities.num_rows, pa.timestamp("us", "UTC"))
    return pa.table(_with_time(columns, moment))


def _with_time(columns: Mapping[str, pa.Array], moment: pa.Array) -> dict[str, pa.Array]:
    return {**columns, "event_timestamp": moment}
