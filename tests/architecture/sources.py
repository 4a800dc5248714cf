"""The project's own source files, as paths and syntax trees."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("transforms", "stores", "models", "training", "serving", "cli")


def python_files(*folders: str) -> Iterator[Path]:
    """Yield the Python files below the folders, in order."""
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def syntax_tree(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imported_modules(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, module) of every import statement below a node."""
    for child in ast.walk(node):
        if isinstance(child, ast.Import):
            for name in child.names:
                yield child.lineno, name.name
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield child.lineno, child.module
