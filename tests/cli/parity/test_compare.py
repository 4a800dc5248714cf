from datetime import UTC, datetime

import numpy as np

from likewise.cli.parity.compare import Expected, differences, differing_bits, equal_values, largest_distance
from likewise.transforms.columns import Column
from likewise.transforms.logical_types import LogicalType

NOW = datetime(2013, 11, 5, 12, tzinfo=UTC)
NAN = float("nan")


def numbers(*values: float) -> Column:
    return Column(LogicalType.NUMBER, np.array(values, np.float64))


def texts(*values: str | None) -> Column:
    return Column(LogicalType.TEXT, np.array(values, object))


def expected(column: Column, age_seconds: float = 60.0, known: Column | None = None) -> Expected:
    event = int((NOW.timestamp() - age_seconds) * 1e6)
    return Expected({"x": column}, np.full(len(column), event, np.int64), None if known is None else {"x": known})


def test_numbers_are_equal_by_their_bits_and_missing_equals_missing() -> None:
    """One unit in the last place is a difference; two missing values are none."""
    left, right = numbers(1.0, NAN, 0.1), numbers(np.nextafter(1.0, 2.0), NAN, 0.1)
    assert equal_values(left, right).tolist() == [False, True, True]


def test_text_is_equal_by_value() -> None:
    """An empty text is a value and no missing one."""
    assert equal_values(texts("a", "", None), texts("a", None, None)).tolist() == [True, False, True]


def test_a_difference_that_the_cadence_explains_is_stale_with_its_age() -> None:
    """Online holds exactly what its last run left, history knows a newer row."""
    [found] = differences(
        NOW, {"x": numbers(2.0)}, {"x": numbers(1.0)}, {"x": expected(numbers(1.0), 90.0, known=numbers(2.0))}
    )
    assert (found.reason, found.age_seconds, found.history, found.online) == ("stale", 90.0, 2.0, 1.0)


def test_a_difference_that_no_cadence_explains_is_unexplained() -> None:
    """Online holds neither history's value nor the one its last run left."""
    [found] = differences(NOW, {"x": numbers(2.0)}, {"x": numbers(3.0)}, {"x": expected(numbers(1.0))})
    assert found.reason == "unexplained"


def test_a_history_that_sees_the_future_is_never_called_stale() -> None:
    """Online is right by its cadence, and history says what was not known at the instant: that is unexplained."""
    allowed = {"x": expected(numbers(1.0), known=numbers(1.0))}
    [found] = differences(NOW, {"x": numbers(9.0)}, {"x": numbers(1.0)}, allowed)
    assert found.reason == "unexplained"


def test_a_computed_feature_may_differ_only_where_a_stored_one_is_stale() -> None:
    """Row 0 has a stale input; row 1 has none, so its computed value must be equal."""
    history = {"x": numbers(2.0, 5.0), "y": numbers(4.0, 25.0)}
    online = {"x": numbers(1.0, 5.0), "y": numbers(1.0, 26.0)}
    found = differences(NOW, history, online, {"x": expected(numbers(1.0, 5.0), known=numbers(2.0, 5.0))})
    assert [(one.feature, one.row, one.reason) for one in found] == [
        ("x", 0, "stale"),
        ("y", 0, "stale"),
        ("y", 1, "unexplained"),
    ]


def test_tensors_differ_by_bits_and_by_shape() -> None:
    """A sign of zero counts; an absent or misshapen tensor counts with all its elements."""
    left = {"a": np.array([0.0, 1.0], np.float32), "b": np.zeros((2, 3), np.float32)}
    right = {"a": np.array([-0.0, 1.0], np.float32), "b": np.zeros((3, 2), np.float32)}
    assert differing_bits(left, left) == 0
    assert differing_bits(left, right) == 1 + 6
    assert differing_bits(left, {"a": left["a"]}) == 6


def test_an_absent_or_nan_prediction_is_infinitely_far() -> None:
    """A missing answer can never pass for an equal one."""
    one = np.array([0.25], np.float32)
    assert largest_distance(one, one) == 0.0
    assert largest_distance(one, np.array([0.5], np.float32)) == 0.25
    assert largest_distance(one, np.array([NAN], np.float32)) == float("inf")
    assert largest_distance(one, None) == float("inf")
