"""The recipe: data, transform, model and gates of one release, declared in a file of the user's project."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from likewise.models import Family
from likewise.transforms import Transform

from .errors import RecipeFieldError
from .gates import Gate, gate_from
from .time_split import TimeSplit

_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to train, on what, and what it must show. Declares only: nothing is read or loaded here.

    Parameters
    ----------
    name
        Of the release: lower-case letters, digits and underscores.
    entities
        Parquet file of entity rows, relative to the Feast repository: join keys, `event_timestamp`, the
        feature service's request data, the label.
    label
        Column of the entity rows with 0, 1 or null. Rows without a label are never trained or judged on.
    label_known_at
        Column with the instant at which the label became known (null: never), or None when it is known at
        the event time. Train and validate only take rows whose label was known before their span ended.
    split
        Cut points in time.
    transform
        From feature columns to tensors; names the feature service too.
    model
        A family of models with its settings, such as `likewise.models.WideAndDeep`.
    weights
        Column of the entity rows with training weights (0 or more); metrics stay unweighted.
    sample
        Share of the entity rows to use, 0 to 1, chosen evenly in time; None for all.
    slices
        Columns of the history by which the evaluation is also broken down.
    gates
        What the trained model must show, in order; "parity" and "golden" name the command line's checks.
    """

    name: str
    entities: str
    label: str
    split: TimeSplit
    transform: Transform
    model: Family
    label_known_at: str | None = None
    weights: str | None = None
    sample: float | None = None
    slices: Sequence[str] = ()
    gates: Sequence[Gate | str] = field(default=("golden",))

    def __post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise RecipeFieldError("name", "lower-case letters, digits and underscores", self.name)
        if self.sample is not None and not 0 < self.sample <= 1:
            raise RecipeFieldError("sample", "a share above 0 and up to 1", self.sample)
        if not isinstance(self.split, TimeSplit):
            raise RecipeFieldError("split", "a TimeSplit", self.split)
        if isinstance(self.slices, str):
            raise RecipeFieldError("slices", "a list of columns", self.slices)
        if not callable(getattr(self.model, "build", None)):
            raise RecipeFieldError("model", "a family such as WideAndDeep(...)", self.model)
        if self.transform.feature_service is None:
            raise RecipeFieldError("transform", "one that names its feature_service", None)
        for gate in self.gates:
            gate_from(gate)

    @property
    def feature_service(self) -> str:
        """The feature service that the transform reads."""
        return str(self.transform.feature_service)

    @property
    def label_columns(self) -> tuple[str, ...]:
        """Columns of the entity rows that tell of the future: they must never reach a transform."""
        return tuple(name for name in (self.label, self.label_known_at, self.weights) if name is not None)
