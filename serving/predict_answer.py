"""The JSON of predictions and vectors, with what every row's features were."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from likewise.serving.loaded_release import Answer, LoadedRelease
from likewise.serving.online import PRESENT, STATUS_NAMES, FeatureRows, StoredRows
from likewise.serving.plan import FeaturePlan
from likewise.serving.value_lists import time_texts, value_lists

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY
_PRESENT_BYTE = bytes([PRESENT])


def predict_answer(release: LoadedRelease, answer: Answer, *, explain: bool) -> bytes:
    """Return the answer of `/v1/predict/{release}`.

    `statuses` gives each stored view's status per row; `nulls` lists the rows in which a value is null
    although its row is present. Together they are the status of every value, in few bytes.
    """
    document: dict[str, Any] = {
        "release": release.identity.reference,
        "transform": release.identity.transform,
        "predictions": answer.predictions,
        **row_notes(release.reader.plan, answer.rows),
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
        **row_notes(release.reader.plan, answer.rows),
    }
    return orjson.dumps(document, option=_OPTIONS)


def row_notes(plan: FeaturePlan, rows: FeatureRows) -> dict[str, Any]:
    """Return `statuses` by view and `nulls` by feature."""
    return {
        "statuses": {view: _status_names(stored) for view, stored in rows.stored.items()},
        "nulls": _null_rows(plan, rows),
    }


def _status_names(stored: StoredRows) -> list[str]:
    codes = stored.statuses.tobytes()
    if codes == _PRESENT_BYTE * len(codes):
        return ["PRESENT"] * len(codes)
    return [STATUS_NAMES[code] for code in codes]


def _null_rows(plan: FeaturePlan, rows: FeatureRows) -> dict[str, list[int]]:
    """Return feature -> rows in which it is null and its row present (or computed); empty for most requests."""
    numeric = [item for item in plan.served if item.field.type.is_numeric]
    others = [item for item in plan.served if not item.field.type.is_numeric]
    missing: dict[str, np.ndarray[Any, Any]] = {}
    if numeric:
        mask = np.isnan(np.array([rows.columns[item.column].values for item in numeric]))
        for at in np.flatnonzero(mask.any(axis=1)).tolist():
            missing[numeric[at].column] = mask[at]
    for item in others:
        mask = rows.columns[item.column].is_missing()
        if mask.any():
            missing[item.column] = mask
    if not missing:
        return {}
    views = {item.column: item.view for item in plan.served if item.column in missing}
    found = {name: _among_present(mask, rows.stored.get(views[name])) for name, mask in missing.items()}
    return {name: places for name, places in found.items() if places}


def _among_present(mask: np.ndarray[Any, Any], stored: StoredRows | None) -> list[int]:
    chosen = mask if stored is None else mask & (stored.statuses == PRESENT)
    places: list[int] = np.flatnonzero(chosen).tolist()
    return places


def _inputs(release: LoadedRelease, answer: Answer) -> dict[str, Any]:
    """Return every raw value with its status and event time, and every transformed value with its name."""
    plan, rows = release.reader.plan, answer.rows
    values = value_lists(
        [rows.columns[item.column] for item in plan.served], [item.field.feast_type for item in plan.served]
    )
    times = {view: time_texts(stored.event_times.tolist()) for view, stored in rows.stored.items()}
    features = {}
    for item, column in zip(plan.served, values, strict=True):
        statuses = [STATUS_NAMES[code] for code in rows.statuses(item.view, item.column).tolist()]
        features[item.column] = {"view": item.view, "values": column, "statuses": statuses}
        if item.view in times:
            features[item.column]["event_timestamps"] = times[item.view]
    sent = (*plan.join_keys, *plan.request_fields)
    request = dict(
        zip(
            [field.name for field in sent],
            value_lists([rows.columns[field.name] for field in sent], [field.feast_type for field in sent]),
            strict=True,
        )
    )
    now = time_texts([rows.now_microseconds])[0]
    columns = {output.name: list(output.columns) for output in release.transform.outputs}
    return {"now": now, "request": request, "features": features, "tensors": _tensors(answer), "columns": columns}


def _tensors(answer: Answer) -> Mapping[str, Any]:
    return {name: np.ascontiguousarray(tensor) for name, tensor in answer.tensors.items()}
