"""What a path in a definition means: relative to the repository, a file, a folder, a pattern, or a URL."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlparse

_PATTERN = "*?["
_ENDINGS = (".parquet", ".pq")


def resolve(path: str, repository: Path) -> str:
    """Return a path or URL with relative ones taken from the repository."""
    if is_url(path):
        return path
    local = Path(path.removeprefix("file://"))
    return str(local if local.is_absolute() else repository.resolve() / local)


def is_url(path: str) -> bool:
    """Say whether a path names an object store or another remote place."""
    parsed = urlparse(path)
    return bool(parsed.netloc) or (parsed.scheme not in ("", "file") and len(parsed.scheme) > 1)


def parquet_files(path: str) -> list[str]:
    """Return the files that a local path means, in the order of their names."""
    local = Path(path)
    if local.is_file():
        return [path]
    if local.is_dir():
        return sorted(str(file) for file in local.rglob("*") if _is_data(file, local))
    if _is_pattern(path):
        root = _root(path)
        return sorted(str(file) for file in root.glob(str(local.relative_to(root))) if file.is_file())
    return []


def is_partitioned(path: str, files: Sequence[str]) -> bool:
    """Say whether folders below `path` are named `column=value`."""
    root = _root(path)
    return any("=" in part for file in files for part in Path(file).relative_to(root).parts[:-1])


def is_single_file(path: str) -> bool:
    """Say whether a path to be written names one file rather than a folder."""
    return path.endswith(_ENDINGS)


def _is_data(file: Path, root: Path) -> bool:
    hidden = any(part.startswith((".", "_")) for part in file.relative_to(root).parts)
    return file.suffix in _ENDINGS and not hidden and file.is_file()


def _is_pattern(path: str) -> bool:
    return any(character in path for character in _PATTERN)


def _root(path: str) -> Path:
    local = Path(path)
    if not _is_pattern(path):
        return local if local.is_dir() else local.parent
    while _is_pattern(str(local)):
        local = local.parent
    return local
