"""Our elementary functions are accurate, equal for floats and arrays, and independent of CPU features."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.special

from likewise.transforms import arithmetic


def ulps(got: np.ndarray, expected: np.ndarray) -> float:
    return float(np.max(np.abs(got - expected) / np.spacing(np.abs(expected))))


def sample(low: float, high: float) -> np.ndarray:
    rng = np.random.default_rng(3)
    return np.concatenate([10.0 ** rng.uniform(low, high, 20_000), rng.uniform(0.4, 2.5, 20_000)])


def test_logarithms_are_accurate() -> None:
    """Log and log1p are within 1.5 units in the last place of numpy's."""
    assert ulps(arithmetic.log(sample(-300, 300)), np.log(sample(-300, 300))) <= 1.5
    for x in (sample(-20, 20), -sample(-20, -1) / 3, np.array([5e-324, 1e308])):
        assert ulps(arithmetic.log1p(x), np.log1p(x)) <= 1.5


def test_logarithms_at_odd_points() -> None:
    """Zero, negative numbers, infinities and NaN give what IEEE 754 asks for."""
    np.testing.assert_array_equal(
        arithmetic.log(np.array([0.0, -1.0, np.inf, np.nan])), [-np.inf, np.nan, np.inf, np.nan]
    )
    np.testing.assert_array_equal(
        arithmetic.log1p(np.array([-1.0, -2.0, np.inf, np.nan, 0.0])), [-np.inf, np.nan, np.inf, np.nan, 0.0]
    )


def test_sine_and_cosine_are_accurate() -> None:
    """Sine and cosine are within 1e-15; quarter turns are exact."""
    turns = np.random.default_rng(4).uniform(-1, 1, 20_000)
    sine, cosine = arithmetic.sin_cos_of_turns(turns)
    assert np.abs(sine - np.sin(2 * np.pi * turns)).max() < 1e-15
    assert np.abs(cosine - np.cos(2 * np.pi * turns)).max() < 1e-15
    sine, cosine = arithmetic.sin_cos_of_turns(np.array([0.0, 0.25, 0.5, -0.25, 1.0]))
    assert sine.tolist() == [0.0, 1.0, 0.0, -1.0, 0.0]
    assert cosine.tolist() == [1.0, 0.0, -1.0, 0.0, 1.0]


def test_normal_quantile_is_accurate_and_equal_for_floats() -> None:
    """The normal quantile is within 1e-14 of scipy's, and one float gives the bits of the array."""
    p = np.concatenate([np.random.default_rng(5).uniform(1e-9, 1 - 1e-9, 20_000), 10 ** np.linspace(-10, -1, 999)])
    got = arithmetic.normal_quantile(p)
    assert np.abs(got - scipy.special.ndtri(p)).max() < 1e-14
    assert [arithmetic.normal_quantile_of_float(v) for v in p.tolist()] == got.tolist()


def test_normal_quantile_of_nan() -> None:
    """NaN stays NaN, as a float and in an array."""
    assert np.isnan(arithmetic.normal_quantile(np.array([np.nan]))).all()
    assert np.isnan(arithmetic.normal_quantile_of_float(np.nan))


DIGEST_PROGRAM = """
import hashlib, numpy as np
from likewise.transforms.testing import CHECKS
from tests.conformance.kind_cases import CASES
seen = hashlib.sha256()
for case in CASES:
    fitted = case.fitted(900)
    seen.update(fitted.digest.encode())
    for tensor in fitted.apply(case.table(900, seed=11)).values():
        seen.update(np.where(tensor != tensor, 0, tensor).tobytes())
print(seen.hexdigest())
"""


def digest_without(features: str) -> str:
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": features}
    program = [sys.executable, "-W", "ignore", "-c", DIGEST_PROGRAM]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.slow
def test_no_bit_depends_on_cpu_features() -> None:
    """Every kind gives the same digests and outputs with AVX-512, and AVX2 and FMA too, switched off."""
    full = digest_without("")
    available = [
        f for f in np._core._multiarray_umath.__cpu_dispatch__ if np._core._multiarray_umath.__cpu_features__[f]
    ]
    without_512 = [f for f in available if "AVX512" in f or f == "X86_V4"]
    assert len(full) == len(hashlib.sha256().hexdigest())
    assert digest_without(" ".join(without_512)) == full
    assert digest_without(" ".join(available)) == full
