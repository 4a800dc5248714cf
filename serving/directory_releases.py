"""The one release of a release directory."""

from collections.abc import Callable

from likewise.models import load_predictor
from likewise.serving.errors import UnknownReleaseError
from likewise.serving.loaded_release import LoadedRelease, ReleaseIdentity
from likewise.serving.online import OnlineReader
from likewise.serving.plan import FeaturePlan
from likewise.serving.release_checks import check_inputs, check_one_node
from likewise.serving.release_dir import ReleaseContent
from likewise.serving.resident import split_reference
from likewise.serving.settings import OnStale


class DirectoryReleases:
    """A `ReleaseSource` of one release that never changes.

    Parameters
    ----------
    content
        The directory, read and checked.
    read
        Makes a reader of its plan.
    on_stale
        The server's choice.
    """

    def __init__(self, content: ReleaseContent, read: Callable[[FeaturePlan], OnlineReader], on_stale: OnStale) -> None:
        self._content, self._read, self._on_stale = content, read, on_stale

    def version_of(self, reference: str) -> int:
        """Return the version of the release if the reference names it."""
        name, mark = split_reference(reference)
        held = self._content.name
        if name != held.name or mark not in ("", f":{held.version}"):
            raise UnknownReleaseError(reference, [held.reference])
        return held.version

    def load(self, name: str, version: int) -> LoadedRelease:
        """Return the release, proved on this machine.

        Raises
        ------
        LikewiseError
            Its parts do not fit together, or it failed its proof.
        """
        self.version_of(f"{name}:{version}")
        held, bundle, plan = self._content.name, self._content.bundle, self._content.features.plan
        release = bundle.release
        if release is None:  # `read_release_dir` refuses such a bundle
            raise UnknownReleaseError(held.reference, [])
        check_one_node(held.reference, release)
        check_inputs(held.reference, release, plan, bundle.transform)
        loaded = LoadedRelease(
            identity=ReleaseIdentity(
                held.name, held.version, held.digest, release.transform, (), dict(release.metrics), held.created_at
            ),
            reader=self._read(plan),
            transform=bundle.transform,
            predictor=load_predictor(bundle.models[release.nodes[0].artifact]) if release.nodes else None,
            refuse_stale=self._on_stale == "refuse",
        )
        loaded.prove()
        return loaded

    def moved(self, release: LoadedRelease) -> tuple[str, ...]:  # noqa: ARG002  the port's
        """Return nothing: there is no Feast registry that could have moved."""
        return ()
