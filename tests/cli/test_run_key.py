from dataclasses import replace
from pathlib import Path

from likewise.cli.run_key import run_key
from likewise.training.history_file import History

HISTORY = History(Path("history.parquet"), "sha256:a", 10, "service", ("x",), ("late",), "sha256:b")


def test_a_run_is_taken_over_only_if_nothing_it_follows_from_changed(tmp_path: Path) -> None:
    """Other rows, other definitions with equal rows, another recipe, module beside it or registry: run anew."""
    recipe = tmp_path / "recipe.py"
    recipe.write_text("recipe = 1\n", "utf-8")
    before = run_key(HISTORY, recipe, "sqlite:///a.db")
    assert run_key(HISTORY, recipe, "sqlite:///a.db") == before
    others = {
        run_key(replace(HISTORY, fingerprint="sha256:c"), recipe, "sqlite:///a.db"),
        run_key(replace(HISTORY, definitions_fingerprint="sha256:c"), recipe, "sqlite:///a.db"),
        run_key(HISTORY, recipe, "sqlite:///b.db"),
    }
    (tmp_path / "helper.py").write_text("x = 1\n", "utf-8")
    others.add(run_key(HISTORY, recipe, "sqlite:///a.db"))
    recipe.write_text("recipe = 2\n", "utf-8")
    others.add(run_key(HISTORY, recipe, "sqlite:///a.db"))
    assert len(others) == 5
    assert before not in others
