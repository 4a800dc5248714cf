"""Ten million entity rows in bounded memory, in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "stores_history.py"


def streamed(rows: int, limit: str) -> tuple[int, float]:
    """Stream a history to Parquet; return the rows written and the peak of the process in GB."""
    command = [sys.executable, str(SCRIPT), "--stream-rows", str(rows), "--memory-limit", limit]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)
    assert run.returncode == 0, run.stderr
    written = re.search(r"^([\d,]+) of [\d,]+ rows to Parquet", run.stdout, re.MULTILINE)
    peak = re.search(r"peak of the process ([\d.]+) GB", run.stdout)
    assert written is not None
    assert peak is not None
    return int(written[1].replace(",", "")), float(peak[1])


@pytest.mark.prove
def test_ten_million_rows_under_a_gigabyte() -> None:
    """10M entity rows x 3 views of 1M rows x 10 features stream to Parquet under a 1 GB limit of DuckDB, every one.

    The whole process stays below 2 GB: the limit is DuckDB's, beside it are Python, Feast and the batches on their way.
    """
    rows, peak = streamed(10_000_000, "1GB")
    assert rows == 10_000_000
    assert peak < 2.0
