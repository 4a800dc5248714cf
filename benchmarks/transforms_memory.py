"""How far resident memory grows while a transform is fitted from Parquet, at 1M and 10M rows.

The columns and steps are those of `benchmarks/transforms.py`. Rows are written in row groups of Arrow's
default size and fitted in a fresh process with default settings; growth is the kernel's high-water mark
over what was resident after the imports. Bar: 256 MB plus the fitted state, at both sizes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet
from _machine import machine
from _transforms_workload import make_data

BAR_MB = 256.0
_CHUNK = 1 << 20

# Runs in a process of its own. The write of 5 to clear_refs sets the high-water mark back to what is resident now.
_MEASURED = """
import json, sys, time
from pathlib import Path
import psutil, pyarrow.dataset, pyarrow.parquet
from _transforms_workload import ours
transform, data = ours(), pyarrow.dataset.dataset(sys.argv[1])
Path("/proc/self/clear_refs").write_text("5")
before, begin = psutil.Process().memory_info().rss, time.perf_counter()
fitted = transform.fit(data)
seconds = time.perf_counter() - begin
peak = 1024 * int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1])
state = len(fitted.to_bytes())
print(json.dumps({"growth": peak - before, "state": state, "seconds": seconds, **fitted.provenance}))
"""


@dataclass(frozen=True, slots=True)
class Growth:
    """What one fit did: megabytes (10**6 bytes), seconds, passes over the file."""

    rows: int
    growth_mb: float
    state_mb: float
    seconds: float
    passes: int

    @property
    def is_within_bar(self) -> bool:
        """Whether growth is at most 256 MB beyond the fitted state."""
        return self.growth_mb <= BAR_MB + self.state_mb


def write_rows(path: Path, rows: int, row_group: int = _CHUNK) -> None:
    """Write the benchmark's rows, a million at a time, each from its own seed."""
    writer = None
    for start in range(0, rows, _CHUNK):
        table = make_data(min(_CHUNK, rows - start), seed=start)
        if writer is None:
            writer = pyarrow.parquet.ParquetWriter(path, table.schema)
        writer.write_table(table, row_group_size=row_group)
    if writer is not None:
        writer.close()


def growth_of_fit(path: Path) -> Growth:
    """Fit from a Parquet file in a fresh process and return how its memory grew."""
    command = [sys.executable, "-c", _MEASURED, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent)
    noted = json.loads(done.stdout)
    megabytes = 1e-6
    return Growth(
        noted["rows"], noted["growth"] * megabytes, noted["state"] * megabytes, noted["seconds"], noted["passes"]
    )


def main() -> None:
    """Write, fit and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    arguments = parser.parse_args()
    print(machine())
    missed = 0
    print(f"{'rows':>12} {'file':>9} {'growth':>9} {'state':>8} {'bar':>21} {'fit':>8} passes")
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory(prefix="likewise-memory-") as folder:
            path = Path(folder) / "rows.parquet"
            write_rows(path, rows)
            size = path.stat().st_size / 1e6
            got = growth_of_fit(path)
        missed += not got.is_within_bar
        mark = "reached" if got.is_within_bar else "MISSED"
        print(
            f"{got.rows:>12,} {size:>6,.0f} MB {got.growth_mb:>6.0f} MB {got.state_mb:>5.2f} MB "
            f"{f'{BAR_MB:.0f} MB + state':>13} {mark:>7} {got.seconds:>6.1f} s {got.passes:>6}",
            flush=True,
        )
    sys.exit(min(missed, 1))


if __name__ == "__main__":
    main()
