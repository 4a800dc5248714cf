"""Which releases answer in this worker: swapped whole, by alias, the old one drained."""

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from likewise.serving.errors import NothingLoadedError, UnknownReleaseError
from likewise.serving.loaded_release import LoadedRelease
from likewise.transforms.errors import LikewiseError

logger = logging.getLogger(__name__)

# A release that was refused may have met a passing fault (a registry or a blob store that did not answer), or
# definitions that are applied again by now.
RETRY_SECONDS = 30.0


class ReleaseSource(Protocol):
    """Port to the registry: finds which release a reference names and makes it ready."""

    def version_of(self, reference: str) -> int:
        """Return the version that `NAME@ALIAS` or `NAME:VERSION` names now."""
        ...

    def load(self, name: str, version: int) -> LoadedRelease:
        """Return a release, proved; raise a LikewiseError when it must not serve."""
        ...

    def moved(self, release: LoadedRelease) -> tuple[str, ...]:
        """Return the parts of the feature definitions that are not (or no longer) as the release pinned them."""
        ...


@dataclass(frozen=True, slots=True)
class Slot:
    """What serves one reference.

    Attributes
    ----------
    reference
        `NAME@ALIAS` or `NAME:VERSION`, as configured.
    current
        The release that answers; None before the first load.
    problem
        Why the release that the reference names now is not the one that answers; None if all is well.
    problem_version
        The version that was refused, so that it is not proved at every look.
    retry_at
        When that version is tried again, by `time.monotonic()`.
    moved
        Parts of the feature definitions that are no longer as the current release pinned them.
    """

    reference: str
    current: LoadedRelease | None = None
    problem: str | None = None
    problem_version: int | None = None
    retry_at: float = 0.0
    moved: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the release's name."""
        return split_reference(self.reference)[0]


def split_reference(reference: str) -> tuple[str, str]:
    """Return (name, `@alias` or `:version` or empty)."""
    bare = reference.removeprefix("release:")
    for mark in ("@", ":"):
        name, separator, rest = bare.partition(mark)
        if separator:
            return name, mark + rest
    return bare, ""


class ResidentReleases:
    """Releases by reference. Reading is one dictionary lookup; a swap replaces the whole table.

    A request takes its release once and keeps it to the end, so no answer mixes two.
    """

    def __init__(self, source: ReleaseSource, references: tuple[str, ...]) -> None:
        self._source = source
        self._slots = {reference.removeprefix("release:"): Slot(reference) for reference in references}
        self._table: Mapping[str, LoadedRelease] = {}
        self._inflight = _Inflight()
        self._refreshing = threading.Lock()

    def find(self, reference: str) -> LoadedRelease:
        """Return the release that answers for `NAME`, `NAME@ALIAS` or `NAME:VERSION`.

        Raises
        ------
        UnknownReleaseError
            Nothing of that name is configured here (close names are suggested).
        NothingLoadedError
            It is configured but did not load.
        """
        release = self._table.get(reference)
        return release if release is not None else self._explain(reference)

    @contextmanager
    def using(self, release: LoadedRelease) -> Iterator[None]:
        """Count a request on its release, so that a swap can wait for the last one."""
        self._inflight.enter(release)
        try:
            yield
        finally:
            self._inflight.leave(release)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Return what is configured and what serves it."""
        return tuple(self._slots.values())

    @property
    def is_ready(self) -> bool:
        """Whether every configured reference has a release that answers."""
        return all(slot.current is not None for slot in self._slots.values())

    def refresh(self) -> tuple[str, ...]:
        """Look every reference up and swap what changed; return the references that were swapped.

        A release that can't be loaded or proved is reported once and the one before it goes on.
        """
        with self._refreshing:
            return tuple(reference for reference in tuple(self._slots) if self._refresh(reference))

    def _refresh(self, reference: str) -> bool:
        slot = self._slots[reference]
        try:
            version = self._source.version_of(reference)
        except LikewiseError as error:
            noted = replace(slot, problem=str(error), problem_version=None)
            self._put(noted, changed=slot.problem != str(error))
            return False
        if slot.current is not None and slot.current.identity.version == version:
            self._put(replace(slot, problem=None, problem_version=None), changed=False)
            return False
        if slot.problem_version == version and time.monotonic() < slot.retry_at:
            return False
        return self._load(slot, version)

    def _load(self, slot: Slot, version: int) -> bool:
        try:
            release = self._source.load(slot.name, version)
        except Exception as error:  # whatever it is, other references are followed on
            if not isinstance(error, LikewiseError):
                logger.exception("loading %s:%d failed", slot.name, version)
            problem = str(error) or type(error).__name__
            refused = replace(slot, problem=problem, problem_version=version, retry_at=time.monotonic() + RETRY_SECONDS)
            self._put(refused, changed=(slot.problem, slot.problem_version) != (problem, version))
            return False
        self._put(Slot(slot.reference, release, moved=release.identity.moved), changed=False)
        previous = slot.current.identity.reference if slot.current else "nothing"
        logger.info("%s now answers with %s (before: %s)", slot.reference, release.identity.reference, previous)
        return True

    def look_for_moved_definitions(self) -> None:
        """Compare every release with the Feast registry again; say loudly what moved since."""
        with self._refreshing:
            for slot in tuple(self._slots.values()):
                moved = self._source.moved(slot.current) if slot.current is not None else ()
                if moved != slot.moved:
                    self._put(replace(slot, moved=moved), changed=False)
                    tell_moved(_name_of(slot.current), moved)

    def _put(self, slot: Slot, *, changed: bool) -> None:
        if changed and slot.problem:
            logger.error("%s keeps %s: %s", slot.reference, _name_of(slot.current), slot.problem)
        self._slots[slot.reference.removeprefix("release:")] = slot
        self._table = _table(self._slots.values())

    def inflight(self, release: LoadedRelease) -> int:
        """Return how many requests a release is answering now."""
        return self._inflight.count(release)

    def drain(self, release: LoadedRelease, timeout_seconds: float) -> bool:
        """Wait until a release that was swapped out answers its last request; return whether it did in time."""
        end = time.monotonic() + timeout_seconds
        while self._inflight.count(release) and time.monotonic() < end:
            time.sleep(0.01)
        return not self._inflight.count(release)

    def _explain(self, reference: str) -> LoadedRelease:
        name, mark = split_reference(reference)
        for slot in self._slots.values():
            if slot.current is None and slot.name == name and mark in ("", split_reference(slot.reference)[1]):
                raise NothingLoadedError(slot.reference, slot.problem or "it is being loaded")
        raise UnknownReleaseError(reference, [*self._slots, *{slot.name for slot in self._slots.values()}])


class _Inflight:
    """How many requests each release is answering; a swapped-out release leaves the table with its last one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[int, int] = {}

    def enter(self, release: LoadedRelease) -> None:
        with self._lock:
            self._counts[id(release)] = self._counts.get(id(release), 0) + 1

    def leave(self, release: LoadedRelease) -> None:
        with self._lock:
            left = self._counts[id(release)] - 1
            if left:
                self._counts[id(release)] = left
            else:
                del self._counts[id(release)]

    def count(self, release: LoadedRelease) -> int:
        return self._counts.get(id(release), 0)


def _table(slots: Iterable[Slot]) -> Mapping[str, LoadedRelease]:
    """Return every name a request may use: the reference itself, `NAME:VERSION`, and `NAME` where one slot has it."""
    loaded = [(slot, slot.current) for slot in slots if slot.current is not None]
    names = [slot.name for slot, _ in loaded]
    table: dict[str, LoadedRelease] = {}
    for slot, release in loaded:
        table[slot.reference.removeprefix("release:")] = release
        table[release.identity.reference] = release
        if names.count(slot.name) == 1 or split_reference(slot.reference)[1] == "@prod":
            table[slot.name] = release
    return table


def tell_moved(reference: str, moved: tuple[str, ...]) -> None:
    """Log loudly that feature definitions are not as a release pinned them (or are so again)."""
    if not moved:
        logger.warning("the feature definitions of %s are again as it pinned them", reference)
        return
    logger.error(
        "DEFINITIONS MOVED: %s was made with other definitions of %s than the Feast registry holds now; "
        "its inputs may no longer mean what they meant in training. Retrain, or apply the old definitions.",
        reference,
        ", ".join(moved),
    )


def _name_of(release: LoadedRelease | None) -> str:
    return release.identity.reference if release else "nothing"
