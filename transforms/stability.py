"""How far the distribution of a number or code moved: the population stability index."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from likewise.transforms.arithmetic import log
from likewise.transforms.kind import Floats

# Below this many rows ten bins say more of chance than of the data.
LEAST_ROWS = 100
# Of a bin without rows: keeps the index finite.
_LEAST_SHARE = 1e-4
_BINS = 10


def stability_index(expected: Floats, got: Floats, *, by_value: bool = False) -> float:
    """Return the population stability index, the sum of (q - p) log(q / p) over bins with shares p and q.

    Parameters
    ----------
    expected, got
        (n,) numbers; NaN is a bin of its own.
    by_value
        Whether each value is a bin, as for codes; else ten bins of equal share of `expected`.

    Source: Jeffreys' divergence of the binned shares (Kullback and Leibler, "On information and
    sufficiency", Annals of Mathematical Statistics 22, 1951, equation 2.6); ten bins and the readings of
    the index are customary in credit scoring (Siddiqi, "Credit Risk Scorecards", Wiley 2006, chapter 9).

    Examples
    --------
    >>> values = np.arange(1000.0)
    >>> stability_index(values, values)
    0.0
    """
    present = expected[np.isfinite(expected)]
    if by_value:
        edges = np.unique(np.concatenate([present, got[np.isfinite(got)]]))
    else:
        edges = np.unique(np.quantile(present, np.linspace(0, 1, _BINS + 1)[1:-1])) if len(present) else np.zeros(0)
    one, other = (_shares(values, edges) for values in (expected, got))
    return float(np.sum((other - one) * (log(other) - log(one))))


def _shares(values: Floats, edges: Floats) -> npt.NDArray[np.float64]:
    bins = np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="left"))
    counts = np.bincount(bins, minlength=len(edges) + 2)
    return np.maximum(counts / max(len(values), 1), _LEAST_SHARE)
