"""Loads damaged artifacts of every kind and prints what became of them.

Run as `python -m tests.transforms.fuzz_artifacts 1000`.
"""

import json
import resource
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from likewise.transforms import FittedTransform, LikewiseError
from likewise.transforms.plan import Tensors
from likewise.transforms.testing import assert_same_bits
from tests.transforms.damage import mutated, resealed

FOLDER = Path(__file__).parent / "frozen_artifacts"
# A hang ends the process by SIGALRM, and the address space has an end before the machine has.
HANG_SECONDS = 20
ADDRESS_SPACE = 4 << 30


@dataclass(frozen=True, slots=True)
class Sound:
    """An artifact before the damage, with what it computes."""

    data: bytes
    fitted: FittedTransform
    tensors: Tensors

    @classmethod
    def of(cls, path: Path) -> "Sound":
        """Return the artifact of a file."""
        fitted = FittedTransform.load(path)
        return cls(path.read_bytes(), fitted, fitted.apply_columns(fitted.golden.columns))


def resident_mb(field: str) -> float:
    """Return a line of the process's status, VmRSS or VmHWM, in MB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024


def is_refused(data: bytes, sound: Sound) -> bool:
    """Load damaged bytes; they are refused with our error, or compute what the sound ones do."""
    try:
        loaded = FittedTransform.from_bytes(data)
    except LikewiseError:
        return True
    if loaded.digest == sound.fitted.digest:
        assert_same_bits(sound.tensors, loaded.apply_columns(loaded.golden.columns), "a damaged artifact that loads")
    try:
        loaded.check_golden()
    except LikewiseError:
        return True
    return False


def main(rounds: int) -> None:
    """Damage artifacts in turn and print counts, the largest growth of memory and the longest load."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    sounds, rng = [Sound.of(path) for path in sorted(FOLDER.glob("*.safetensors"))], np.random.default_rng(rounds)
    refused, growth, slowest = 0, 0.0, 0.0
    for at in range(rounds):
        sound = sounds[at % len(sounds)]
        data = (resealed if rng.random() < 0.4 else mutated)(sound.data, rng)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the peak
        before, started = resident_mb("VmRSS"), time.monotonic()
        signal.alarm(HANG_SECONDS)
        refused += is_refused(data, sound)
        signal.alarm(0)
        slowest = max(slowest, time.monotonic() - started)
        growth = max(growth, resident_mb("VmHWM") - before - len(data) / 2**20)
    found = {"artifacts": rounds, "refused": refused, "loaded": rounds - refused}
    print(json.dumps({**found, "largest_growth_mb": round(growth, 1), "slowest_seconds": round(slowest, 3)}))  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]))
