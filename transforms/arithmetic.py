"""Elementary functions whose last bit depends on no CPU feature.

numpy's `log`, `exp` and `pow` choose another routine, hence sometimes another last bit, by the SIMD
level of the machine, and so may a C library. These are built from operations that IEEE 754 rounds
correctly everywhere (+, -, *, /, sqrt) and from exact ones (frexp, fmod, rint). They take a Python
float or an array of any shape and give the same bits either way.

Source: polynomials and argument reductions of log, log1p, sin and cos are those of FreeBSD's msun
(e_log.c, s_log1p.c, k_sin.c, k_cos.c; Sun Microsystems, 1993), errors below 1 ulp each; the normal
quantile is Wichura's algorithm AS 241 (PPND16), Applied Statistics 37 (1988), relative error 1e-16.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
FloatOrArray = TypeVar("FloatOrArray", float, Floats)

_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_HALF_ROOT = math.sqrt(0.5)
_LOG = (
    1.479819860511658591e-01,
    1.531383769920937332e-01,
    1.818357216161805012e-01,
    2.222219843214978396e-01,
    2.857142874366239149e-01,
    3.999999999940941908e-01,
    6.666666666666735130e-01,
)
_SIN = (
    1.58969099521155010221e-10,
    -2.50507602534068634195e-08,
    2.75573137070700676789e-06,
    -1.98412698298579493134e-04,
    8.33333333332248946124e-03,
    -1.66666666666666324348e-01,
)
_COS = (
    -1.13596475577881948265e-11,
    2.08757232129817482790e-09,
    -2.75573143513906633035e-07,
    2.48015872894767294178e-05,
    -1.38888888888741095749e-03,
    4.16666666666666019037e-02,
)
_CENTRE_OVER = (
    2.5090809287301226727e3,
    3.3430575583588128105e4,
    6.7265770927008700853e4,
    4.5921953931549871457e4,
    1.3731693765509461125e4,
    1.9715909503065514427e3,
    1.3314166789178437745e2,
    3.3871328727963666080e0,
)
_CENTRE_UNDER = (
    5.2264952788528545610e3,
    2.8729085735721942674e4,
    3.9307895800092710610e4,
    2.1213794301586595867e4,
    5.3941960214247511077e3,
    6.8718700749205790830e2,
    4.2313330701600911252e1,
    1.0,
)
_TAIL_OVER = (
    7.74545014278341407640e-4,
    2.27238449892691845833e-2,
    2.41780725177450611770e-1,
    1.27045825245236838258e0,
    3.64784832476320460504e0,
    5.76949722146069140550e0,
    4.63033784615654529590e0,
    1.42343711074968357734e0,
)
_TAIL_UNDER = (
    1.05075007164441684324e-9,
    5.47593808499534494600e-4,
    1.51986665636164571966e-2,
    1.48103976427480074590e-1,
    6.89767334985100004550e-1,
    1.67638483018380384940e0,
    2.05319162663775882187e0,
    1.0,
)
_CENTRE = 0.425


def _polynomial(x: FloatOrArray, coefficients: tuple[float, ...]) -> FloatOrArray:
    """Evaluate by Horner's rule, highest power first."""
    total: Any = x * coefficients[0] + coefficients[1]
    for coefficient in coefficients[2:]:
        total = total * x + coefficient
    return total  # type: ignore[no-any-return]


def _of_degree_7(x: FloatOrArray, coefficients: tuple[float, ...]) -> FloatOrArray:
    """Return what `_polynomial` returns for eight coefficients; for one float a loop takes twice as long."""
    a, b, c, d, e, f, g, h = coefficients
    return ((((((x * a + b) * x + c) * x + d) * x + e) * x + f) * x + g) * x + h


def _log_of_parts(fraction: FloatOrArray, exponent: FloatOrArray) -> FloatOrArray:
    """Return log(fraction * 2**exponent) for a fraction from sqrt(1/2) to sqrt(2)."""
    f = fraction - 1.0
    s = f / (f + 2.0)
    z = s * s
    half_square = f * f * 0.5
    rest = z * _polynomial(z, _LOG)
    low = s * (half_square + rest) + exponent * _LN2_LOW
    return exponent * _LN2_HIGH - ((half_square - low) - f)


def _log_of_float(x: float) -> float:
    fraction, exponent = math.frexp(x)
    if fraction < _HALF_ROOT:
        return _log_of_parts(fraction * 2.0, exponent - 1.0)
    return _log_of_parts(fraction, float(exponent))


def log(x: Floats) -> Floats:
    """Return the natural logarithm; -inf at 0, NaN below, +inf at +inf."""
    fraction, whole = np.frexp(x)
    low = fraction < _HALF_ROOT
    fraction = np.where(low, fraction * 2.0, fraction)
    with np.errstate(invalid="ignore", divide="ignore"):
        result = _log_of_parts(fraction, whole - low.astype(np.float64))
    # NaN, infinities, zero and negative numbers have no fraction in range; one test finds them all.
    usual = (x > 0.0) & (x < np.inf)
    if not bool(usual.all()):
        odd = np.where(x == 0.0, -np.inf, np.where(x > 0.0, np.inf, np.nan))
        result = np.where(usual, result, odd)
    return result


def log1p(x: Floats) -> Floats:
    """Return log(1 + x), accurate near 0; -inf at -1, NaN below."""
    whole = x + 1.0
    with np.errstate(invalid="ignore", divide="ignore"):
        # What the sum lost, relative to it: log(1 + x) = log(whole) + log(1 + lost / whole).
        lost = np.where(np.abs(x) < 1.0, x - (whole - 1.0), 1.0 - (whole - x)) / whole
        return np.where((whole > 0.0) & (whole < np.inf), log(whole) + lost, log(whole))


def sin_cos_of_turns(turns: Floats) -> tuple[Floats, Floats]:
    """Return sine and cosine of an angle in turns from -1 to 1 (a turn is 2 pi).

    Reduction to an eighth of a turn is exact, so quarter turns give exactly 0, 1 and -1.
    """
    quarter = np.rint(turns * 4.0)
    angle = (turns - quarter * 0.25) * (2.0 * math.pi)
    square = angle * angle
    sine = angle + angle * square * _polynomial(square, _SIN)
    cosine = 1.0 - (square * 0.5 - square * square * _polynomial(square, _COS))
    with np.errstate(invalid="ignore"):
        q = np.where(np.isfinite(quarter), quarter, 0.0).astype(np.int64) & 3
    odd = (q & 1) == 1
    first, second = np.where(odd, cosine, sine), np.where(odd, sine, cosine)
    # + 0.0 turns -0.0 into 0.0.
    return np.where(q >= 2, -first, first) + 0.0, np.where((q == 1) | (q == 2), -second, second) + 0.0


def quantile_in_centre(q: FloatOrArray) -> FloatOrArray:
    """Return the normal quantile of 0.5 + q for |q| <= 0.425."""
    r = 0.180625 - q * q
    return q * _of_degree_7(r, _CENTRE_OVER) / _of_degree_7(r, _CENTRE_UNDER)


def quantile_in_tail(root: FloatOrArray) -> FloatOrArray:
    """Return the size of the normal quantile of a share p outside, for root = sqrt(-log(min(p, 1 - p)))."""
    r = root - 1.6
    return _of_degree_7(r, _TAIL_OVER) / _of_degree_7(r, _TAIL_UNDER)


def normal_quantile_of_float(p: float) -> float:
    """Return what `normal_quantile` returns, for one float, without numpy's call overhead."""
    q = p - 0.5
    if abs(q) <= _CENTRE:
        return quantile_in_centre(q)
    if p != p:
        return p
    tail = quantile_in_tail(math.sqrt(-_log_of_float(p if q < 0.0 else 1.0 - p)))
    return -tail if q < 0.0 else tail


def normal_quantile(p: Floats) -> Floats:
    """Return the standard normal quantile of probabilities from 1e-10 to 1 - 1e-10; NaN stays NaN.

    Parameters
    ----------
    p
        (n,) float64.
    """
    q = p - 0.5
    result = quantile_in_centre(q)
    outside = np.flatnonzero(np.abs(q) > _CENTRE)
    if len(outside):
        side, q = p[outside], q[outside]
        tail = quantile_in_tail(np.sqrt(-log(np.where(q < 0.0, side, 1.0 - side))))
        result[outside] = np.where(q < 0.0, -tail, tail)
    return result
