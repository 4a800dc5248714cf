"""Train a family's Keras model on one part, watched by another, the same each time on the same machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from likewise.models import Family
from likewise.models.family import LinearLayers, Schedule
from likewise.models.tensorflow_import import import_keras, import_tensorflow
from likewise.models.tensors import TensorLike

from .dataset import Examples, training_batches, validation_batches
from .errors import TrainingDivergedError
from .linear import Linear, fit_linear
from .progress import Progress, silent

_VALIDATION_ROWS = 8192


@dataclass(frozen=True, slots=True)
class EpochLog:
    """Losses of one epoch: over the training batches while they were learned, and of the validation part after."""

    epoch: int
    train_log_loss: float
    validate_log_loss: float


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained `keras.Model`, its weights those of the best epoch, how it got there, and its linear part if any."""

    model: Any
    epochs: tuple[EpochLog, ...]
    best_epoch: int
    linear: Linear | None = None


def train_model(
    family: Family,
    outputs: Sequence[TensorLike],
    train: Examples,
    validate: Examples,
    progress: Progress = silent,
) -> Trained:
    """Return the family's model, trained.

    Parameters
    ----------
    family
        Builds the model and says how to train it.
    outputs
        The transform's outputs.
    train, validate
        Rows to learn from, and rows that choose the epoch to stop at and to keep.
    progress
        Called with how many regressions and epochs are done, of how many at most; training may end before.

    Raises
    ------
    TrainingDivergedError
        When the loss becomes NaN.
    """
    keras, schedule = import_keras(), family.schedule
    # Process-wide and there is no way back; it costs little on CPUs, and without it two runs differ.
    import_tensorflow().config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(schedule.seed)
    model = family.build(outputs)
    watcher = _Watcher(progress, schedule.epochs)
    linear = _fill_linear(family.linear_layers(model), outputs, train, validate, watcher)
    batches = training_batches(train, schedule.batch_size, schedule.seed)
    trainee = family.trainee(model)
    trainee.compile(_optimizer(keras, schedule, batches.steps), keras.losses.BinaryCrossentropy(), jit_compile=False)
    stop = keras.callbacks.EarlyStopping("val_loss", patience=schedule.patience, restore_best_weights=True)
    trainee.fit(
        batches.dataset,
        steps_per_epoch=batches.steps,
        shuffle=False,
        validation_data=validation_batches(validate, _VALIDATION_ROWS),
        epochs=schedule.epochs,
        verbose=0,
        callbacks=[stop, keras.callbacks.LambdaCallback(on_epoch_end=watcher.note)],
    )
    return Trained(model, tuple(watcher.epochs), watcher.best_epoch, linear)


def _fill_linear(
    layers: LinearLayers | None,
    outputs: Sequence[TensorLike],
    train: Examples,
    validate: Examples,
    watcher: _Watcher,
) -> Linear | None:
    if layers is None:
        return None
    linear = fit_linear(outputs, train, validate, watcher.note_linear)
    layers.fill(linear.weights, linear.intercept)
    return linear


class _Watcher:
    """Keeps the losses of each epoch and passes the progress on: regressions fitted, then epochs."""

    def __init__(self, progress: Progress, epochs: int) -> None:
        self._progress = progress
        self._before = 0
        self._epochs = epochs
        self.epochs: list[EpochLog] = []

    def note_linear(self, done: int, total: int | None) -> None:
        """Take note of a regression that is fitted."""
        self._before = total or 0
        self._progress(done, self._before + self._epochs)

    def note(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Take note of an epoch that ended."""
        if not np.isfinite(logs["loss"]):
            raise TrainingDivergedError(epoch + 1)
        self.epochs.append(EpochLog(epoch + 1, float(logs["loss"]), float(logs["val_loss"])))
        self._progress(self._before + epoch + 1, self._before + self._epochs)

    @property
    def best_epoch(self) -> int:
        """The epoch of the lowest validation loss: its weights are kept."""
        return min(self.epochs, key=lambda log: (log.validate_log_loss, log.epoch)).epoch


def _optimizer(keras: Any, schedule: Schedule, steps: int) -> Any:
    rate = keras.optimizers.schedules.CosineDecay(schedule.learning_rate, steps * schedule.epochs)
    return keras.optimizers.AdamW(rate, weight_decay=schedule.weight_decay)
