"""A release, resolved and proved on this machine: the one thing that answers predictions."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from likewise.serving.entity_rows import EntityRows
from likewise.serving.errors import StaleFeaturesError
from likewise.serving.online import OUTSIDE_MAX_AGE, FeatureRows, OnlineReader, StoredRows
from likewise.serving.row_notes import RowNotes
from likewise.transforms.columns import Columns, InputSpec
from likewise.transforms.counters import Counters
from likewise.transforms.steps import OutputSpec

Tensors = Mapping[str, npt.NDArray[np.generic]]


class Transform(Protocol):
    """What we use of `likewise.transforms.FittedTransform`."""

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """The columns it reads."""
        ...

    @property
    def outputs(self) -> tuple[OutputSpec, ...]:
        """The tensors it gives."""
        ...

    def apply_columns(self, columns: Columns, counters: Counters | None = None) -> Mapping[str, npt.NDArray[Any]]:
        """Return output name -> tensor."""
        ...

    def check_golden(self) -> None:
        """Raise unless the golden rows come out as recorded."""
        ...


class Predictor(Protocol):
    """What we use of `likewise.models.Predictor`."""

    def predict(self, tensors: Any) -> npt.NDArray[np.float32]:
        """Return (n,) float32."""
        ...

    def check_golden(self) -> None:
        """Raise unless the golden predictions come out as recorded."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What a release says of n rows.

    Attributes
    ----------
    rows
        The features, with their statuses and times.
    tensors
        The transform's outputs, each of n rows.
    predictions
        (n,) float32; None for a release without a model.
    """

    rows: FeatureRows
    tensors: Tensors
    predictions: npt.NDArray[np.float32] | None

    def apart(self) -> "Answer":
        """Return the same without what was read and made with it, to be kept for longer than a request."""
        tensors = {name: tensor.copy() for name, tensor in self.tensors.items()}
        return Answer(self.rows.apart(), tensors, None if self.predictions is None else self.predictions.copy())


@dataclass(frozen=True, slots=True)
class ReleaseIdentity:
    """What a release is called and made of.

    Attributes
    ----------
    name, version
        Its reference is `name:version`.
    digest, transform
        Digest of its manifest and of its transform.
    moved
        Parts whose definitions the Feast registry no longer holds as the release pinned them, with why.
    metrics, provenance
        What the manifest records, for people.
    """

    name: str
    version: int
    digest: str
    transform: str
    moved: tuple[str, ...] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    created_at: str = ""

    @property
    def reference(self) -> str:
        """Return `name:version`."""
        return f"{self.name}:{self.version}"


class Tally:
    """Counters that several threads add to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._total = Counters()

    def add(self, counters: Counters) -> None:
        """Add the counts of one request."""
        with self._lock:
            self._total.merge(counters)

    def snapshot(self) -> Counters:
        """Return the counts so far."""
        total = Counters()
        with self._lock:
            total.merge(self._total)
        return total


@dataclass(frozen=True, slots=True)
class LoadedRelease:
    """A proved release: immutable, used by any number of requests at once.

    Attributes
    ----------
    identity
        What it is.
    reader
        Reads its features.
    transform
        Turns them into tensors.
    predictor
        Turns tensors into predictions; None for a vectors-only release.
    refuse_stale
        Whether rows older than their TTL refuse the request (otherwise they are missing, as in training).
    tally
        Missing, unseen and out-of-range values since it was loaded.
    notes
        Writes what its answers say of their rows.
    """

    identity: ReleaseIdentity
    reader: OnlineReader
    transform: Transform
    predictor: Predictor | None
    refuse_stale: bool = False
    tally: Tally = field(default_factory=Tally)
    notes: RowNotes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", RowNotes(self.reader.plan))

    def prove(self) -> None:
        """Replay golden rows and golden predictions.

        Raises
        ------
        LikewiseError
            This machine or build computes something else; the release must not answer.
        """
        self.transform.check_golden()
        if self.predictor is not None:
            self.predictor.check_golden()

    def predict(self, rows: EntityRows) -> Answer:
        """Return the answer of n rows, by the calling thread."""
        return self.finish(self.reader.read(rows))

    def answer(self, rows: EntityRows, stored: Sequence[StoredRows]) -> Answer:
        """Return the answer for what the store held of n rows."""
        return self.finish(self.reader.assemble(rows, stored))

    def finish(self, rows: FeatureRows) -> Answer:
        """Return the answer for features that have been read."""
        if self.refuse_stale:
            _check_fresh(rows)
        counters = Counters()
        tensors = self.transform.apply_columns(rows.inputs, counters)
        predictions = None if self.predictor is None else self.predictor.predict(tensors)
        self.tally.add(counters)  # last: who is refused among others is answered again, alone
        return Answer(rows, tensors, predictions)


def _check_fresh(rows: FeatureRows) -> None:
    stale = [view for view, stored in rows.stored.items() if (stored.statuses == OUTSIDE_MAX_AGE).any()]
    if stale:
        raise StaleFeaturesError(stale)
