"""References to what the registry holds: `transform:NAME:3`, `release:NAME@prod`, `model:sha256:...`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import BadNameError, BadReferenceError

KINDS = ("transform", "release", "model")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SHORT_DIGEST = re.compile(r"sha256:[0-9a-f]{8,64}")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")

_FORMS = {
    "transform": "transform:NAME:VERSION or transform:sha256:DIGEST",
    "release": "release:NAME:VERSION or release:NAME@ALIAS",
    "model": "model:sha256:DIGEST",
}
_NAME_FORM = "1 to 100 letters, digits, '_', '-' or '.', beginning with a letter or digit"
_ALIAS_FORM = "1 to 63 letters, digits, '_' or '-', beginning with a letter"


@dataclass(frozen=True, slots=True)
class Reference:
    """What a reference names: a kind, and either a name with version or alias, or a digest.

    Attributes
    ----------
    kind
        "transform", "release" or "model".
    name, version, alias
        A published name with its version or alias; None with a digest.
    digest
        `sha256:` and 64 hexadecimal digits, or at least their first 8 where a person typed it.
    """

    kind: str
    name: str | None = None
    version: int | None = None
    alias: str | None = None
    digest: str | None = None

    def __str__(self) -> str:
        if self.digest is not None:
            return f"{self.kind}:{self.digest}"
        return f"{self.kind}:{self.name}" + (f"@{self.alias}" if self.alias else f":{self.version}")


def parse_reference(text: str, *, kind: str | None = None) -> Reference:
    """Return what `text` names.

    Parameters
    ----------
    text
        With its prefix (`transform:`, `release:`, `model:`), or without where `kind` says which is meant.
    kind
        The only kind that is wanted; None takes any, and reads a text without prefix as a release, or as a
        transform when it is a digest.

    Raises
    ------
    BadReferenceError
        When the text has another form or names another kind.
    """
    prefix, colon, rest = text.partition(":")
    if colon and prefix in KINDS and not _VERSION.fullmatch(rest):
        found, body = prefix, rest
    else:
        found, body = kind or ("transform" if text.startswith("sha256:") else "release"), text
    if kind is not None and found != kind:
        raise BadReferenceError(text, f"a {kind}: {_FORMS[kind]}")
    reference = _parse_body(found, body)
    if reference is None:
        raise BadReferenceError(text, _FORMS[found] if kind or found == prefix else "; ".join(_FORMS.values()))
    return reference


def _parse_body(kind: str, body: str) -> Reference | None:
    if body.startswith("sha256:"):
        taken = kind != "release" and _SHORT_DIGEST.fullmatch(body)
        return Reference(kind, digest=body) if taken else None
    name, at, alias = body.partition("@")
    if at:
        taken = kind == "release" and _NAME.fullmatch(name) and _ALIAS.fullmatch(alias)
        return Reference(kind, name=name, alias=alias) if taken else None
    name, _, version = body.partition(":")
    taken = kind != "model" and _NAME.fullmatch(name) and _VERSION.fullmatch(version)
    return Reference(kind, name=name, version=int(version)) if taken else None


def check_name(name: object) -> str:
    """Return `name` when a transform or release can be called so.

    Raises
    ------
    BadNameError
        When it can't.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BadNameError("a name in the registry", name, _NAME_FORM)
    return name


def check_alias(alias: object) -> str:
    """Return `alias` when a release can have it.

    Raises
    ------
    BadNameError
        When it can't.
    """
    if not isinstance(alias, str) or not _ALIAS.fullmatch(alias):
        raise BadNameError("an alias", alias, _ALIAS_FORM)
    return alias


def check_digest(digest: object) -> str:
    """Return `digest` when it is a whole one.

    Raises
    ------
    BadReferenceError
        When it is not `sha256:` and 64 hexadecimal digits.
    """
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise BadReferenceError(str(digest), "sha256: and 64 hexadecimal digits")
    return digest
