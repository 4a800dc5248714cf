"""Applying to many rows: in pieces, on threads, from streams, with the same result and the same error."""

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest

from likewise.transforms import Counters, FittedTransform, Steps, Transform, errors
from likewise.transforms import kinds as K  # noqa: N812
from likewise.transforms.testing import assert_same_bits

ROWS = 100_000


def table() -> pa.Table:
    rng = np.random.default_rng(3)
    return pa.table(
        {
            "x": pa.array(rng.normal(size=ROWS), mask=rng.random(ROWS) < 0.1),
            "s": pa.array([f"t{i}" for i in rng.integers(0, 30_000, ROWS)], mask=rng.random(ROWS) < 0.1),
        }
    )


def fitted(data: pa.Table, *, unseen: str = "oov") -> FittedTransform:
    codes = [Steps(["s"], [K.OrdinalEncoder(unseen=unseen)])]  # type: ignore[arg-type]
    return Transform("t", {"d": [Steps(["x"], [K.QuantileTransformer(20)])], "c": codes}).fit(data)


DATA = table()
FITTED = fitted(DATA.slice(0, 60_000))


def test_containers_and_threads_change_nothing(tmp_path: Path) -> None:
    """Tables whole or in pieces, dictionaries, files, readers and iterables, on 1 to 3 threads, give one result."""
    counted = Counters()
    expected = FITTED.apply(DATA, counted, threads=1)
    pyarrow.parquet.write_table(DATA, tmp_path / "t.parquet", row_group_size=17_000)
    encoded = DATA.set_column(1, "s", DATA.column("s").dictionary_encode())
    batches = DATA.to_batches(max_chunksize=999)
    for threads in (None, 1, 3):
        for data in (
            pa.Table.from_batches(batches),
            encoded,
            pyarrow.dataset.dataset(tmp_path),
            DATA.to_reader(max_chunksize=70_000),
            iter(batches),
            batches,
        ):
            tally = Counters()
            assert_same_bits(FITTED.apply(data, tally, threads=threads), expected, type(data).__name__)
            assert list(tally) == list(counted)
            assert tally.rows == ROWS


def test_no_rows_give_empty_tensors() -> None:
    """An empty table gives tensors of no rows and their shape."""
    tensors = FITTED.apply(DATA.slice(0, 0))
    assert tensors["d"].shape == (0, 1)
    assert tensors["c"].shape == (0,)


def test_the_first_bad_row_is_the_one_named() -> None:
    """Of several refused values the first is named, on however many threads."""
    strict = fitted(DATA, unseen="error")
    texts = DATA.column("s").to_pylist()
    texts[50_000], texts[90_000] = "first", "second"
    bad = DATA.set_column(1, "s", [texts])
    for _ in range(5):
        with pytest.raises(errors.UnseenValueError, match="first"):
            strict.apply(bad, threads=4)


def test_a_stream_is_not_spilled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Applying reads a stream once, so nothing of it is written to disk."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a temporary folder was made")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", refuse)
    FITTED.apply(DATA.to_reader())
