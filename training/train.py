"""Train a family's Keras model on one part, watched by another, the same each time on the same machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from likewise.models import Family
from likewise.models.family import Schedule
from likewise.models.tensorflow_import import import_keras, import_tensorflow
from likewise.models.tensors import TensorLike

from .dataset import Examples, training_batches, validation_batches
from .errors import TrainingDivergedError
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
    """A trained `keras.Model` with the weights of its best epoch, and how it got there."""

    model: Any
    epochs: tuple[EpochLog, ...]
    best_epoch: int


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
        Called after each epoch with (epochs done, epochs at most); training may end before.

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
    batches = training_batches(train, schedule.batch_size, schedule.seed)
    model.compile(_optimizer(keras, schedule, batches.steps), keras.losses.BinaryCrossentropy(), jit_compile=False)
    watcher = _Watcher(progress, schedule.epochs)
    stop = keras.callbacks.EarlyStopping("val_loss", patience=schedule.patience, restore_best_weights=True)
    model.fit(
        batches.dataset,
        steps_per_epoch=batches.steps,
        shuffle=False,
        validation_data=validation_batches(validate, _VALIDATION_ROWS),
        epochs=schedule.epochs,
        verbose=0,
        callbacks=[stop, keras.callbacks.LambdaCallback(on_epoch_end=watcher.note)],
    )
    return Trained(model, tuple(watcher.epochs), watcher.best_epoch)


class _Watcher:
    """Keeps the losses of each epoch and passes the progress on."""

    def __init__(self, progress: Progress, epochs: int) -> None:
        self._progress = progress
        self._total = epochs
        self.epochs: list[EpochLog] = []

    def note(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Take note of an epoch that ended."""
        if not np.isfinite(logs["loss"]):
            raise TrainingDivergedError(epoch + 1)
        self.epochs.append(EpochLog(epoch + 1, float(logs["loss"]), float(logs["val_loss"])))
        self._progress(epoch + 1, self._total)

    @property
    def best_epoch(self) -> int:
        """The epoch of the lowest validation loss: its weights are kept."""
        return min(self.epochs, key=lambda log: (log.validate_log_loss, log.epoch)).epoch


def _optimizer(keras: Any, schedule: Schedule, steps: int) -> Any:
    rate = keras.optimizers.schedules.CosineDecay(schedule.learning_rate, steps * schedule.epochs)
    return keras.optimizers.AdamW(rate, weight_decay=schedule.weight_decay)
