import pytest

from likewise.cli.settings import load_settings
from likewise.stores.errors import ClockError


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("REDIS_URL", "localhost:6379,password=hunter2"),
        ("REDIS_URL", "redis://h/0?password=hunter2"),
        ("REDIS_URL", "redis://:hunter2@h:6379"),
        ("REDIS_URL", "redis://:hunter2@["),
        ("LIKEWISE_REGISTRY", "postgresql+psycopg://me:hunter2@h:5432/likewise"),
        ("LIKEWISE_TOKEN", "hunter2"),
    ],
)
def test_no_secret_is_shown(variable: str, value: str) -> None:
    """What a process prints of its settings hides every password and token, in every form that is taken."""
    shown = load_settings({variable: value}).describe()
    assert "hunter2" not in " ".join(shown.values())


def test_an_empty_environment_gives_the_defaults() -> None:
    """Embedded Redis, SQLite and blobs below the home folder, wall time."""
    shown = load_settings({}).describe()
    assert shown["home"] == ".likewise"
    assert shown["repo"] == "feature_repo"
    assert shown["registry"] == "sqlite:///.likewise/registry.db"
    assert shown["redis_url"] == "embedded"
    assert shown["clock"] == "wall"


def test_a_clock_without_zone_is_refused() -> None:
    """An instant without its zone would mean another time on another machine."""
    with pytest.raises(ClockError, match="with a zone"):
        load_settings({"LIKEWISE_CLOCK": "2013-12-16T17:00:00"})
