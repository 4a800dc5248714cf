"""Artifacts written in the past load, hold their digest and give their recorded outputs, for ever."""

from pathlib import Path

import pytest

from likewise.transforms import FittedTransform
from likewise.transforms.kinds import KINDS
from tests.conformance.kind_cases import CASES
from tests.transforms.frozen import FOLDER, path_of

FILES = sorted(FOLDER.glob("*.safetensors"))


def test_every_kind_is_frozen() -> None:
    """Every kind has a frozen artifact."""
    frozen = {path.stem.rsplit("-", 1)[0].replace("-", "/") for path in FILES}
    assert frozen == set(KINDS)
    assert {path_of(case) for case in CASES} <= set(FILES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_frozen_artifact_still_holds(path: Path) -> None:
    """A frozen artifact loads, gives its golden outputs bit for bit, and is written back byte for byte."""
    fitted = FittedTransform.load(path)
    fitted.check_golden()
    assert fitted.to_bytes() == path.read_bytes()


@pytest.mark.parametrize("case", CASES, ids=lambda case: repr(case.kind))
def test_fit_still_gives_the_frozen_digest(case: object) -> None:
    """Fitting the same rows today gives the digest of the day the kind shipped."""
    assert case.fitted(60).digest == FittedTransform.load(path_of(case)).digest  # type: ignore[attr-defined, arg-type]
