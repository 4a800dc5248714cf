import os
import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from likewise.transforms.registry.blobs import BlobStore
from likewise.transforms.registry.canonical_json import digest_of
from likewise.transforms.registry.errors import (
    BadReferenceError,
    BlobCorruptError,
    BlobMissingError,
    BlobStoreError,
)


@pytest.fixture(params=["folder", "file URL", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    """Return an empty store of each sort."""
    places = {
        "folder": tmp_path / "b",
        "file URL": f"file://{tmp_path}/b",
        "memory": f"memory://{uuid.uuid4()}",
    }
    return BlobStore(places[request.param])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=200)))
def test_what_is_put_comes_back(blobs: BlobStore, contents: list[bytes]) -> None:
    """Any bytes come back by their digest, and the same bytes are one blob."""
    digests = [blobs.put(content) for content in contents]
    assert [blobs.get(digest) for digest in digests] == contents
    assert digests == [digest_of(content) for content in contents]
    assert set(digests) <= set(blobs.digests())
    assert len(list(blobs.digests())) == len(set(blobs.digests()))


def test_an_unknown_digest_is_refused(blobs: BlobStore) -> None:
    """A blob that is not there is named, with what to do; a text that is no digest reaches no file."""
    with pytest.raises(BlobMissingError, match="Restore the blobs from a backup"):
        blobs.get("sha256:" + "a" * 64)
    for text in ("../../etc/passwd", "sha256:12", "", "sha256:" + "A" * 64, "md5:" + "a" * 64):
        with pytest.raises(BadReferenceError):
            blobs.get(text)


def damaged(folder: Path, content: bytes) -> tuple[BlobStore, str, Path]:
    store = BlobStore(folder)
    digest = store.put(content)
    name = digest.removeprefix("sha256:")
    path = folder / "sha256" / name[:2] / name
    path.chmod(0o600)
    return store, digest, path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(min_size=1, max_size=50), st.data())
def test_any_damage_is_noticed_and_mended_by_putting_again(tmp_path: Path, content: bytes, data: st.DataObject) -> None:
    """One flipped bit, a cut or a longer file: reading names the blob, writing the content again mends it."""
    store, digest, path = damaged(tmp_path / "b", content)
    at, bit = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 7))
    flipped = bytes([*content[:at], content[at] ^ (1 << bit), *content[at + 1 :]])
    for wrong in (flipped, content[:at], content + b"\0"):
        path.chmod(0o600)
        path.write_bytes(wrong)
        with pytest.raises(BlobCorruptError, match=digest):
            store.get(digest)
        assert not store.holds(digest)
        store.put(content)
        assert store.get(digest) == content


def test_writing_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up while writing leaves neither the blob nor a piece of it."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    store = BlobStore(tmp_path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BlobStoreError, match="No space left on device"):
        store.put(b"content")
    assert list(store.digests()) == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_pieces_that_a_killed_writer_left_are_no_blobs(tmp_path: Path) -> None:
    """A draft is not taken for a blob."""
    store = BlobStore(tmp_path)
    store.put(b"content")
    (tmp_path / "drafts" / "tmpabc").write_bytes(b"cont")
    assert list(store.digests()) == [digest_of(b"content")]


def test_blobs_are_not_for_writing(tmp_path: Path) -> None:
    """On disk a blob is read-only, against editors and slips."""
    _, _, path = damaged(tmp_path, b"x")
    path.unlink()
    BlobStore(tmp_path).put(b"x")
    assert path.stat().st_mode & 0o777 == 0o444


def test_a_place_that_can_not_be_is_refused(tmp_path: Path) -> None:
    """A file where the folder should be, or a password in a URL: the error tells the place, not the password."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BlobStoreError, match="LIKEWISE_BLOBS"):
        BlobStore(tmp_path / "file").put(b"x")
    with pytest.raises(BlobStoreError) as caught:
        BlobStore("nosuch://ann:secret@host/blobs")
    assert "secret" not in str(caught.value)
