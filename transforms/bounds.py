"""How far a newly fitted transform may move from the one before; declared with the transform."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from likewise.transforms.errors import SettingError


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far outputs may move on the sample before the verdict is breaking; None sets no bound.

    Parameters
    ----------
    psi
        Population stability index of any output column; not judged on fewer than 100 rows.
    share_changed
        Share of rows of an output in which any value changes.
    difference
        Absolute difference of any value.
    """

    psi: float | None = 0.2
    share_changed: float | None = None
    difference: float | None = None

    def __post_init__(self) -> None:
        for name in ("psi", "share_changed", "difference"):
            bound = getattr(self, name)
            is_number = isinstance(bound, (int, float)) and not isinstance(bound, bool)
            if bound is not None and not (is_number and bound >= 0):
                raise SettingError("Bounds", name, "a number from 0, or None", bound)

    def noted(self) -> dict[str, Any]:
        """Return the bounds as they stand in a fitted transform's provenance."""
        return asdict(self)


def bounds_of(provenance: Any) -> Bounds | None:
    """Return the bounds a fitted transform's provenance notes, if it does.

    Raises
    ------
    SettingError
        When what stands there is no bounds; provenance is covered by no digest.
    """
    noted = provenance.get("bounds")
    if noted is None:
        return None
    if not isinstance(noted, dict) or not noted.keys() <= {"psi", "share_changed", "difference"}:
        raise SettingError("provenance", "bounds", "psi, share_changed and difference", noted)
    return Bounds(**noted)
