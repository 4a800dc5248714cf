"""Versions, releases, aliases and their log over content-addressed blobs."""

from .blobs import BlobStore
from .bundle import export_bundle, import_bundle
from .checkup import Finding, check_registry
from .errors import RegistryError
from .model_manifest import ModelFiles
from .records import Alias, AliasMove, ModelRecord, ReleaseVersion, TransformVersion
from .references import Reference, parse_reference
from .registry import Registry
from .release import Node, Release, ReleaseSpec

__all__ = [
    "Alias",
    "AliasMove",
    "BlobStore",
    "Finding",
    "ModelFiles",
    "ModelRecord",
    "Node",
    "Reference",
    "Registry",
    "RegistryError",
    "Release",
    "ReleaseSpec",
    "ReleaseVersion",
    "TransformVersion",
    "check_registry",
    "export_bundle",
    "import_bundle",
    "parse_reference",
]
