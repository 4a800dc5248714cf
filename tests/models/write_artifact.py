"""Writes a small model artifact of the current format, once: `python -m tests.models.write_artifact FOLDER`.

The folder `artifact_format_1` was written so on 2026-11-21 and stays as it is: today's code must load it for ever.
"""

import json
import sys
from pathlib import Path

import numpy as np

from likewise.models import TensorSpec, WideAndDeep
from likewise.models.packaging import ModelRecord, package_model

SPECS = (
    TensorSpec("numbers", "float32", 5),
    TensorSpec("carrier", "int32", None, 7),
    TensorSpec("route", "int32", None, 40),
)


def random_tensors(rows: int, seed: int = 1) -> dict[str, np.ndarray]:
    """Return `rows` rows of the inputs in `SPECS`."""
    random = np.random.default_rng(seed)
    tensors = {"numbers": random.normal(size=(rows, 5)).astype(np.float32)}
    codes = {spec.name: spec.cardinality for spec in SPECS[1:]}
    return tensors | {name: random.integers(0, count, rows).astype(np.int32) for name, count in codes.items()}


def write(folder: Path) -> None:
    """Write the artifact's files and its metadata; refuses to overwrite."""
    folder.mkdir(parents=True, exist_ok=False)
    family = WideAndDeep(hidden=(8, 4), embedding=3, seed=7)
    model = family.build(SPECS)
    # Untrained wide tables are zero; random ones make every input count.
    random = np.random.default_rng(7)
    model.set_weights([random.normal(scale=0.4, size=weight.shape) for weight in model.get_weights()])
    record = ModelRecord("late", dict(family.settings()))
    artifact = package_model(model, SPECS, random_tensors(400), record)
    for name, content in artifact.files.items():
        (folder / name).write_bytes(content)
    (folder / "metadata.json").write_text(json.dumps(artifact.metadata, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
