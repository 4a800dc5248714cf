"""Where exports may go, and what is left when one fails."""

from pathlib import Path

import pytest

from likewise.models.exports.errors import ExportPathError
from likewise.models.exports.export_place import check_place, draft_beside


def test_an_empty_folder_is_no_place_for_a_file(tmp_path: Path) -> None:
    """A folder is refused where a file is to be written; an empty one is fine for a folder."""
    check_place(tmp_path, lambda _: False, "Keras", is_folder=True)
    with pytest.raises(ExportPathError, match="expected a new path or an earlier export"):
        check_place(tmp_path, Path.is_file, "SQL", is_folder=False)


def test_a_place_under_a_file_is_refused(tmp_path: Path) -> None:
    """A path that leads through a file is refused before anything is computed; it says which file."""
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(ExportPathError, match="notes, which is no folder"):
        check_place(tmp_path / "notes" / "deep" / "x.sql", Path.is_file, "SQL", is_folder=False)
    check_place(tmp_path / "new" / "deep" / "x.sql", Path.is_file, "SQL", is_folder=False)


def test_a_place_that_can_not_be_written_to_is_refused() -> None:
    """A folder that takes no files is an error with the path and the system's reason."""
    with (
        pytest.raises(ExportPathError, match=r"/proc/x.sql: .* can't be written to \(No such file"),
        draft_beside(Path("/proc/x.sql")),
    ):
        pass


def test_an_earlier_export_survives_a_failed_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the new folder can't be moved to its place, the earlier one stands there again."""
    place = tmp_path / "export"
    place.mkdir()
    (place / "model").write_text("earlier")

    def refuse(*_: object) -> None:
        raise PermissionError("no")

    def write() -> None:
        with draft_beside(place) as draft:
            draft.mkdir()
            monkeypatch.setattr(Path, "replace", refuse)

    with pytest.raises(PermissionError):
        write()
    assert (place / "model").read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [place]
