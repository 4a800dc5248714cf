import pytest

from likewise.models import WideAndDeep
from likewise.models.errors import FamilySettingError


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"hidden": ()}, "hidden"),
        ({"hidden": (8, 0)}, "hidden"),
        ({"embedding": 0}, "embedding"),
        ({"dropout": 1.0}, "dropout"),
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 0}, "batch_size"),
        ({"patience": 0}, "patience"),
        ({"learning_rate": float("nan")}, "learning_rate"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(settings: dict, named: str) -> None:
    """A recipe with an impossible model fails when it is read, not after the history was retrieved."""
    with pytest.raises(FamilySettingError, match=named):
        WideAndDeep(**settings)


def test_settings_are_recorded_as_json_values() -> None:
    """What goes into the model's metadata names the family and every setting."""
    found = WideAndDeep(hidden=(8, 4), seed=3).settings()
    assert (found["family"], found["hidden"], found["seed"]) == ("wide_and_deep", [8, 4], 3)
    assert set(WideAndDeep.__slots__) <= set(found)
