"""The JSON of predictions and vectors, with what every row's features were."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from likewise.serving.loaded_release import Answer, LoadedRelease
from likewise.serving.online import STATUS_NAMES
from likewise.serving.plan import Field
from likewise.serving.value_texts import column_text, time_text, time_texts
from likewise.transforms.columns import Column

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY


def predict_answer(release: LoadedRelease, answer: Answer, *, explain: bool) -> bytes:
    """Return the answer of `/v1/predict/{release}`; `explain` adds raw and transformed values."""
    document: dict[str, Any] = {
        "release": release.identity.reference,
        "transform": release.identity.transform,
        "predictions": answer.predictions,
        **release.notes.of(answer.rows),
    }
    if explain:
        document["inputs"] = _inputs(release, answer)
    return orjson.dumps(document, option=_OPTIONS)


def vectors_answer(release: LoadedRelease, answer: Answer) -> bytes:
    """Return the answer of `/v1/vectors/{release}`: the model's inputs, output by output."""
    document = {
        "release": release.identity.reference,
        "transform": release.identity.transform,
        "outputs": _tensors(answer),
        **release.notes.of(answer.rows),
    }
    return orjson.dumps(document, option=_OPTIONS)


def _inputs(release: LoadedRelease, answer: Answer) -> dict[str, Any]:
    """Return every raw value with its status and event time, and every transformed value with its name."""
    plan, rows = release.reader.plan, answer.rows
    times = {view: time_texts(stored.event_times.tolist()) for view, stored in rows.stored.items()}
    features: dict[str, dict[str, Any]] = {}
    for item in plan.served:
        statuses = [STATUS_NAMES[code] for code in rows.statuses(item.view, item.column).tolist()]
        values = _values(item.field, rows.columns[item.column])
        features[item.column] = {"view": item.view, "values": values, "statuses": statuses}
        if item.view in times:
            features[item.column]["event_timestamps"] = times[item.view]
    sent = (*plan.join_keys, *plan.request_fields)
    request = {field.name: _values(field, rows.columns[field.name]) for field in sent}
    now = time_text(rows.now_microseconds)
    columns = {output.name: list(output.columns) for output in release.transform.outputs}
    return {"now": now, "request": request, "features": features, "tensors": _tensors(answer), "columns": columns}


def _values(field: Field, column: Column) -> orjson.Fragment:
    return orjson.Fragment(b"[%b]" % column_text(field, column))


def _tensors(answer: Answer) -> Mapping[str, Any]:
    return {name: np.ascontiguousarray(tensor) for name, tensor in answer.tensors.items()}
