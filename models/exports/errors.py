"""What can go wrong with an export, one class a situation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from likewise.models.errors import ModelError


class ExportError(ModelError):
    """Base of every error of `likewise.models.exports`."""


class ExportBoundError(ExportError):
    """An export computes otherwise than the transform, beyond the stated bound; nothing was written."""

    def __init__(self, target: str, findings: Sequence[str]) -> None:
        self.target, self.findings = target, tuple(findings)
        more = f" and {len(findings) - 5} more" if len(findings) > 5 else ""
        super().__init__(
            f"the {target} export was refused and nothing written: expected the transform's own outputs within the "
            f"stated bound, got: {'; '.join(findings[:5])}{more}. "
            "Leave the step out of the export (its own output), or serve the transform itself."
        )


class ExportStepError(ExportError):
    """A step was given a form of column it has no use for."""

    def __init__(self, what: str, expected: str) -> None:
        self.what, self.expected = what, expected
        super().__init__(f"{what} cannot be exported as {expected}; the steps before it don't fit.")


class ExportPathError(ExportError):
    """The place to write to holds something else."""

    def __init__(self, path: Path, got: str) -> None:
        self.path = path
        super().__init__(
            f"{path}: expected a new path or an earlier export, got {got}; nothing was written. Name another --output."
        )


class ExportNameError(ExportError):
    """Two columns can't be told apart under the names a target allows."""

    def __init__(self, target: str, first: str, second: str) -> None:
        self.target, self.first, self.second = target, first, second
        super().__init__(
            f"columns {first!r} and {second!r} have one name in {target}: expected names that differ there. "
            "Rename one in the feature view."
        )


class ModelNotExportableError(ExportError):
    """A release's model has no Keras form."""

    def __init__(self, release: str, got: str) -> None:
        self.release = release
        super().__init__(
            f"{release}: expected one model with a file 'model.keras', got {got}. "
            "Export its transform instead: `likewise export transform:NAME:VERSION --to keras`."
        )


class MissingMarkError(ExportError):
    """Data hold the very value that stands for a missing one."""

    def __init__(self, column: str, mark: object) -> None:
        self.column, self.mark = column, mark
        super().__init__(f"column {column!r} holds {mark!r}, which stands for a missing value in the Keras export.")


class ExportReloadError(ExportError):
    """What was written does not load again."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what} did not load again, so nothing was kept: {why}")
