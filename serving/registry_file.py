"""The file of a Feast registry: whether there is one, and whether it has changed. No Feast."""

import hashlib
from pathlib import Path

import yaml


def has_registry_file(repo: Path) -> bool:
    """Whether a repository keeps its Feast registry in a local file, which says by itself when it changed.

    What can't be told without Feast (variables, a yaml that is damaged) counts as no.
    """
    try:
        content = yaml.safe_load((repo / "feature_store.yaml").read_text())
    except (OSError, ValueError, yaml.YAMLError):
        return False
    registry = content.get("registry") if isinstance(content, dict) else None
    kind, path = "file", registry
    if isinstance(registry, dict):
        kind, path = registry.get("registry_type", "file"), registry.get("path")
        kind = kind if registry.get("registry_store_type") is None else "other"
    return kind == "file" and isinstance(path, str) and bool(path) and "://" not in path and "$" not in path


def digest_of_file(path: Path) -> str:
    """Return the digest of a file; that of nothing where there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""


class RegistryFile:
    """Tells whether the file is still what it was, by a look at its time and size.

    Parameters
    ----------
    path
        Of the file.
    digest
        What it was.
    """

    def __init__(self, path: Path, digest: str) -> None:
        self._path, self._digest = path, digest
        self._seen: tuple[int, int, int] | None = None

    def is_unchanged(self) -> bool:
        """Whether the file has the digest; it is read only when its time, size or inode is not as it was."""
        seen = self._look()
        if seen is not None and seen == self._seen:
            return True
        if digest_of_file(self._path) != self._digest:
            return False
        self._seen = seen
        return True

    def _look(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino
