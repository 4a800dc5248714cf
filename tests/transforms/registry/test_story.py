"""Any sequence of publishing, promoting and rolling back, against a model of a few dictionaries."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from likewise.transforms.registry import Registry, check_registry
from likewise.transforms.registry.errors import UnverifiedTransformError
from tests.transforms.registry.fakes import FakeTransform, make_spec

NAMES = st.sampled_from(["delay", "cancel"])


class RegistryStory(RuleBasedStateMachine):
    """The registry never forgets, renumbers or reuses, whatever the order of events."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.registry = self.reopened()
        self.transforms: dict[str, list[str]] = {}
        self.verified: set[str] = set()
        self.releases: dict[str, list[tuple[str, int]]] = {}
        self.moves: dict[str, list[tuple[str, int]]] = {}

    def reopened(self) -> Registry:
        """Return the registry as a new process would open it."""
        return Registry(f"sqlite:///{self.folder.name}/registry.db", open_transform=FakeTransform.from_bytes)

    @rule(name=NAMES, state=st.integers(0, 3), verified=st.booleans())
    def publish(self, name: str, state: int, verified: bool) -> None:
        """Give a digest its version again, a new one the next."""
        fitted = FakeTransform(name=name, state=state)
        known = self.transforms.setdefault(name, [])
        version = self.registry.publish(fitted, verified=verified)
        if fitted.digest not in known:
            known.append(fitted.digest)
        self.verified |= {fitted.digest} if verified else set()
        assert (version.version, version.digest) == (known.index(fitted.digest) + 1, fitted.digest)

    @precondition(lambda self: any(self.transforms.values()))
    @rule(name=NAMES, mark=st.integers(0, 2), data=st.data())
    def release(self, name: str, mark: int, data: st.DataObject) -> None:
        """Give a spec its version again, a new one the next."""
        digest = data.draw(st.sampled_from([d for digests in self.transforms.values() for d in digests]))
        known = self.releases.setdefault(name, [])
        made = self.registry.publish_release(make_spec(digest, name=name, metrics={"mark": mark}))
        assert made.is_new == ((digest, mark) not in known)
        if made.is_new:
            known.append((digest, mark))
        assert made.version == known.index((digest, mark)) + 1

    @precondition(lambda self: any(self.releases.values()))
    @rule(alias=st.sampled_from(["prod", "staging"]), data=st.data())
    def promote(self, alias: str, data: st.DataObject) -> None:
        """Let a verified release take the alias, and no other; the log grows by what moved."""
        name = data.draw(st.sampled_from([name for name, known in self.releases.items() if known]))
        version = data.draw(st.integers(1, len(self.releases[name])))
        if self.releases[name][version - 1][0] not in self.verified:
            with pytest.raises(UnverifiedTransformError):
                self.registry.set_alias(name, alias, version, why="story")
            return
        self.registry.set_alias(name, alias, version, why="story")
        moves = self.moves.setdefault(name, [])
        if dict(moves).get(alias) != version:
            moves.append((alias, version))

    @rule()
    def reopen(self) -> None:
        """Another process takes over."""
        self.registry = self.reopened()

    @invariant()
    def everything_is_as_told(self) -> None:
        """All versions, aliases and logs are exactly those of the story."""
        for name, digests in self.transforms.items():
            assert [version.digest for version in self.registry.transforms(name)] == digests
        for name, known in self.releases.items():
            if known:
                assert [release.transform for release in self.registry.releases(name)] == [d for d, _ in known]
                assert [(m.alias, m.to_version) for m in self.registry.alias_log(name)] == self.moves.get(name, [])
            held = {alias.alias: alias.version for alias in self.registry.aliases(name)}
            assert held == dict(self.moves.get(name, []))

    def teardown(self) -> None:
        """Read everything once more."""
        assert list(check_registry(self.reopened())) == []
        assert not list(Path(self.folder.name).glob("blobs/drafts/*"))
        self.folder.cleanup()


TestRegistryStory = RegistryStory.TestCase
TestRegistryStory.settings = settings(max_examples=8, stateful_step_count=15, deadline=None)
