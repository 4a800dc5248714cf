"""Columns end to end say of each value what the column it came in said."""

import pytest

from likewise.serving.joined_columns import joined
from likewise.transforms.columns import LogicalType, column_from_values


@pytest.mark.parametrize(
    "beside", [[1e300], [-1e19], [1e18], [2.0**53], [float("inf")], [None], [0.5, 7], [2**62 + 1, 1e18]]
)
def test_a_number_is_the_same_beside_long_integers(beside: list[object]) -> None:
    """Integers beyond 2**53 stay exact; floats beside them stay floats, which have other texts, and so other hashes."""
    parts = [[2**60 + 1], beside, [-(2**63)]]
    columns = [column_from_values("x", part, LogicalType.NUMBER) for part in parts]
    together = joined(columns).objects()
    assert list(map(repr, together)) == [repr(value) for column in columns for value in column.objects()]
