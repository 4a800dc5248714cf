import ast
from pathlib import Path

import pytest

from tests.architecture.sources import PACKAGES, ROOT, python_files, syntax_tree

FILE_LINES = 400
FUNCTION_LINES = 45
PARAMETERS = 8


@pytest.mark.parametrize("path", [*python_files(*PACKAGES)], ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_readable(path: Path) -> None:
    """A file ends by 400 lines, a function by 45 without its docstring, and takes at most 8 parameters."""
    tree = syntax_tree(path)
    assert len(path.read_text(encoding="utf-8").splitlines()) <= FILE_LINES
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert [node.name for node in functions if body_lines(node) > FUNCTION_LINES] == []
    assert [node.name for node in functions if len(node.args.args) + len(node.args.kwonlyargs) > PARAMETERS] == []


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many lines a function's body takes, its docstring left out."""
    first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
    return (node.end_lineno or node.lineno) - first.lineno + 1
