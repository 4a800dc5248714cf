"""The workload as far as Keras' FeatureSpace can express it.

It differs so: FeatureSpace imputes nothing, so it is given values that were imputed before, for nothing;
15 columns are normalized (it has no quantile transform), bin edges of 5 are approximate; strings become
integers by lookup as with us. Fitting (`adapt`) reads the data once a column.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import pandas as pd
import tensorflow as tf
from _transforms_workload import FLOATS, STRINGS

_BATCH = 8192


def _space() -> Any:
    kinds = keras.utils.FeatureSpace
    features: dict[str, Any] = {name: kinds.float_normalized() for name in FLOATS[:15]}
    features |= {name: kinds.float_discretized(num_bins=10, output_mode="int") for name in FLOATS[15:]}
    features |= {name: kinds.string_categorical(num_oov_indices=1, output_mode="int") for name in STRINGS}
    return kinds(features=features, output_mode="dict")


class FeatureSpacePeer:
    """FeatureSpace over a pandas frame without missing values."""

    name = "Keras FeatureSpace"

    def __init__(self, frame: pd.DataFrame) -> None:
        filled = frame.fillna(frame[FLOATS].median())
        arrays = {name: filled[name].to_numpy("float32") for name in FLOATS}
        arrays |= {name: filled[name].to_numpy(str) for name in STRINGS}
        self._data = tf.data.Dataset.from_tensor_slices(arrays).batch(_BATCH).cache()
        for _ in self._data:  # fill the cache: reading is not what is compared
            pass
        self._row = {name: tf.constant(values[:1]) for name, values in arrays.items()}
        self._space: Any = None
        self._apply: Callable[..., Any] | None = None

    def fit(self) -> None:
        """Adapt to all rows."""
        self._space = _space()
        self._space.adapt(self._data)
        self._apply = tf.function(self._space)
        self._apply(self._row)  # traced once, and not in the time of a row

    def apply(self) -> None:
        """Transform all rows, batch by batch, in a tf.function."""
        apply = tf.function(self._space)
        for batch in self._data:
            apply(batch)

    def row(self) -> None:
        """Transform one row in a tf.function."""
        if self._apply is None:
            raise RuntimeError("fit first")
        self._apply(self._row)
