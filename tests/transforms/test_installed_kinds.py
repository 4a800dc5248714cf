"""Kinds of other packages are found by entry point and held to the same promises."""

import os
import re
import subprocess
import sys
import tomllib
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


PAGE = Path(__file__).parents[2] / "docs" / "adding-a-kind.md"


def installed_from_page(folder: Path) -> None:
    """Write the files of the page into a folder, and install its entry point there as pip would."""
    files = dict(re.findall(r"`([\w.]+)`\n```\w+\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
    assert set(files) == {"acme_kinds.py", "pyproject.toml", "test_acme_kinds.py"}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    points = tomllib.loads(files["pyproject.toml"])["project"]["entry-points"]["likewise.kinds"]
    metadata = folder / "acme-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n", encoding="utf-8")
    lines = "".join(f"{name} = {value}\n" for name, value in points.items())
    (metadata / "entry_points.txt").write_text(f"[likewise.kinds]\n{lines}", encoding="utf-8")


def run_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_stranger_follows_the_page(tmp_path: Path) -> None:
    """The page's package passes the public suite in an empty folder and a process of its own; broken, it says how."""
    installed_from_page(tmp_path)
    done = run_in(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--doctest-modules", ".")
    assert "3 passed" in done.stdout, done.stdout + done.stderr
    source = (tmp_path / "acme_kinds.py").read_text(encoding="utf-8")
    broken = source.replace("return values / self.peak", "return values / values.max()")
    (tmp_path / "acme_kinds.py").write_text(broken, encoding="utf-8")
    failed = run_in(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "promises")
    assert failed.returncode == 1
    assert "breaks: A row gives the same bits alone" in failed.stdout


@pytest.mark.slow
def test_an_artifact_of_a_kind_that_is_not_installed_says_so(tmp_path: Path) -> None:
    """Where the package is absent, loading names the kind and what to do; where it is present, it computes."""
    installed_from_page(tmp_path)
    program = (
        "import pyarrow as pa; from acme_kinds import PeakScaler; from likewise.transforms import Steps, Transform; "
        "Transform('t', {'o': [Steps(['x'], [PeakScaler()])]}).fit(pa.table({'x': [1.0, 4.0]})).save('t.safetensors')"
    )
    assert run_in(tmp_path, "-c", program).returncode == 0
    load = (
        "from likewise.transforms import FittedTransform; print(FittedTransform.load('{}').apply_rows([{{'x': 2.0}}]))"
    )
    path = tmp_path / "t.safetensors"
    assert "0.5" in run_in(tmp_path, "-c", load.format(path)).stdout
    (tmp_path / "empty").mkdir()
    assert "install that package here" in run_in(tmp_path / "empty", "-c", load.format(path)).stderr
