"""What a fit holds in memory: of streamed rows no more than a budget, whatever their number."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest

from likewise.transforms import Steps, Transform, fitting
from likewise.transforms import kinds as K  # noqa: N812
from likewise.transforms.order_statistics import OrderStatistics

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "transforms_memory.py"
TRANSFORM = Transform(
    "t",
    {
        "d": [Steps(["x"], [K.SimpleImputer("mean"), K.QuantileTransformer(100)]), Steps(["y"], [K.StandardScaler()])],
        "c": [Steps(["s"], [K.OrdinalEncoder()])],
    },
)


def table(rows: int) -> pa.Table:
    rng = np.random.default_rng(5)
    numbers = pa.array(rng.lognormal(size=rows), mask=rng.random(rows) < 0.3)
    return pa.table({"x": numbers, "y": rng.normal(size=rows), "s": rng.choice(["a", "b", None], rows).tolist()})


def test_rows_from_a_file_take_more_passes_and_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table is fitted in one pass; its file, beyond the budget for streamed rows, in more, to the same digest."""
    data = table(50_000)
    pyarrow.parquet.write_table(data, tmp_path / "t.parquet", row_group_size=20_000)
    whole = TRANSFORM.fit(data)
    monkeypatch.setattr(fitting, "_STREAMED_ROOM", 2 * 10_000)
    read: list[tuple[str, ...]] = []
    iter_batches = pyarrow.parquet.ParquetFile.iter_batches
    monkeypatch.setattr(
        pyarrow.parquet.ParquetFile,
        "iter_batches",
        lambda self, *args, columns, **rest: (
            read.append(tuple(columns)) or iter_batches(self, *args, columns=columns, **rest)
        ),
    )
    streamed = TRANSFORM.fit(pyarrow.dataset.dataset(tmp_path))
    assert streamed.digest == whole.digest == TRANSFORM.fit(data.to_reader()).digest
    assert (whole.provenance["passes"], streamed.provenance["passes"]) == (1, 3)
    assert read == [("x", "y", "s"), ("x",), ("x",)]


def test_what_an_imputer_fills_in_costs_no_pass() -> None:
    """A constant that stands for more rows than may be kept leads to no further refinement around it."""
    values = np.random.default_rng(0).normal(size=20_000)
    order = OrderStatistics(lambda n: np.array([n // 2]), 1000)
    order.expect(40_000, 1000)
    order.update(values)
    order.add_constant(0.0, 20_000)
    passes = 1
    while order.end_pass():
        order.update(values)
        passes += 1
    assert order.result().tolist() == [0.0]
    assert passes == 2


@pytest.mark.prove
@pytest.mark.parametrize("rows", [1_000_000, 10_000_000])
def test_memory_grows_by_no_more_than_the_bar(rows: int) -> None:
    """Fitting 30 columns from Parquet grows resident memory by at most 256 MB beyond the fitted state."""
    done = subprocess.run([sys.executable, SCRIPT, "--rows", str(rows)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
