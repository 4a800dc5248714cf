"""Settings of the offline store: what they do, and what a wrong one says."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import ANY

import pytest
from pydantic import ValidationError

from likewise.stores.asof_duckdb import session_settings
from likewise.stores.asof_session import open_session
from likewise.stores.errors import OfflineQueryError, SpillFolderError
from tests.stores.feast_repository import ViewOf, apply_views, make_store
from tests.stores.histories import entities, history, hour, numbers

ROWS = numbers((1, hour(0), hour(0), 1.0))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("memory_limit", "lots", "expected a number with its unit, such as '2GB'.*got 'lots'"),
        ("memory_limit", "-1GB", "got '-1GB'"),
        ("memory_limit", "50%", "got '50%'"),
        ("memory_limit", "2", "got '2'"),
        ("threads", 0, "threads"),
        ("threads", "many", "threads"),
        ("batch_rows", 0, "batch_rows"),
        ("memory", "2GB", "memory"),
    ],
)
def test_a_wrong_setting_is_named_when_the_repository_is_opened(
    tmp_path: Path, name: str, value: object, message: str
) -> None:
    """A setting that cannot work stops before anything is read, with its name and what was expected."""
    with pytest.raises(ValidationError, match=message):
        make_store(tmp_path, **{name: value})


def test_settings_reach_duckdb(tmp_path: Path) -> None:
    """Memory limit, threads and spill folder are those of the connection; the folder is made, and empty afterwards."""
    store = make_store(tmp_path, memory_limit="300MB", threads=1, spill_directory="deep/spill")
    with open_session(session_settings(store.config)) as session:
        assert session.threads() == 1
        assert 290 * 10**6 < session.memory_bytes() < 310 * 10**6
        temporary = session.run("SELECT current_setting('temp_directory')").fetchall()[0][0]
        assert Path(temporary).parent == tmp_path / "deep" / "spill"
        assert list((tmp_path / "deep" / "spill").iterdir()) == [ANY]
    assert list((tmp_path / "deep" / "spill").iterdir()) == []


def test_a_spill_folder_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    """A spill folder below a file is refused with its path and the setting to change."""
    (tmp_path / "file").write_text("in the way")
    store = make_store(tmp_path, spill_directory="file/spill")
    apply_views(store, tmp_path, [ViewOf("v", ROWS)])
    with pytest.raises(SpillFolderError, match=r"file/spill.*spill_directory of offline_store"):
        history(store, entities((1, hour(1))), "v:x")


def test_too_little_memory_says_which_settings_to_change(tmp_path: Path) -> None:
    """Where even spilling does not help, the error names memory_limit; nothing is left in the spill folder."""
    store = make_store(tmp_path, memory_limit="1MB", threads=1, spill_directory="spill")
    facts = numbers(*[(uid, hour(uid % 50), hour(uid % 50), 1.0) for uid in range(100_000)])
    apply_views(store, tmp_path, [ViewOf("v", facts)])
    with pytest.raises(OfflineQueryError, match="memory_limit"):
        history(store, facts.select(["uid", "event_timestamp"]), "v:x")
    assert list((tmp_path / "spill").iterdir()) == []
