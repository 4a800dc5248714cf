"""What the request log holds of answered requests: one row for each row answered, as columns of a table.

Requests are joined first and made into Arrow once for all of them: one request at a time costs 1 ms of the
interpreter, which requests under way would wait for.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa

from likewise.serving.feast_types import is_integer
from likewise.serving.joined_columns import joined
from likewise.serving.loaded_release import Answer, LoadedRelease
from likewise.serving.online import STATUS_NAMES
from likewise.serving.plan import FeaturePlan, Field
from likewise.serving.whole_numbers import whole_numbers
from likewise.transforms.columns import EXACT_INTEGER, Column, LogicalType

VALUE, INPUT = "value__", "input__"
TIME = pa.timestamp("us", tz="UTC")
_EVENT_TIMES = Field("event_timestamp", LogicalType.TIME, "UNIX_TIMESTAMP")


@dataclass(frozen=True, slots=True)
class Logged:
    """One answered request."""

    request_id: str
    release: LoadedRelease
    answer: Answer


def table_of(requests: Sequence[Logged]) -> pa.Table:
    """Return requests of one release and one shape as rows.

    These are: id, clock, what was read with status and time, digests, predictions.

    Stored features that are not served, only read by on-demand code, are there as `input__VIEW__FEATURE`.
    """
    identity, counts = requests[0].release.identity, [request.answer.rows.n for request in requests]
    raw = _raw_arrays(requests)
    same = {
        "transform": identity.transform,
        "release_digest": identity.digest,
        "definitions_moved": ", ".join(identity.moved),
    }
    total = sum(counts)
    arrays: dict[str, Any] = {
        "request_id": _repeated([request.request_id for request in requests], counts),
        "row": np.concatenate([np.arange(count, dtype=np.int32) for count in counts]),
        "now": _times(np.repeat([request.answer.rows.now_microseconds for request in requests], counts)),
        **{name: pa.repeat(pa.scalar(value, pa.string()), total) for name, value in same.items()},
        "raw_digest": _repeated(_raw_digests(raw, counts), counts),
        "tensors_digest": _repeated([tensors_digest(request.answer.tensors) for request in requests], counts),
        "prediction": _predictions(requests, total),
        **raw,
    }
    names = pa.array(STATUS_NAMES)
    for at, view in enumerate(requests[0].release.reader.plan.stored):
        stored = [request.answer.rows.answer[at] for request in requests]
        codes = np.concatenate([np.asarray(rows.statuses) for rows in stored])
        times = np.concatenate([np.asarray(rows.event_times) for rows in stored])
        arrays[f"status__{view.name}"] = names.take(pa.array(codes.astype(np.int8)))
        arrays[f"event_time__{view.name}"] = pa.array(times, mask=times < 0).cast(TIME)
    return pa.table(arrays)


def shape_of(request: Logged) -> tuple[str, ...]:
    """Return which columns of whole numbers hold others in a request: code of on-demand views may return anything.

    Such a column is one of floats, in which integers beyond 2**53 would be rounded: requests of other shapes go into
    files of their own. So do floats beyond 2**53, beside which integers are no longer told exactly.
    """
    plan, rows = request.release.reader.plan, request.answer.rows
    if not plan.computed:
        return ()
    computed = {view.name for view in plan.computed}
    declared = (item for item in plan.served if item.view in computed and _is_whole(item.field))
    return tuple(item.column for item in declared if _holds_floats(rows.columns[item.column]))


def _holds_floats(column: Column) -> bool:
    if whole_numbers(column) is None:
        return True
    return column.integers is None and bool((np.abs(column.values) > EXACT_INTEGER).any())


def _is_whole(field: Field) -> bool:
    return field.type is LogicalType.NUMBER and is_integer(field.feast_type)


def _raw_arrays(requests: Sequence[Logged]) -> dict[str, pa.Array]:
    """Return every raw value by its column in the log: what was sent, read and computed."""
    plan = requests[0].release.reader.plan
    sent = [(field.name, field) for field in (*plan.join_keys, *plan.request_fields, _EVENT_TIMES)]
    named = [*sent, *((item.column, item.field) for item in plan.served)]
    columns = [request.answer.rows.columns for request in requests]
    arrays = {VALUE + name: array_of(joined([known[name] for known in columns]), field) for name, field in named}
    for view, field in unserved_inputs(plan):
        cells = [request.answer.rows.stored[view].columns[field.name] for request in requests]
        arrays[f"{INPUT}{view}__{field.name}"] = array_of(joined(cells), field)
    return arrays


def unserved_inputs(plan: FeaturePlan) -> list[tuple[str, Field]]:
    """Return (view, feature) of what is read for on-demand code only."""
    served = {(item.view, item.field.name) for item in plan.served}
    return [
        (view.name, field) for view in plan.stored for field in view.fields if (view.name, field.name) not in served
    ]


def _raw_digests(arrays: Mapping[str, pa.Array], counts: Sequence[int]) -> list[str]:
    """Return the digest of each request's raw values: names, and values as Python spells them exactly."""
    lists = [(name, array.to_pylist()) for name, array in sorted(arrays.items())]
    ends = list(accumulate(counts))
    digests = []
    for count, end in zip(counts, ends, strict=True):
        digest = hashlib.sha256()
        for name, values in lists:
            digest.update(f"{name}{values[end - count : end]!r}".encode("utf-8", "surrogatepass"))
        digests.append(f"sha256:{digest.hexdigest()}")
    return digests


def raw_digest(arrays: Mapping[str, pa.Array]) -> str:
    """Return the digest of the raw values of one request, of one row or more."""
    return _raw_digests(arrays, [len(next(iter(arrays.values())))])[0]


def tensors_digest(tensors: Mapping[str, Any]) -> str:
    """Return the digest of tensors: names, shapes and bits."""
    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        digest.update(f"{name}{tensor.dtype}{tensor.shape}".encode())
        digest.update(np.ascontiguousarray(tensor).tobytes())
    return f"sha256:{digest.hexdigest()}"


def _predictions(requests: Sequence[Logged], total: int) -> pa.Array:
    found = [request.answer.predictions for request in requests]
    if any(predictions is None for predictions in found):
        return pa.nulls(total, pa.float32())
    return pa.array(np.concatenate([np.asarray(predictions, np.float32) for predictions in found]))


def _repeated(texts: Sequence[str], counts: Sequence[int]) -> pa.Array:
    return pa.array(texts, pa.string()).take(pa.array(np.repeat(np.arange(len(texts)), counts)))


def _times(microseconds: np.ndarray[Any, Any]) -> pa.Array:
    return pa.array(microseconds).cast(TIME)


def array_of(column: Column, field: Field) -> pa.Array:
    """Return a column in an Arrow type that is the same for every request of one `shape_of`."""
    if column.type is LogicalType.NUMBER:
        whole = whole_numbers(column) if is_integer(field.feast_type) else None
        return pa.array(column.values if whole is None else whole, mask=column.is_missing())
    array = column.arrow()
    kind = column.type.to_arrow()
    return array if array.type == kind else array.cast(kind)
