"""Integers beyond 2**53 as categories: each keeps its value, whatever stands beside it in a batch."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from likewise.transforms import FittedTransform, Steps, Transform
from likewise.transforms import kinds as K  # noqa: N812
from likewise.transforms.columns import column_from_arrow, column_from_values
from likewise.transforms.kind import Kind
from likewise.transforms.logical_types import LogicalType

LONG = 2**53
IDS = [LONG + 1, LONG + 2, LONG + 3, 5, 7]


def of(*kinds: Kind) -> Transform:
    return Transform("t", {"o": [Steps(["x"], list(kinds))]})


@pytest.mark.parametrize(
    "beside", [0.5, 1e300, float("inf"), None, 2**63 + 5, 10**30, np.float32(1.5), np.uint64(2**63)]
)
def test_a_long_integer_has_one_code_whatever_stands_beside_it(beside: Any) -> None:
    """A row gives the same code alone and beside a fraction, an infinity or an integer beyond int64."""
    fitted = of(K.OrdinalEncoder()).fit(pa.table({"x": pa.array(IDS)}))
    alone = fitted.apply_rows([{"x": LONG + 1}])["o"]
    together = fitted.apply_rows([{"x": LONG + 1}, {"x": beside}])["o"]
    assert together[0] == alone[0] == 2
    assert together[1] == fitted.apply_rows([{"x": beside}])["o"][0]


def test_unsigned_integers_keep_their_values_beside_one_beyond_int64() -> None:
    """The same rows in batches of one and together give one digest, and neighbours stay apart."""
    table = pa.table({"x": pa.array([2**63 + 5, *IDS], pa.uint64())})
    fits = [of(K.OrdinalEncoder()).fit(table.to_batches(max_chunksize=size)) for size in (1, 2, 6)]
    assert len({fitted.digest for fitted in fits}) == 1
    codes = fits[0].apply(table)["o"].tolist()
    assert len(set(codes)) == 6
    assert [fits[0].apply_rows([row])["o"][0] for row in table.to_pylist()] == codes


@pytest.mark.parametrize("kind", [K.OrdinalEncoder(), K.CountEncoder(), K.OneHotEncoder(), K.FeatureHasher(8)])
def test_chunks_of_long_integers_and_of_fractions_make_a_sound_artifact(kind: Kind) -> None:
    """Chunks of one column that are integers and floats in turn are fitted in any order, saved and loaded."""
    chunks = [pa.table({"x": pa.array([LONG + 1, 7])}), pa.table({"x": [0.5, 1e300]}), pa.table({"x": [float("inf")]})]
    fits = [of(kind).fit(order) for order in (chunks, chunks[::-1])]
    assert fits[0].digest == fits[1].digest
    loaded = FittedTransform.from_bytes(fits[0].to_bytes())
    loaded.check_golden()
    rows = [{"x": value} for value in (LONG + 1, LONG, 7, 0.5, 1e300)]
    assert loaded.apply_rows(rows)["o"].tolist() == fits[0].apply_rows(rows)["o"].tolist()


def test_a_fraction_is_filled_in_beside_long_integers() -> None:
    """The constant of an imputer keeps its fraction in a batch with long integers."""
    steps = of(K.SimpleImputer("constant", fill_value=0.5), K.OrdinalEncoder())
    fitted = steps.fit([pa.table({"x": pa.array([LONG + 1, 7])}), pa.table({"x": [0.5, 0.25]})])
    rows = [{"x": None}, {"x": LONG + 1}]
    assert fitted.apply_rows(rows)["o"].tolist() == [fitted.apply_rows([row])["o"][0] for row in rows] == [1, 3]


def test_such_columns_go_to_arrow_as_integers_where_all_are() -> None:
    """Integers stay integers in Arrow; beside fractions they are floats, as Arrow can't hold both."""
    whole = column_from_values("x", [LONG + 1, 5.0, None], LogicalType.NUMBER).arrow()
    assert whole.to_pylist() == [LONG + 1, 5, None]
    mixed = column_from_values("x", [LONG + 1, 0.5, None], LogicalType.NUMBER)
    assert mixed.arrow().to_pylist() == [float(LONG), 0.5, None]
    assert mixed.objects() == [LONG + 1, 0.5, None]
    unsigned = column_from_arrow("x", pa.array([2**63 + 5, LONG + 1], pa.uint64()), LogicalType.NUMBER)
    assert unsigned.objects() == [float(2**63), LONG + 1]
