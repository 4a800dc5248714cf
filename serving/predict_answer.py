"""The JSON of predictions and vectors, with what every row's features were."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from likewise.serving.loaded_release import Answer, LoadedRelease
from likewise.serving.online import STATUS_NAMES
from likewise.serving.value_lists import ValueLists, time_text, time_texts

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
    values = ValueLists([(item.column, item.field) for item in plan.served]).of(rows.columns, rows.n)
    times = {view: time_texts(stored.event_times.tolist()) for view, stored in rows.stored.items()}
    features = {}
    for item, column in zip(plan.served, values, strict=True):
        statuses = [STATUS_NAMES[code] for code in rows.statuses(item.view, item.column).tolist()]
        features[item.column] = {"view": item.view, "values": column, "statuses": statuses}
        if item.view in times:
            features[item.column]["event_timestamps"] = times[item.view]
    sent = [(field.name, field) for field in (*plan.join_keys, *plan.request_fields)]
    request = dict(zip((name for name, _ in sent), ValueLists(sent).of(rows.columns, rows.n), strict=True))
    now = time_text(rows.now_microseconds)
    columns = {output.name: list(output.columns) for output in release.transform.outputs}
    return {"now": now, "request": request, "features": features, "tensors": _tensors(answer), "columns": columns}


def _tensors(answer: Answer) -> Mapping[str, Any]:
    return {name: np.ascontiguousarray(tensor) for name, tensor in answer.tensors.items()}
