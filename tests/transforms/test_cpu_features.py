"""The whole suite of the transforms again, with routines of the CPU switched off."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.transforms.test_digest import features_in_use

ROOT = Path(__file__).parents[2]
FOLDERS = ["tests/transforms", "tests/conformance"]


@pytest.mark.prove
@pytest.mark.parametrize("level", ["without AVX-512", "without AVX2, FMA and all else"])
def test_the_suite_holds_without_cpu_features(level: str) -> None:
    """Every test of kinds, artifacts and frozen files passes with AVX-512 off, and with all dispatched paths off."""
    used = features_in_use()
    off = [f for f in used if "AVX512" in f or f == "X86_V4"] if "512" in level else used
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(off)}
    # numpy warns of features that this CPU has not; those are off already.
    command = [sys.executable, "-W", "ignore::ImportWarning", "-m", "pytest", "-q", "-x", "--tb=short"]
    chosen = ["-m", "not prove", "--ignore", "tests/transforms/registry", *FOLDERS]
    done = subprocess.run([*command, *chosen], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3_000:]
    assert " passed" in done.stdout
