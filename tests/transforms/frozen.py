"""Writes the frozen artifacts that are missing, one or more a kind; those that exist are never touched.

Run as `python -m tests.transforms.frozen` the day a kind or revision ships.
"""

from pathlib import Path

from likewise.transforms.testing import KindCase
from tests.conformance.kind_cases import CASES

FOLDER = Path(__file__).parent / "frozen_artifacts"


def path_of(case: KindCase) -> Path:
    """Return the file of a case; cases of one kind are told apart by their place among them."""
    alike = [c for c in CASES if c.kind.id == case.kind.id]
    return FOLDER / f"{case.kind.id.replace('/', '-')}-{alike.index(case)}.safetensors"


def main() -> None:
    """Write what is missing."""
    FOLDER.mkdir(exist_ok=True)
    for case in CASES:
        if not path_of(case).exists():
            case.fitted(60).save(path_of(case))


if __name__ == "__main__":
    main()
