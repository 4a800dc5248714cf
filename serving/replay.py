"""Computes a logged answer again, and names the first stage at which it comes out otherwise."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from likewise.serving.errors import NotFoundError
from likewise.serving.loaded_release import LoadedRelease
from likewise.serving.request_log import tensors_digest
from likewise.transforms.columns import column_from_arrow

Stage = Literal["none", "release", "transform", "model"]
PREFIX = "value__"


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came out.

    Attributes
    ----------
    release
        `NAME:VERSION` that answered.
    stage
        The first stage that differs: `release` (its transform is another one), `transform` (other tensors),
        `model` (other predictions), or `none`.
    logged, computed
        (n,) float32 predictions, then and now; None where there was no model.
    """

    request_id: str
    release: str
    stage: Stage
    logged: np.ndarray[Any, Any] | None
    computed: np.ndarray[Any, Any] | None


def replay(folder: Path, request_id: str, load: Callable[[str, int], LoadedRelease]) -> Replayed:
    """Return a logged request computed again from its raw values.

    Parameters
    ----------
    folder
        The request log.
    request_id
        As the answer's `X-Request-Id`.
    load
        Returns a release by name and version.

    Raises
    ------
    NotFoundError
        The log does not hold the request (it may not have been sampled).
    """
    name, version, rows = _find(folder, request_id)
    release = load(name, version)
    reference = f"{name}:{version}"
    logged = rows.column("prediction").to_numpy(zero_copy_only=False).astype(np.float32)
    if rows.column("transform")[0].as_py() != release.identity.transform:
        return Replayed(request_id, reference, "release", logged, None)
    columns = {
        spec.name: column_from_arrow(spec.name, rows.column(PREFIX + spec.name), spec.type)
        for spec in release.transform.inputs
    }
    tensors = release.transform.apply_columns(columns)
    if tensors_digest(tensors) != rows.column("tensors_digest")[0].as_py():
        return Replayed(request_id, reference, "transform", logged, None)
    if release.predictor is None:
        return Replayed(request_id, reference, "none", None, None)
    computed = np.asarray(release.predictor.predict(tensors), np.float32)
    stage: Stage = "none" if np.array_equal(logged, computed, equal_nan=True) else "model"
    return Replayed(request_id, reference, stage, logged, computed)


def _find(folder: Path, request_id: str) -> tuple[str, int, pa.Table]:
    for path in _files(folder):
        table = pq.read_table(path, filters=pc.field("request_id") == request_id)
        if table.num_rows:
            return path.parent.parent.name, int(path.parent.name), table.sort_by("row")
    raise NotFoundError("logged request", request_id, (), "it may not have been sampled; see `request_log_share`")


def _files(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.glob("*/*/*.parquet") if not path.name.startswith("."))
