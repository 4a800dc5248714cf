"""Content-addressed bytes on a disk or any fsspec store: a blob's name is its SHA-256, checked at every read."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec

from .canonical_json import digest_of
from .errors import BlobCorruptError, BlobMissingError, BlobStoreError
from .references import check_digest

_HEX = re.compile(r"[0-9a-f]{64}")
_PASSWORD = re.compile(r"(://[^/:@]*):[^@/]*@")


class BlobStore:
    """Blobs below one folder or URL, as `sha256/AB/ABCDEF...`.

    Parameters
    ----------
    place
        A path, or any URL that fsspec takes (`s3://bucket/likewise`, `memory://blobs` ...).
    """

    def __init__(self, place: str | Path) -> None:
        self.place = str(place)
        try:
            self._files, self._root = fsspec.core.url_to_fs(self.place)
        except (ValueError, ImportError) as error:
            raise BlobStoreError(self._shown(), str(error)) from error
        self._is_local = "file" in _protocols(self._files)

    def put(self, content: bytes) -> str:
        """Return the digest of `content`, stored and read back.

        A blob that is there already is checked, and mended when it is damaged.
        """
        digest = digest_of(content)
        if not self.holds(digest):
            try:
                self._write(self._path(digest), content)
            except OSError as error:
                raise BlobStoreError(self._shown(), str(error)) from error
            self.get(digest)
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes whose digest this is.

        Raises
        ------
        BlobMissingError, BlobCorruptError
            When the blob is not there, or is not what its name says.
        """
        path = self._path(check_digest(digest))
        try:
            content: bytes = self._files.cat_file(path)
        except FileNotFoundError as error:
            raise BlobMissingError(digest, path) from error
        except OSError as error:
            raise BlobStoreError(self._shown(), str(error)) from error
        got = digest_of(content)
        if got != digest:
            raise BlobCorruptError(digest, path, got)
        return content

    def holds(self, digest: str) -> bool:
        """Whether the blob is there and sound."""
        try:
            self.get(digest)
        except (BlobMissingError, BlobCorruptError):
            return False
        return True

    def digests(self) -> Iterator[str]:
        """Yield the digest of every blob there is, unread."""
        for path in sorted(self._files.find(f"{self._root}/sha256")):
            name = path.rsplit("/", 1)[-1]
            if _HEX.fullmatch(name):
                yield f"sha256:{name}"

    def _path(self, digest: str) -> str:
        name = digest.removeprefix("sha256:")
        return f"{self._root}/sha256/{name[:2]}/{name}"

    def _write(self, path: str, content: bytes) -> None:
        if self._is_local:
            _write_atomically(Path(path), content, Path(self._root) / "drafts")
        else:
            # Object stores show an object whole or not at all.
            self._files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
            self._files.pipe_file(path, content)

    def _shown(self) -> str:
        return _PASSWORD.sub(r"\1:***@", self.place)


def _protocols(files: Any) -> tuple[str, ...]:
    protocol = files.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)


def _write_atomically(path: Path, content: bytes, drafts: Path) -> None:
    # File, then its folder: after a power cut the name is there only with the whole content.
    _make_folder(drafts)
    _make_folder(path.parent)
    handle, temporary = tempfile.mkstemp(dir=drafts)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), 0o444)
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
