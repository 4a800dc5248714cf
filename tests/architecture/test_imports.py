import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import PACKAGES, ROOT, imported_modules, python_files, syntax_tree

HEAVY = {
    "feast",
    "tensorflow",
    "keras",
    "pandas",
    "duckdb",
    "dask",
    "sklearn",
    "matplotlib",
    "granian",
    "fastapi",
}
CODE = [*python_files(*PACKAGES), *python_files("tests", "benchmarks", "feature_repo")]


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_own_packages_are_imported_under_the_namespace(path: Path) -> None:
    """Nothing imports our folders by their bare names, which a user's Feast repository may hold too."""
    bare = [(line, name) for line, name in imported_modules(syntax_tree(path)) if name.split(".")[0] in PACKAGES]
    assert bare == []


@pytest.mark.parametrize("path", [*python_files(*PACKAGES)], ids=lambda path: str(path.relative_to(ROOT)))
def test_own_packages_are_never_imported_inside_functions(path: Path) -> None:
    """Layers hold without cycles that are dodged by an import inside a function."""
    functions = [
        node for node in ast.walk(syntax_tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    inner = {(line, name) for node in functions for line, name in imported_modules(node) if name.startswith("likewise")}
    assert inner == set()


def loaded_by(statement: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter holds after a statement."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(answer.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "statement",
    [
        "import likewise.cli.main",
        "from likewise.transforms import FittedTransform, Steps, Transform; from likewise.transforms import kinds",
        "from likewise.training import AtLeast, NoWorseThan, Recipe, TimeSplit",
        "import likewise.models",
    ],
)
def test_light_imports_stay_light(statement: str) -> None:
    """The help page, the core and a recipe load neither Feast nor TensorFlow nor pandas."""
    assert loaded_by(statement) & HEAVY == set()


def test_the_help_page_needs_no_numbers() -> None:
    """`likewise --help` answers in under half a second: it loads not even numpy."""
    assert loaded_by("import likewise.cli.main") & {*HEAVY, "numpy", "pyarrow", "scipy", "sqlalchemy"} == set()
