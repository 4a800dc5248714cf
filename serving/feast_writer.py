"""Writes through Feast: push sources and feature views, checked first so that a bad table is the caller's error."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from feast import FeatureStore
from feast.data_source import PushMode, PushSource
from feast.errors import FeastError, FeastObjectNotFoundException, PushSourceNotFoundException
from feast.feature_view import DUMMY_ENTITY_ID
from feast.types import UnixTimestamp

from likewise.serving.errors import MissingKeyError, NotFoundError, WrongShapeError

_MODES = {
    "online": PushMode.ONLINE,
    "offline": PushMode.OFFLINE,
    "online_and_offline": PushMode.ONLINE_AND_OFFLINE,
}


class FeastWriter:
    """A `FeatureWriter` over a Feast store."""

    def __init__(self, store: FeatureStore) -> None:
        self._store = store

    def push(self, source: str, table: Mapping[str, Sequence[Any]], to: str) -> None:
        """Write rows of a push source.

        Raises
        ------
        NotFoundError
            No feature view has this push source.
        MissingKeyError, WrongShapeError
            The table lacks a column, or holds values that the views do not take.
        """
        views = [view for view in self._views() if _push_source_of(view) == source]
        if not views:
            known = {name for view in self._views() if (name := _push_source_of(view)) is not None}
            raise NotFoundError("push source", source, known, "declare it on a feature view and run `feast apply`")
        frames = [_frame(view, table) for view in views]
        try:
            self._store.push(source, frames[0], to=_MODES[to])
        except PushSourceNotFoundException as error:
            raise NotFoundError("push source", source, ()) from error
        except _REFUSALS as error:
            raise _refused(error) from error

    def write(self, view: str, table: Mapping[str, Sequence[Any]]) -> None:
        """Write rows of a feature view to the online store."""
        try:
            found = self._store.registry.get_any_feature_view(view, self._store.project, allow_cache=True)
        except FeastObjectNotFoundException as error:
            known = [known.name for known in self._views()]
            raise NotFoundError("feature view", view, known, "run `feast apply` if it is new") from error
        try:
            self._store.write_to_online_store(view, _frame(found, table))
        except _REFUSALS as error:
            raise _refused(error) from error

    def _views(self) -> list[Any]:
        return [
            *self._store.list_feature_views(allow_cache=True),
            *self._store.list_stream_feature_views(allow_cache=True),
        ]


# What Feast and Arrow raise for values that do not fit; none of them is a fault of the server. Feast asserts types.
_REFUSALS = (
    *(TypeError, ValueError, KeyError, AttributeError, AssertionError, ArithmeticError),
    *(pa.ArrowException, FeastError),
)


def _refused(error: Exception) -> WrongShapeError:
    return WrongShapeError("'df'", "values of the declared types", f"{type(error).__name__}: {str(error)[:200]}")


def _push_source_of(view: Any) -> str | None:
    source = getattr(view, "stream_source", None)
    return source.name if isinstance(source, PushSource) else None


def _frame(view: Any, table: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """Return the rows as a frame with times parsed; every column that the view reads must be there."""
    source = getattr(view, "batch_source", None)
    times = [name for name in _time_columns(source) if name]
    mapped = {new: old for old, new in getattr(source, "field_mapping", {}).items()}
    keys = [column.name for column in view.entity_columns if column.name != DUMMY_ENTITY_ID]
    wanted = [*keys, *(field.name for field in view.features), *times]
    missing = [name for name in wanted if name not in table and mapped.get(name) not in table]
    if missing:
        raise MissingKeyError(missing, "df", table)
    frame = pd.DataFrame(dict(table))
    for name in times:
        column = name if name in frame else mapped[name]
        frame[column] = _times(frame[column], column)
        if frame[column].isna().any():
            raise WrongShapeError(f"{column!r} in 'df'", "a time in every row", "a null")
    for field in view.features:
        # JSON has no times: text is one, a number is seconds, as Feast reads it.
        if field.dtype == UnixTimestamp and field.name in frame and frame[field.name].dtype == object:
            frame[field.name] = _times(frame[field.name], field.name)
    return frame


def _times(column: "pd.Series[Any]", name: str) -> "pd.Series[Any]":
    try:
        with np.errstate(all="raise"):  # a number beyond all dates: numpy would warn and give another date
            return pd.to_datetime(column, utc=True, format="ISO8601").astype("datetime64[us, UTC]")
    except (ValueError, TypeError, ArithmeticError) as error:
        raise WrongShapeError(f"{name!r} in 'df'", "ISO 8601 times", str(error)[:120]) from error


def _time_columns(source: Any) -> tuple[str | None, ...]:
    return (getattr(source, "timestamp_field", None), getattr(source, "created_timestamp_column", None))
