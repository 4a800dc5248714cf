"""Request data against its declared type, where a type is more than its logical type says."""

from typing import Any

import pytest

from likewise.serving.entity_rows import RowRules, check_rows
from likewise.serving.errors import WrongTypeError
from likewise.serving.plan import FeaturePlan, Field
from likewise.transforms.columns import LogicalType

RULES = RowRules("request", 10, ignore_unknown=False)


def plan(feast_type: str) -> FeaturePlan:
    field = Field("count", LogicalType.NUMBER, feast_type)
    return FeaturePlan(service=None, join_keys=(), request_fields=(field,), stored=(), computed=(), served=())


@pytest.mark.parametrize("value", [1.5, float("inf"), 2**63, "7", True])
def test_an_integer_field_takes_whole_numbers_only(value: Any) -> None:
    """A fraction is refused with its row: on-demand code would see it cut, and a transform whole."""
    with pytest.raises(WrongTypeError, match="row 1"):
        check_rows(plan("INT64"), {"count": [1, value]}, RULES)


def test_whole_numbers_stay_as_they_are() -> None:
    """Integers beyond 2**53, whole floats (of clients that have no other numbers) and nulls are taken."""
    rows = check_rows(plan("INT64"), {"count": [2**60 + 1, 3.0, None]}, RULES)
    assert rows.request["count"].objects() == [2**60 + 1, 3.0, None]
    assert check_rows(plan("DOUBLE"), {"count": [1.5]}, RULES).request["count"].objects() == [1.5]
    with pytest.raises(WrongTypeError, match="32 bits"):
        check_rows(plan("INT32"), {"count": [2**40]}, RULES)


@pytest.mark.parametrize("feast_type", ["DOUBLE", "FLOAT"])
def test_a_number_with_a_point_is_a_float_however_it_is_written(feast_type: str) -> None:
    """A transform sees a long integer in such a field as it did in training: as the nearest float, with its text."""
    values = check_rows(plan(feast_type), {"count": [2**60 + 1, 7]}, RULES).request["count"].objects()
    assert list(map(repr, values)) == [repr(float(2**60 + 1)), "7.0"]
