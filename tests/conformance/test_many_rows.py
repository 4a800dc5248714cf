"""Bit-equality of small batches with the whole over many rows; minutes, so for `make prove`."""

from itertools import pairwise

import numpy as np
import pytest

from likewise.transforms.columns import Column, columns_from_arrow, schema_of
from likewise.transforms.testing import KindCase, assert_same_bits
from tests.conformance.kind_cases import CASES

NUMERIC = [case for case in CASES if all(t.is_numeric for t in case.types)]


def cut(columns: dict[str, Column], start: int, stop: int) -> dict[str, Column]:
    return {name: Column(c.type, c.values[start:stop]) for name, c in columns.items()}


@pytest.mark.prove
@pytest.mark.parametrize("case", NUMERIC, ids=lambda case: repr(case.kind))
def test_batches_of_1_to_64_over_a_million_rows(case: KindCase) -> None:
    """1,000,000 rows in batches of 1 to 64, and 20,000 single rows, give the bits of the whole."""
    fitted, table = case.fitted(5000), case.table(1_000_000, seed=21)
    columns = columns_from_arrow(table, schema_of(fitted.inputs))
    whole = fitted.apply(table)
    sizes = np.random.default_rng(0).integers(1, 65, 40_000)
    bounds = np.concatenate([np.arange(20_000), 20_000 + np.cumsum(sizes)])
    bounds = np.append(bounds[bounds < 1_000_000], 1_000_000).tolist()
    parts = [fitted.apply_columns(cut(columns, a, b)) for a, b in pairwise(bounds)]
    joined = {name: np.concatenate([p[name] for p in parts]) for name in whole}
    assert_same_bits(whole, joined, "small batches")
