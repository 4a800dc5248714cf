"""Checked access to the fields of a manifest: every wrong one has its name, what it should be and what it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import BadReferenceError, ManifestError
from .references import check_digest


class Fields:
    """The fields of one JSON object.

    Parameters
    ----------
    what
        What the object is, for messages.
    value
        The object; anything else is refused.
    """

    def __init__(self, what: str, value: Any) -> None:
        if not isinstance(value, Mapping):
            raise ManifestError(what, "it", "an object", value)
        self._what, self._value = what, value

    def expect_keys(self, keys: set[str]) -> None:
        """Refuse a field that is absent or unknown."""
        for key in sorted(keys - set(self._value)):
            raise ManifestError(self._what, key, "present", "nothing")
        for key in sorted(set(self._value) - keys):
            raise ManifestError(self._what, key, "absent: this format has no such field", self._value[key])

    def expect(self, key: str, wanted: str) -> None:
        """Refuse another value than `wanted`."""
        if self.text(key) != wanted:
            raise ManifestError(self._what, key, repr(wanted), self._value[key])

    def text(self, key: str) -> str:
        """Return a field that is text."""
        return str(self._typed(key, str, "text"))

    def integer(self, key: str) -> int:
        """Return a field that is a whole number from 0."""
        value = self._typed(key, int, "a whole number")
        if isinstance(value, bool) or value < 0:
            raise ManifestError(self._what, key, "a whole number from 0", value)
        return int(value)

    def digest(self, key: str) -> str:
        """Return a field that is a whole digest."""
        try:
            return check_digest(self._value.get(key))
        except BadReferenceError as error:
            raise ManifestError(self._what, key, "a digest (sha256: and 64 hexadecimal digits)", error.text) from error

    def mapping(self, key: str) -> dict[str, Any]:
        """Return a field that is an object."""
        return dict(self._typed(key, Mapping, "an object"))

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a field that is a list of texts."""
        value = self._typed(key, list | tuple, "a list of texts")
        if not all(isinstance(item, str) for item in value):
            raise ManifestError(self._what, key, "a list of texts", value)
        return tuple(str(item) for item in value)

    def text_mapping(self, key: str) -> dict[str, str]:
        """Return a field that is an object of texts."""
        value = self.mapping(key)
        if not all(isinstance(item, str) for item in value.values()):
            raise ManifestError(self._what, key, "an object of texts", value)
        return {name: str(item) for name, item in value.items()}

    def objects(self, key: str) -> tuple[Any, ...]:
        """Return a field that is a list."""
        return tuple(self._typed(key, list | tuple, "a list"))

    def _typed(self, key: str, wanted: Any, expected: str) -> Any:
        value = self._value.get(key)
        if not isinstance(value, wanted):
            raise ManifestError(self._what, key, expected, value)
        return value
