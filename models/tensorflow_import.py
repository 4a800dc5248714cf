"""The one place that loads TensorFlow and Keras: 8 s and 650 MB, so only callers that train or convert pay."""

from __future__ import annotations

import importlib
import os
import warnings
from typing import Any


def import_tensorflow() -> Any:
    """Return the module `tensorflow`, with its start-up notes silenced unless the environment asks for them."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    # oneDNN adds up in another order on each kind of CPU, greets on standard error, and was no faster here (2026-11).
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    # TensorFlow 2.21 predates a keyword of numpy 2; Keras meets it whenever it copies weights.
    warnings.filterwarnings("ignore", "__array__ implementation doesn't accept a copy keyword", DeprecationWarning)
    return importlib.import_module("tensorflow")


def import_keras() -> Any:
    """Return the module `keras` on TensorFlow."""
    import_tensorflow()
    return importlib.import_module("keras")
