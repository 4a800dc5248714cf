"""The fingerprint of feature definitions, part by part: pure data, for those who only compare."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DefinitionParts:
    """What tells definitions apart.

    Attributes
    ----------
    fingerprint
        `sha256:` of all parts; equal exactly when nothing that can change a value differs.
    parts
        Digest by part: `service:NAME`, `view:NAME`, `on_demand:NAME`.
    """

    fingerprint: str
    parts: Mapping[str, str]

    def differences(self, parts: Mapping[str, str]) -> tuple[str, ...]:
        """Return the names of parts that differ from another set of parts, added and removed ones included."""
        return tuple(sorted(name for name in {*self.parts, *parts} if self.parts.get(name) != parts.get(name)))
