"""`likewise release-dir`: a release in a folder that a server starts from, without registry and Feast repository."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from likewise.cli.progress import StepLog
from likewise.cli.registry_access import open_registry
from likewise.cli.settings import load_settings
from likewise.serving.feast_repository import FeastRepository
from likewise.serving.registry_releases import RegistryReleases
from likewise.serving.release_dir import ReleaseName, write_release_dir
from likewise.serving.resident import split_reference
from likewise.stores.clock import parse_clock
from likewise.transforms.registry import export_bundle

app = typer.Typer(add_completion=False)


@app.command("release-dir")
def release_dir(
    release: Annotated[str, typer.Argument(metavar="RELEASE", help="NAME@ALIAS or NAME:VERSION.")],
    folder: Annotated[Path, typer.Argument(help="The folder to make; it must not exist.")],
) -> None:
    """Prove a release, resolve its features, and write all that a server needs into one folder.

    Serve it with `likewise serve --release-dir FOLDER`, here or on a machine that has neither the registry nor the
    Feast repository.
    """
    settings, steps = load_settings(), StepLog()
    registry = open_registry(settings, create=False)
    repository = FeastRepository(settings.repo, parse_clock(settings.clock))
    source = RegistryReleases(registry, repository)
    with steps.step("load and prove") as step:
        loaded = source.load(split_reference(release)[0], source.version_of(release))
        step.outcome = loaded.identity.reference
    with steps.step("write") as step, TemporaryDirectory() as draft:
        identity = loaded.identity
        bundle = export_bundle(registry, f"release:{identity.reference}", Path(draft) / "release.bundle")
        name = ReleaseName(identity.name, identity.version, identity.digest, identity.created_at)
        written = write_release_dir(folder, name, bundle, repository.features_of(loaded))
        step.outcome = f"{written} ({sum(path.stat().st_size for path in written.rglob('*.*')):,} bytes)"
