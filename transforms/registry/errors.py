"""What can go wrong with the registry, one class each; the class builds its message from raw values."""

from __future__ import annotations

from collections.abc import Sequence

from likewise.transforms.errors import LikewiseError, closest, listing


class RegistryError(LikewiseError):
    """Base of everything the registry refuses."""


class BadReferenceError(RegistryError):
    """A text that names nothing the registry could hold."""

    def __init__(self, text: str, expected: str) -> None:
        self.text, self.expected = text, expected
        super().__init__(f"{text!r} is not a reference: expected {expected}.")


class BadNameError(RegistryError):
    """A name or alias that can't be used as one."""

    def __init__(self, what: str, name: object, expected: str) -> None:
        self.what, self.name, self.expected = what, name, expected
        super().__init__(f"{name!r} can't be {what}: expected {expected}.")


class UnknownNameError(RegistryError):
    """No transform or release has this name."""

    def __init__(self, kind: str, name: str, known: Sequence[str]) -> None:
        self.kind, self.name, self.known = kind, name, tuple(known)
        there = f"There are: {listing(self.known)}." if known else f"There is no {kind} at all yet."
        super().__init__(f"no {kind} is called {name!r}.{closest(name, known)} {there}")


class UnknownVersionError(RegistryError):
    """The name is known, the version is not."""

    def __init__(self, kind: str, name: str, version: int, newest: int) -> None:
        self.kind, self.name, self.version, self.newest = kind, name, version, newest
        there = "only version 1" if newest == 1 else f"versions 1 to {newest}"
        super().__init__(f"{kind} {name!r} has {there}, got version {version}. Publish it first or name another.")


class UnknownAliasError(RegistryError):
    """The release's name is known, the alias is not."""

    def __init__(self, name: str, alias: str, known: Sequence[str]) -> None:
        self.name, self.alias, self.known = name, alias, tuple(known)
        there = f"It has: {listing(self.known)}." if known else "It has none yet."
        super().__init__(
            f"release {name!r} has no alias {alias!r}.{closest(alias, known)} {there} "
            f'Set it with: likewise alias {name} {alias} VERSION --why "..."'
        )


class UnknownDigestError(RegistryError):
    """Nothing with this digest was ever published here."""

    def __init__(self, kind: str, digest: str) -> None:
        self.kind, self.digest = kind, digest
        super().__init__(
            f"no {kind} with digest {digest} was published in this registry. "
            "Publish it here first; `likewise list` shows what there is."
        )


class AmbiguousDigestError(RegistryError):
    """A shortened digest that several artifacts share."""

    def __init__(self, kind: str, digest: str, found: Sequence[str]) -> None:
        self.kind, self.digest, self.found = kind, digest, tuple(found)
        super().__init__(f"{digest} could be any of {len(found)} {kind}s: {listing(self.found, 4)}. Write more of it.")


class BlobMissingError(RegistryError):
    """A blob is named but not there."""

    def __init__(self, digest: str, place: str) -> None:
        self.digest, self.place = digest, place
        super().__init__(
            f"blob {digest} is not at {place}. Restore the blobs from a backup, "
            "or publish the same content again: that puts the blob back."
        )


class BlobCorruptError(RegistryError):
    """A blob's content is not what its name says."""

    def __init__(self, digest: str, place: str, got: str) -> None:
        self.digest, self.place, self.got = digest, place, got
        super().__init__(
            f"blob {digest} at {place} is damaged: its content has {got}. Restore this file from a backup, "
            "or publish the same content again: that puts the blob back."
        )


class BlobStoreError(RegistryError):
    """The place of the blobs can't be used."""

    def __init__(self, place: str, reason: str) -> None:
        self.place, self.reason = place, reason
        super().__init__(f"the blobs at {place} can't be used: {reason}. Check LIKEWISE_BLOBS and access to it.")


class ArtifactNotItselfError(RegistryError):
    """An artifact says of itself something else than the registry recorded."""

    def __init__(self, reference: str, expected: str, got: str) -> None:
        self.reference, self.expected, self.got = reference, expected, got
        super().__init__(
            f"{reference}: expected an artifact with digest {expected}, got {got}. It may have been made by another "
            "version of Likewise; do not serve from it, and publish it anew."
        )


class ManifestError(RegistryError):
    """A manifest that is not sound."""

    def __init__(self, what: str, where: str, expected: str, got: object) -> None:
        self.what, self.where, self.expected, self.got = what, where, expected, got
        shown = repr(got)
        shown = shown if len(shown) <= 80 else shown[:77] + "..."
        super().__init__(f"{what}: {where} should be {expected}, got {shown}.")


class ManifestFormatError(RegistryError):
    """A manifest of a format this build can't read."""

    def __init__(self, what: str, got: object, known: Sequence[int]) -> None:
        self.what, self.got, self.known = what, got, tuple(known)
        super().__init__(
            f"{what}: expected format {' or '.join(map(str, known))}, got {got!r}. "
            "A newer Likewise wrote it; upgrade this one to read it."
        )


class ReleaseMismatchError(RegistryError):
    """The parts of a release do not belong together."""

    def __init__(self, release: str, where: str, expected: str, got: str) -> None:
        self.release, self.where, self.expected, self.got = release, where, expected, got
        super().__init__(
            f"release {release!r}: {where}: expected {expected}, got {got}. "
            "A release takes the transform that its models were trained with."
        )


class UnverifiedTransformError(RegistryError):
    """An alias was asked for a release whose transform nobody vouches for."""

    def __init__(self, release: str, alias: str, transform: str) -> None:
        self.release, self.alias, self.transform = release, alias, transform
        super().__init__(
            f"{release} may not become {alias!r}: its {transform} is unverified (it was published by hand or came "
            "in a bundle, so nobody here knows which rows it saw). Run the recipe: a pipeline that fits the same "
            "transform verifies it; for a bundle, import it again with --verified to vouch for it."
        )


class WhyMissingError(RegistryError):
    """An alias was to be moved without a reason."""

    def __init__(self, name: str, alias: str) -> None:
        self.name, self.alias = name, alias
        super().__init__(f"moving {name}@{alias} needs a reason for the log: give why (--why) some text.")


class RegistryUrlError(RegistryError):
    """The registry's URL can't be used."""

    def __init__(self, url: str, reason: str) -> None:
        self.url, self.reason = url, reason
        super().__init__(
            f"{url!r} can't be a registry: {reason}. Expected sqlite:///path/registry.db or "
            "postgresql://user:password@host/database (LIKEWISE_REGISTRY)."
        )


class RegistryUnavailableError(RegistryError):
    """The database does not answer, or not as it should."""

    def __init__(self, url: str, reason: str) -> None:
        self.url, self.reason = url, reason
        super().__init__(
            f"the registry at {url} can't be used now: {reason}. Check LIKEWISE_REGISTRY and the database."
        )


class RegistryMissingError(RegistryError):
    """There is no registry where one was to be read."""

    def __init__(self, url: str) -> None:
        self.url = url
        super().__init__(f"there is no registry at {url} yet: publishing makes it, and so does `likewise demo`.")


class RegistryNewerError(RegistryError):
    """The database was migrated by a newer build."""

    def __init__(self, url: str, got: str, known: Sequence[str]) -> None:
        self.url, self.got, self.known = url, got, tuple(known)
        super().__init__(
            f"the registry at {url} has schema {got!r}; this build knows {listing(self.known)}. "
            "A newer Likewise migrated it: upgrade this one."
        )


class BundleError(RegistryError):
    """A bundle that can't be read or written; nothing was imported."""

    def __init__(self, path: str, problem: str) -> None:
        self.path, self.problem = path, problem
        super().__init__(f"bundle {path} can't be used: {problem}. Nothing was imported; export it anew.")
