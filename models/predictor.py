"""Load a model artifact and predict with it, by the runtime that was proved when it was published."""

from __future__ import annotations

from typing import Any

import numpy as np

from .artifact import GOLDEN_FILE, KERAS_FILE, LITERT_FILE, ModelFiles, ModelMetadata, file_of
from .golden import Golden
from .litert_runtime import litert_tiles
from .tensorflow_runtime import tensorflow_tiles
from .tensors import Tensors, check_tensors
from .tiles import MakeTile, TiledRuntime


class Predictor:
    """Predicts probabilities; thread-safe; a row's bits do not depend on the rows beside it (see `tiles`)."""

    def __init__(self, metadata: ModelMetadata, golden: Golden, make_tile: MakeTile) -> None:
        self.metadata = metadata
        self._golden = golden
        self._runtime = TiledRuntime(make_tile, golden.tensors, len(golden.prediction))

    @property
    def tile_heights(self) -> tuple[int, ...]:
        """Numbers of rows that share a run, as proved on this machine; (1,): every row runs alone."""
        return self._runtime.heights

    def predict(self, tensors: Tensors) -> np.ndarray[Any, Any]:
        """Return the probability of each row.

        Parameters
        ----------
        tensors
            Every input of the model, with its dtype and shape, n rows; others are ignored.

        Returns
        -------
        (n,) float32, 0 to 1.

        Raises
        ------
        ModelInputError
            When a tensor is absent, or has another dtype, shape or number of rows, or codes beyond its vocabulary.
        """
        return self._runtime.predict(tensors, check_tensors(self.metadata.inputs, tensors))

    def check_golden(self) -> None:
        """Predict the golden rows and compare; a difference above the bound raises `ModelGoldenError`."""
        self._golden.check(self.predict(self._golden.tensors), self.metadata.bound)


def load_predictor(model: ModelFiles) -> Predictor:
    """Return a predictor of an artifact; it has not been golden-checked yet.

    Raises
    ------
    ModelFileError
        When a file or a field of the metadata is absent or damaged.
    ForbiddenPartError
        When the model holds a layer or an operation that is not allowed.
    """
    metadata = ModelMetadata.from_json(model.metadata)
    golden = Golden.from_bytes(file_of(model, GOLDEN_FILE), metadata.inputs, GOLDEN_FILE)
    if metadata.runtime == "litert":
        return Predictor(metadata, golden, litert_tiles(file_of(model, LITERT_FILE), metadata.inputs, LITERT_FILE))
    return Predictor(metadata, golden, tensorflow_tiles(file_of(model, KERAS_FILE), metadata.inputs, KERAS_FILE))
