"""One run at a time in one home."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from likewise.cli.errors import HomeBusyError
from likewise.cli.home_lock import exclusive

HOLD = """
import sys, pathlib
from likewise.cli.home_lock import exclusive
with exclusive(pathlib.Path(sys.argv[1]), "run"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_run_is_told_who_holds_the_home(tmp_path: Path) -> None:
    """A run in a home where another one works is refused, with the command and the process of that one."""
    with exclusive(tmp_path, "run"), pytest.raises(HomeBusyError) as refused, exclusive(tmp_path, "demo"):
        pass
    assert f"`likewise run`, process {os.getpid()}" in str(refused.value)
    assert "LIKEWISE_HOME" in str(refused.value)


def test_homes_do_not_block_each_other(tmp_path: Path) -> None:
    """Runs in two homes go on side by side."""
    with exclusive(tmp_path / "one", "run"), exclusive(tmp_path / "two", "run"):
        pass


def test_a_killed_run_leaves_the_home_free(tmp_path: Path) -> None:
    """A lock whose process was killed holds nobody up."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(HomeBusyError), exclusive(tmp_path, "run"):
        pass
    holder.kill()
    holder.communicate()
    with exclusive(tmp_path, "run"):
        pass
