"""Load a recipe from a Python file of the user's project. The file is run: it is trusted like the project."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from .errors import RecipeFileError
from .recipe import Recipe


def load_recipe(path: str | Path) -> Recipe:
    """Run the file and return its variable `recipe`.

    Raises
    ------
    RecipeFileError
        When there is no such file, it fails, or `recipe` is not a Recipe.
    """
    path = Path(path)
    if not path.is_file():
        raise RecipeFileError(path, "there is no such file", "Name a Python file that sets `recipe`.")
    found = vars(_run(path)).get("recipe")
    if not isinstance(found, Recipe):
        problem = "it sets no variable `recipe`" if found is None else f"`recipe` is {type(found).__name__}"
        raise RecipeFileError(path, problem, "End the file with `recipe = Recipe(...)`.")
    return found


def _run(path: Path) -> ModuleType:
    name = f"likewise_recipe_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise RecipeFileError(path, "it is no Python file", "Give it a name that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses in the file look their module up by name; afterwards nothing else may find it.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's code raises
        raise RecipeFileError(path, _where(path, error), "Mend the recipe.") from error
    finally:
        del sys.modules[name]
    return module


def _where(path: Path, error: Exception) -> str:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    place = f"line {lines[-1]}: " if lines else ""
    return f"{place}{type(error).__name__}: {error}".rstrip(".")
