"""Where an export goes: written beside its place, proved there, then moved in one step; nothing foreign is replaced."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from likewise.models.exports.errors import ExportPathError


def check_place(path: Path, is_ours: Callable[[Path], bool], what: str, *, is_folder: bool) -> None:
    """Raise ExportPathError unless `path` is free, an empty folder where one is wanted, or an earlier export."""
    above = next((folder for folder in path.parents if folder.exists()), path.parent)
    if not above.is_dir():
        raise ExportPathError(path, f"a place under {above}, which is no folder")
    if is_folder and path.is_dir() and not any(path.iterdir()):
        return
    if path.exists() and not is_ours(path):
        raise ExportPathError(path, f"something that is no {what} export of ours")


@contextmanager
def draft_beside(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; moved there when the block ends well, removed when it does not."""
    with _folder_beside(path) as folder:
        draft = Path(folder) / path.name
        yield draft
        earlier = Path(folder) / "earlier"
        if path.exists() and draft.is_dir():
            path.rename(earlier)
        try:
            draft.replace(path)
        except OSError:
            if earlier.exists():
                earlier.rename(path)
            raise
        if earlier.exists():
            shutil.rmtree(earlier)


def _folder_beside(path: Path) -> tempfile.TemporaryDirectory[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ExportPathError(path, f"a place that can't be written to ({reason})") from error
