"""What the request log holds of answers: numbers as the transform saw them."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from likewise.serving.joined_columns import joined
from likewise.serving.logged_rows import Logged, array_of, shape_of
from likewise.serving.plan import ComputedView, Field, Served
from likewise.transforms.columns import Column, LogicalType, column_from_values
from tests.serving.fakes import plan

COUNT = Field("count", LogicalType.NUMBER, "INT64")
PLAN = replace(
    plan(), computed=(cast("ComputedView", SimpleNamespace(name="code")),), served=(Served("code", COUNT, "count"),)
)


def answered(values: list[object]) -> Logged:
    """Return a request for which code of an on-demand view returned these values."""
    rows = SimpleNamespace(columns={"count": column_from_values("count", values, LogicalType.NUMBER)})
    release: Any = SimpleNamespace(reader=SimpleNamespace(plan=PLAN))
    return Logged("1", release, cast("Any", SimpleNamespace(rows=rows)))


@pytest.mark.parametrize("other", [[1e18], [1e300], [0.5]])
def test_long_integers_stay_exact_whatever_others_got(other: list[object]) -> None:
    """Floats beyond 2**53, and fractions, are logged apart from requests whose integers they would round."""
    exact = [answered([2**60 + 1]), answered([7])]
    assert [shape_of(one) for one in exact] == [(), ()]
    assert shape_of(answered(other)) == ("count",)
    columns: list[Column] = [one.answer.rows.columns["count"] for one in exact]
    assert array_of(joined(columns), COUNT).to_pylist() == [2**60 + 1, 7]
