"""The manifest of a model: its files by digest, and its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .canonical_json import canonical_bytes, digest_of, read_canonical
from .errors import ManifestError, ManifestFormatError
from .manifest_fields import Fields

FORMAT = 1
KIND = "model"
_FILES_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model's files, each verified against its digest, and its metadata."""

    files: Mapping[str, bytes]
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of a model: the digest of its content, and its size in bytes."""

    digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ModelManifest:
    """What a model consists of; the digest of its JSON is the model's."""

    files: Mapping[str, FileEntry]
    metadata: Mapping[str, Any]

    @property
    def size_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(entry.size_bytes for entry in self.files.values())

    def to_bytes(self) -> bytes:
        """Return the canonical JSON."""
        files = {name: {"bytes": entry.size_bytes, "digest": entry.digest} for name, entry in self.files.items()}
        return canonical_bytes(
            "model manifest", {"format": FORMAT, "kind": KIND, "files": files, "metadata": self.metadata}
        )


def describe_files(files: Mapping[str, bytes], metadata: Mapping[str, Any]) -> ModelManifest:
    """Return the manifest of files held in memory.

    Raises
    ------
    ManifestError
        When there is no file, or a name that is not a plain relative path.
    """
    if not files:
        raise ManifestError("model", "its files", "at least one", "none")
    for name, content in files.items():
        _check_file_name(name)
        if not isinstance(content, bytes):
            raise ManifestError("model", f"file {name!r}", "bytes", type(content).__name__)
    entries = {name: FileEntry(digest_of(content), len(content)) for name, content in files.items()}
    return ModelManifest(entries, metadata)


def read_model_manifest(content: bytes) -> ModelManifest:
    """Return the manifest that bytes hold, of any format there ever was."""
    value = read_canonical("model manifest", content)
    fields = Fields("model manifest", value)
    if fields.integer("format") not in _READERS:
        raise ManifestFormatError("model manifest", value["format"], sorted(_READERS))
    return _READERS[value["format"]](fields)


def _read_1(fields: Fields) -> ModelManifest:
    fields.expect_keys({"format", "kind", "files", "metadata"})
    fields.expect("kind", KIND)
    files = fields.mapping("files")
    if not 0 < len(files) <= _FILES_LIMIT:
        raise ManifestError("model manifest", "files", f"1 to {_FILES_LIMIT} entries", len(files))
    return ModelManifest(
        {_check_file_name(name): _entry(name, entry) for name, entry in files.items()}, fields.mapping("metadata")
    )


def _entry(name: str, value: Any) -> FileEntry:
    fields = Fields(f"file {name!r} of a model manifest", value)
    fields.expect_keys({"bytes", "digest"})
    return FileEntry(fields.digest("digest"), fields.integer("bytes"))


def _check_file_name(name: object) -> str:
    if isinstance(name, str) and len(name) <= 255 and name.isprintable() and "\\" not in name:
        parts = name.split("/")
        if all(part not in ("", ".", "..") for part in parts):
            return name
    raise ManifestError("model", "a file name", "a relative path of plain parts ('model.keras', 'weights/0.bin')", name)


_READERS = {1: _read_1}
