"""The digest is that of the rows: whatever their order, their batches, their container, the processes and the CPU."""

import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from likewise.transforms import FittedTransform, number_fitter
from likewise.transforms.fitting import TransformFitter
from tests.transforms.every_statistic import fed, table, transform

ROWS = 20_000


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    return table(ROWS)


@pytest.fixture(scope="module")
def digest(rows: pa.Table) -> str:
    return transform().fit(rows).digest


def shuffled(rows: pa.Table) -> pa.Table:
    return rows.take(np.random.default_rng(1).permutation(len(rows)))


def in_passes(fitter: TransformFitter, rows: pa.Table, size: int) -> FittedTransform:
    fed(fitter, rows, size)
    while fitter.end_pass():
        fed(fitter, rows, size)
    return transform().finish(fitter)


@pytest.mark.slow
@pytest.mark.parametrize("size", [7, 1_000, ROWS])
def test_shuffled_rows_in_batches(rows: pa.Table, digest: str, size: int) -> None:
    """Shuffled rows in batches of 7, 1,000 and all give one digest."""
    assert transform().fit(iter(shuffled(rows).to_batches(max_chunksize=size))).digest == digest


@pytest.mark.slow
def test_containers(rows: pa.Table, digest: str) -> None:
    """A pandas frame gives the digest of the Arrow table."""
    frame = rows.to_pandas()
    assert transform().fit(frame.sample(frac=1.0, random_state=2)).digest == digest


@pytest.mark.parametrize("size", [1, 7, 100])
def test_fitters_fed_few_rows(rows: pa.Table, size: int) -> None:
    """300 shuffled rows fed one by one, long integers alone in their batch among them, give the digest of the whole."""
    few = rows.slice(0, 300)
    fitter = transform().fitter(transform().inputs(few.schema))
    assert in_passes(fitter, shuffled(few), size).digest == transform().fit(few).digest


@pytest.mark.prove
@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_fitters_fed_small_batches(rows: pa.Table, digest: str, size: int) -> None:
    """20,000 shuffled rows, fed one by one (or 7, or 1,000) with no joining before, give one digest."""
    fitter = transform().fitter(transform().inputs(rows.schema))
    assert in_passes(fitter, shuffled(rows), size).digest == digest


@pytest.mark.prove
def test_fitters_fed_one_by_one_in_bounded_memory(rows: pa.Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for 100 values a column, 500 rows fed one by one take more passes and give one digest."""
    few = rows.slice(0, 500)
    digest = transform().fit(few).digest
    monkeypatch.setattr(number_fitter, "KEPT_VALUES", 100)
    fitter = transform().fitter(transform().inputs(few.schema))
    fitted = in_passes(fitter, shuffled(few), 1)
    assert fitted.digest == digest
    assert fitted.provenance["passes"] > 2


def filled_part(given: bytes, path: str, kept_values: int, bounds: tuple[int, int]) -> bytes:
    """Fill a part with rows of a file: what a worker process does in one pass."""
    number_fitter.KEPT_VALUES = kept_values
    start, count = bounds
    part = fed(pickle.loads(given), pyarrow.parquet.read_table(path).slice(start, count), 513)
    return pickle.dumps((os.getpid(), part))


@pytest.mark.slow
@pytest.mark.parametrize("kept_values", [1 << 20, 300], ids=["one-pass", "several-passes"])
def test_two_processes_merge(
    rows: pa.Table, digest: str, kept_values: int, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each pass is filled by two processes, told apart by their ids, and merged here: one digest."""
    monkeypatch.setattr(number_fitter, "KEPT_VALUES", kept_values)
    path, cut = f"{tmp_path}/rows.parquet", ROWS // 3
    pyarrow.parquet.write_table(shuffled(rows), path)
    fitter = transform().fitter(transform().inputs(rows.schema))
    again, passes = True, 0
    spawn = get_context("spawn")
    with ProcessPoolExecutor(1, spawn) as one, ProcessPoolExecutor(1, spawn) as other:
        while again:
            work = partial(filled_part, pickle.dumps(fitter.part()), path, kept_values)
            tasks = [one.submit(work, (0, cut)), other.submit(work, (cut, ROWS - cut))]
            filled = [pickle.loads(task.result()) for task in tasks]
            assert len({process for process, _ in filled} - {os.getpid()}) == 2
            for _, part in filled:
                fitter.merge(part)
            again, passes = fitter.end_pass(), passes + 1
    assert transform().finish(fitter).digest == digest
    assert (passes > 2) == (kept_values == 300)


PROGRAM = """
import numpy as np
assert not any(np._core._multiarray_umath.__cpu_features__[name] for name in {features}), "still switched on"
from tests.transforms.every_statistic import table, transform
print(transform().fit(table({rows})).digest)
"""


def features_in_use() -> list[str]:
    """Return the CPU features this numpy chooses routines by."""
    umath = np._core._multiarray_umath
    return [feature for feature in umath.__cpu_dispatch__ if umath.__cpu_features__[feature]]


def digest_without(features: list[str], rows: int) -> str:
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(features)}
    program = [sys.executable, "-W", "ignore", "-c", PROGRAM.format(rows=rows, features=features)]
    return subprocess.run(program, env=environment, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.slow
@pytest.mark.parametrize("level", ["without AVX-512", "without AVX2, FMA and all else"])
def test_cpu_features(digest: str, level: str) -> None:
    """The digest is the same with the CPU's AVX-512 paths off, and with every dispatched path off."""
    used = features_in_use()
    off = [f for f in used if "AVX512" in f or f == "X86_V4"] if "512" in level else used
    assert digest_without(off, ROWS) == digest


@pytest.mark.prove
def test_a_million_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000,000 rows shuffled in batches of 7 and 1,000, and counted in bounded memory, give one digest."""
    whole = table(1_000_000)
    expected = transform().fit(whole).digest
    mixed = shuffled(whole)
    assert transform().fit(iter(mixed.to_batches(max_chunksize=1_000))).digest == expected
    assert transform().fit(iter(mixed.to_batches(max_chunksize=7))).digest == expected
    monkeypatch.setattr(number_fitter, "KEPT_VALUES", 1 << 16)
    counted = transform().fit(mixed)
    assert counted.digest == expected
    assert counted.provenance["passes"] > 2
