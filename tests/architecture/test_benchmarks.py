"""`make bench` runs every script, whatever becomes of one of them, and tells of all at the end."""

import re
import subprocess
import sys
from pathlib import Path

EVERY = Path(__file__).parents[2] / "benchmarks" / "_every.py"
SCRIPTS = {
    "a_misses": "print('rate  5.0   bar at least 9   NOT MET')",
    "b_fails": "raise ValueError('planted')",
    "c_is_slow": "import time; print('one bar met', flush=True); time.sleep(60)",
    "d_misses_by_status": "print('bar met: 1x50'); raise SystemExit(1)",
    "e_meets": "print('rate  9.0   bar 8x: reached'); print('memory 1 MB   bar under 2 MB   met')",
}
TOLD = """a_misses              missed: 0 bars met, 1 missed
    MISSED  rate  5.0   bar at least 9   NOT MET
b_fails               failed (status 1): 0 bars met, 0 missed
c_is_slow             too slow (status None): 1 bars met, 0 missed
    met     one bar met
d_misses_by_status    missed: 1 bars met, 0 missed
    met     bar met: 1x50
e_meets               met: 2 bars met, 0 missed
    met     rate  9.0   bar 8x: reached
    met     memory 1 MB   bar under 2 MB   met
every bar met: False; not by a_misses, b_fails, c_is_slow, d_misses_by_status
"""


def ran(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the benchmarks of a folder."""
    code = (
        f"import sys, re; sys.path.insert(0, {str(EVERY.parent)!r}); import _every; from pathlib import Path;"
        f" _every.FOLDER = Path({str(folder)!r}); _every.main()"
    )
    command = [sys.executable, "-c", code, *arguments, "--limit", "6"]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_a_missed_bar_stops_no_other_script(tmp_path: Path) -> None:
    """Each runs, within its limit; bars met and missed are told at the end, and the status says if one was missed."""
    for name, text in SCRIPTS.items():
        (tmp_path / f"{name}.py").write_text(text)
    found = ran(tmp_path)
    assert found.returncode == 1
    summary = re.sub(r", \d+ s$", "", found.stdout[found.stdout.index("a_misses    ") :], flags=re.MULTILINE)
    assert summary == TOLD, found.stderr
    alone = ran(tmp_path, "e_meets")
    assert (alone.returncode, alone.stdout.splitlines()[-1]) == (0, "every bar met: True")
    assert "no benchmark nothing; there are: a_misses" in ran(tmp_path, "nothing").stderr
