import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from likewise.training import AtLeast, Recipe, TimeSplit, load_recipe
from likewise.training.errors import GateDeclarationError, RecipeFieldError, RecipeFileError
from tests.training.small_project import small_recipe

FILE = """
from likewise.models import WideAndDeep
from likewise.training import AtLeast, Recipe, TimeSplit
from likewise.transforms import Steps, Transform, kinds as K
recipe = Recipe(
    name="late", entities="labels.parquet", label="late",
    split=TimeSplit("2013-01-20", "2013-01-25", "2013-01-30"),
    transform=Transform("late", {"x": [Steps(["delay"], [K.StandardScaler()])]}, feature_service="late_v1"),
    model=WideAndDeep(), gates=[AtLeast("roc_auc", 0.6), "golden"],
)
"""


def test_a_recipe_file_gives_its_recipe(tmp_path: Path) -> None:
    """The file's variable `recipe` is returned, and nothing of the file stays importable."""
    (tmp_path / "late.py").write_text(FILE)
    recipe = load_recipe(tmp_path / "late.py")
    assert (recipe.name, recipe.feature_service, recipe.label_columns) == ("late", "late_v1", ("late",))
    assert not [name for name in sys.modules if name.startswith("likewise_recipe")]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "no such file"),
        ("x = 1", "no variable `recipe`"),
        ("recipe = 3", "`recipe` is int"),
        ("x = 1\nraise ValueError('wind')", "line 2: ValueError: wind"),
        ("recipe = (", "SyntaxError"),
        ("import nothing_of_the_kind", "line 1: ModuleNotFoundError"),
    ],
)
def test_a_file_without_recipe_is_explained(content: str | None, problem: str, tmp_path: Path) -> None:
    """A file that is absent, fails or sets no recipe is one clear error with the line of the user's file."""
    path = tmp_path / "late.py"
    if content is not None:
        path.write_text(content)
    with pytest.raises(RecipeFileError) as caught:
        load_recipe(path)
    assert problem in caught.value.message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "Flight Delay"),
        ("sample", 0.0),
        ("sample", 1.5),
        ("split", "2013-09-30"),
        ("slices", "carrier"),
        ("model", "wide"),
        ("transform", SimpleNamespace(feature_service=None)),
    ],
)
def test_fields_that_cannot_work_are_refused_at_once(field: str, value: object) -> None:
    """A recipe is checked when it is read, before anything is retrieved; the message names the field."""
    with pytest.raises(RecipeFieldError, match=field):
        small_recipe(**{field: value})


@pytest.mark.parametrize("gate", ["pairty", "roc_auc"])
def test_unknown_named_gates_are_refused(gate: str) -> None:
    """A gate nobody could decide is refused when the recipe is read, with a suggestion when there is one."""
    with pytest.raises(GateDeclarationError, match="parity"):
        small_recipe(gates=[AtLeast("roc_auc", 0.5), gate])


@pytest.mark.parametrize(
    "cuts",
    [
        ("2013-09-30", "2013-09-30", "2013-11-30"),
        ("2013-10-30", "2013-09-30", "2013-11-30"),
        ("2013-09-30", "2013-10-31", "30.11.2013"),
        ("2013-09-30T12:00:00", "2013-10-31", "2013-11-30"),
        ("2013-09-30", "2013-10-31", "2013-11-30", "2013-12-01"),
    ],
)
def test_splits_that_cannot_be_cut_are_refused(cuts: tuple[str, ...]) -> None:
    """Cut points rise in time and are dates, or instants that say their zone."""
    with pytest.raises(RecipeFieldError, match="split"):
        TimeSplit(*cuts)


def test_dates_include_their_day_and_instants_do_not() -> None:
    """A part ends with the date's last moment in UTC, or just before the instant given."""
    cuts = TimeSplit("2013-09-30", "2013-10-31T18:00:00+02:00", "2013-11-30", train_from="2013-02-01").boundaries()
    assert cuts.train_from is not None
    told = [cut.isoformat() for cut in (cuts.train_from, cuts.train_until, cuts.validate_until)]
    assert told == ["2013-02-01T00:00:00+00:00", "2013-10-01T00:00:00+00:00", "2013-10-31T16:00:00+00:00"]


def test_reading_a_recipe_is_light() -> None:
    """What a recipe imports loads neither Feast nor TensorFlow, scikit-learn nor matplotlib."""
    heavy = {"feast", "tensorflow", "keras", "sklearn", "matplotlib", "duckdb"}
    code = f"import sys, likewise.models, likewise.training as t; t.Recipe; print(sorted({heavy} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_label_columns_are_all_that_tells_of_the_future() -> None:
    """Label, when it was known and weights are named together, each only if declared."""
    assert small_recipe(weights="weight").label_columns == ("late", "known_at", "weight")
    assert small_recipe(label_known_at=None).label_columns == ("late",)
    assert isinstance(small_recipe(), Recipe)
