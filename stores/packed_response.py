"""Feast's online response over packed rows: values are turned into Python or protos only when asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from feast.online_response import TIMESTAMP_POSTFIX, OnlineResponse
from feast.protos.feast.serving.ServingService_pb2 import GetOnlineFeaturesResponse
from feast.protos.feast.types.Value_pb2 import Value
from google.protobuf.timestamp_pb2 import Timestamp

from likewise.stores.packed_cells import MICROSECONDS
from likewise.stores.packed_features import Wanted, feature_nulls
from likewise.stores.packed_fetch import NOT_FOUND, NULL_VALUE, OUTSIDE_MAX_AGE, PRESENT, ViewBatch
from likewise.stores.packed_protos import protos_of, python_columns, python_values
from likewise.stores.packed_schema import NO_TIME


@dataclass(frozen=True)
class ViewAnswer:
    """What one view contributes to a response.

    Parameters
    ----------
    names
        The features' names in the response, in the order of `wanted`.
    statuses
        (n,) uint8, Feast's status of each row.
    report_only
        Rows past their TTL keep their values.
    """

    names: tuple[str, ...]
    wanted: tuple[Wanted, ...]
    batch: ViewBatch
    statuses: npt.NDArray[np.uint8]
    report_only: bool
    metadata: tuple[str, int] | None = None

    @cached_property
    def hidden(self) -> list[int]:
        """Return the rows whose values are not given because they are too old."""
        return [] if self.report_only else np.flatnonzero(self.statuses == OUTSIDE_MAX_AGE).tolist()

    def python_columns(self) -> list[list[object]]:
        """Return n Python values of each feature, None where there is none."""
        parts = self.batch.parts
        if len(parts) == 1 and parts[0].places is None and not self.hidden:
            return python_columns(parts[0].decoded, self.wanted)
        return [self._gathered(feature, python_values, None) for feature in self.wanted]

    def proto_column(self, feature: Wanted) -> list[Value]:
        """Return n protos of one feature, empty where there is no value."""
        return self._gathered(feature, protos_of, Value())

    def _gathered(self, feature: Wanted, decode: Any, empty: Any) -> list[Any]:
        parts = self.batch.parts
        if len(parts) == 1 and parts[0].places is None:
            values = decode(parts[0].decoded, feature.name, feature.type)
        else:
            values = [empty] * self.batch.n
            for part in parts:
                found = decode(part.decoded, feature.name, feature.type)
                for place, value in zip(np.asarray(part.places).tolist(), found, strict=True):
                    values[place] = value
        for row in self.hidden:
            values[row] = empty
        return values  # type: ignore[no-any-return]

    def feature_statuses(self) -> npt.NDArray[np.uint8]:
        """Return Feast's status of every value, (n, f) uint8."""
        statuses = np.repeat(self.statuses[:, None], len(self.wanted), axis=1)
        statuses[(statuses == PRESENT) & feature_nulls(self.batch, self.wanted)] = NULL_VALUE
        return statuses

    def seconds(self) -> list[int]:
        """Return the rows' event times in whole seconds, 0 where there is no row."""
        times = self.batch.event_times()
        return np.where(times == NO_TIME, 0, times // MICROSECONDS).tolist()  # type: ignore[no-any-return]

    def timestamps(self) -> list[Timestamp]:
        """Return the rows' event times as protos, 1970 where there is no row (as Feast does)."""
        return [_timestamp(micros) for micros in self.batch.event_times().tolist()]

    def rows(self) -> list[tuple[datetime | None, dict[str, Value] | None]]:
        """Return (event time, feature -> value) of each row; (None, None) where there is none."""
        names = [feature.name for feature in self.wanted]
        columns = zip(*(self.proto_column(feature) for feature in self.wanted), strict=True)
        times = self.batch.event_times().tolist()
        return [
            (None, None) if status == NOT_FOUND else (_datetime(time), dict(zip(names, values, strict=True)))
            for status, time, values in zip(self.statuses.tolist(), times, columns, strict=True)
        ]

    def append_to(self, response: GetOnlineFeaturesResponse) -> None:
        """Add this view's features to a response proto."""
        response.metadata.feature_names.val.extend(self.names)
        if self.metadata and self.metadata[0] not in [view.name for view in response.metadata.feature_view_metadata]:
            response.metadata.feature_view_metadata.add(name=self.metadata[0], version=self.metadata[1])
        statuses = self.feature_statuses()
        timestamps = self.timestamps()
        for at, feature in enumerate(self.wanted):
            response.results.add(
                values=self.proto_column(feature), statuses=statuses[:, at].tolist(), event_timestamps=timestamps
            )


class PackedOnlineResponse(OnlineResponse):
    """A response that answers `to_dict` and its like without making a proto of every value."""

    def __init__(
        self,
        base: GetOnlineFeaturesResponse,
        answers: Sequence[ViewAnswer],
    ) -> None:
        # The base response holds the join keys; Feast's own constructor drops its dummy entity.
        self._base = OnlineResponse(base)
        self._answers = tuple(answers)
        # Feast's hints for values that older stores kept under another type; ours are stored as declared.
        self._feature_types = {}

    # An attribute in Feast, made there whether or not anybody reads it.
    @cached_property
    def proto(self) -> GetOnlineFeaturesResponse:  # type: ignore[override]
        """Return the response as Feast's protobuf message."""
        response = GetOnlineFeaturesResponse()
        response.CopyFrom(self._base.proto)
        for answer in self._answers:
            answer.append_to(response)
        return response

    def to_dict(self, include_event_timestamps: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002  Feast's signature
        """Return name -> n Python values, as Feast does; with event times in seconds on request."""
        found: dict[str, Any] = self._base.to_dict(include_event_timestamps)
        for answer in self._answers:
            seconds = answer.seconds() if include_event_timestamps else []
            for name, column in zip(answer.names, answer.python_columns(), strict=True):
                found[name] = column
                if include_event_timestamps:
                    found[name + TIMESTAMP_POSTFIX] = list(seconds)
        return found


def _timestamp(micros: int) -> Timestamp:
    if micros == NO_TIME:
        return Timestamp()
    seconds, rest = divmod(micros, MICROSECONDS)
    return Timestamp(seconds=seconds, nanos=rest * 1000)


def _datetime(micros: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
