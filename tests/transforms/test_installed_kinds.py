"""Kinds of other packages are found by entry point and held to the same promises."""

import sys
from pathlib import Path

import pyarrow as pa
import pytest

from likewise.transforms import FittedTransform, LogicalType, Steps, Transform, errors
from likewise.transforms.kinds import find_kind
from likewise.transforms.testing import KindCase, check_kind

SOURCE = '''
from dataclasses import dataclass
from typing import ClassVar
from likewise.transforms.kind import NUMERIC, FittedKind, Form, Kind

@dataclass(frozen=True, slots=True)
class Doubler(Kind):
    """Twice x.

    Missing values stay missing. Learns nothing.

    Parameters
    ----------
    times
        The factor.

    Examples
    --------
    >>> Doubler().times
    2.0
    """

    id: ClassVar[str] = "acme.doubler/1"
    form = Form.NUMBERS
    accepts = NUMERIC
    times: float = 2.0

    def fitter(self, fields):
        return None

    def restore(self, fields, arrays):
        return FittedDoubler(self, fields)

@dataclass(frozen=True, slots=True, eq=False)
class FittedDoubler(FittedKind):
    elementwise: ClassVar[bool] = True
    kind: Doubler
    fields: tuple

    def outputs(self):
        return tuple(f.renamed(f.name) for f in self.fields)

    def apply(self, values, tally):
        return values * self.kind.times

    def arrays(self):
        return {}
'''


def install(folder: Path, distribution: str) -> None:
    """Put a package with the kind, and its entry point, into a folder."""
    (folder / "acme_kinds.py").write_text(SOURCE, encoding="utf-8")
    metadata = folder / f"{distribution}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n", encoding="utf-8")
    line = "[likewise.kinds]\nacme.doubler/1 = acme_kinds:Doubler\n"
    (metadata / "entry_points.txt").write_text(line, encoding="utf-8")


def test_an_installed_kind_works_like_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind of another package fits, saves, loads, and passes the public suite."""
    install(tmp_path, "acme")
    monkeypatch.syspath_prepend(str(tmp_path))
    kind = find_kind("acme.doubler/1")
    fitted = Transform("t", {"o": [Steps(["x"], [kind()])]}).fit(pa.table({"x": [1.0, 2.0]}))
    loaded = FittedTransform.from_bytes(fitted.to_bytes())
    assert loaded.apply_rows([{"x": 4.0}])["o"].tolist() == [[8.0]]
    check_kind(KindCase(kind(), (LogicalType.NUMBER,)))
    sys.modules.pop("acme_kinds")


def test_two_packages_may_not_claim_one_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind id that two packages declare is an error that names both."""
    install(tmp_path, "acme")
    (tmp_path / "other").mkdir()
    install(tmp_path / "other", "acme_copy")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path / "other"))
    with pytest.raises(errors.DuplicateKindError, match="declared twice"):
        find_kind("acme.doubler/1")
