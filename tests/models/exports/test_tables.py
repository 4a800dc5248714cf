import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pyarrow as pa
import pytest

from likewise.models.exports import tables
from likewise.models.exports.exporter import Exporter, NotExportable, Target
from likewise.models.exports.sql_export import export_sql
from likewise.models.exports.tables import TABLES, check_exportable, exporter_of
from likewise.transforms import FittedTransform, Steps, Transform
from likewise.transforms import kinds as K  # noqa: N812
from likewise.transforms.errors import ExportUnavailableError
from likewise.transforms.kinds import KINDS
from tests.architecture.sources import ROOT

PAGE = ROOT / "docs" / "exports.md"
TEXTS = pa.table({"x": [1.0, 2.0, None], "title": ["Red car", "blue bus", None], "tag": ["a", "b", "a"]})


def fitted_with_text() -> FittedTransform:
    transform = Transform(
        "mixed",
        {
            "dense": [Steps(["x"], [K.StandardScaler()])],
            "terms": [Steps(["title"], [K.CountVectorizer()])],
            "hashed": [Steps(["tag", "title"], [K.FeatureHasher(8)])],
        },
    )
    return transform.fit(TEXTS)


@pytest.mark.parametrize("target", ["keras", "sql"])
def test_every_kind_has_its_place_in_each_table(target: Target) -> None:
    """A kind we ship is exported, or is listed as not exportable with a reason; none is forgotten."""
    assert set(TABLES[target]) == set(KINDS)
    for found in TABLES[target].values():
        assert isinstance(found, Exporter) or (isinstance(found, NotExportable) and len(found.why) > 20)


@pytest.mark.parametrize("target", ["keras", "sql"])
def test_the_page_says_the_same_as_the_tables(target: Target) -> None:
    """docs/exports.md has a row for every kind: yes, yes but, or no, as in the table."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.read_text().splitlines() if "|" in line]
    place = {"keras": 1, "sql": 2}[target]
    said = {row[0].strip("`"): row[place] for row in rows if row[0].endswith("/1`")}
    meant = {kind: "yes" if isinstance(found, Exporter) else "no" for kind, found in TABLES[target].items()}
    assert said == meant


@pytest.mark.parametrize("target", ["keras", "sql"])
def test_all_steps_without_a_form_are_named_at_once(target: Target) -> None:
    """The error names every such kind, its output and columns, and the reason."""
    with pytest.raises(ExportUnavailableError) as caught:
        check_exportable(fitted_with_text(), target)
    assert [(step.kind, step.output, step.columns) for step in caught.value.steps] == [
        ("count_vectorizer/1", "terms", ("title",)),
        ("feature_hasher/1", "hashed", ("tag", "title")),
    ]
    for word in ("count_vectorizer/1", "feature_hasher/1", "'terms'", "'title'", "Unicode", "MurmurHash3", target):
        assert word in str(caught.value)


def test_refusing_imports_nothing_heavy(tmp_path: Path) -> None:
    """A transform that can't be exported is refused before TensorFlow or DuckDB load, and nothing is written."""
    artifact = fitted_with_text().save(tmp_path / "mixed.safetensors")
    code = f"""
import sys
from pathlib import Path
from likewise.models.exports.keras_export import export_keras
from likewise.transforms import FittedTransform
from likewise.transforms.errors import ExportUnavailableError
try:
    export_keras(FittedTransform.load({str(artifact)!r}), Path({str(tmp_path / "out")!r}))
except ExportUnavailableError:
    print(sorted({{"tensorflow", "keras", "duckdb"}} & set(sys.modules)))
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
    assert not (tmp_path / "out").exists()


def test_a_category_that_keras_cannot_keep_is_named() -> None:
    """Bytes that are no UTF-8, the mark of missing values and a NUL at the end are refused for Keras, by category."""
    for value in (b"\xff", "\uffff", "ends in \0"):
        fitted = Transform("odd", {"code": [Steps(["x"], [K.OrdinalEncoder()])]}).fit(pa.table({"x": [value]}))
        with pytest.raises(ExportUnavailableError, match="its category"):
            check_exportable(fitted, "keras")
        check_exportable(fitted, "sql")


class Doubler(K.Clip):
    """Stands for a kind of another package."""

    id = "acme.doubler/1"


ACME = Exporter(lambda kind, x: x, targets=("sql",))


@pytest.fixture
def _acme(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint("acme.doubler/1", f"{__name__}:ACME", tables.ENTRY_POINT_GROUP)]
    monkeypatch.setattr(EntryPoint, "load", lambda self: ACME)
    monkeypatch.setattr(tables, "entry_points", lambda group: [p for p in points if p.group == group])


@pytest.mark.usefixtures("_acme")
def test_a_package_brings_exporters_for_its_kinds() -> None:
    """An exporter declared by entry point is used for the targets it names, and for no other."""
    kind = Doubler(upper=1.0).restore((), {})
    assert exporter_of(kind, "sql") is ACME
    assert isinstance(exporter_of(kind, "keras"), NotExportable)


def test_a_kind_without_exporter_is_refused_by_name() -> None:
    """A kind of another package without an exporter is refused, with what that package can do."""
    found = exporter_of(Doubler(upper=1.0).restore((), {}), "sql")
    assert isinstance(found, NotExportable)
    assert "likewise.exporters" in found.why
    assert "acme.doubler/1" in found.why


def test_a_file_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    """An export replaces an earlier one and never anything else."""
    fitted = Transform("t", {"dense": [Steps(["x"], [K.Clip(0.0, 1.0)])]}).fit(TEXTS)
    place = tmp_path / "notes.sql"
    place.write_text("SELECT 1")
    with pytest.raises(Exception, match="earlier export"):
        export_sql(fitted, place, "t")
    assert place.read_text() == "SELECT 1"
    place.unlink()
    export_sql(fitted, place, "t")
    export_sql(fitted, place, "other")
    assert 'FROM "other"' in place.read_text()
    assert list(tmp_path.iterdir()) == [place]
