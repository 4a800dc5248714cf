"""What can go wrong while training, one class a situation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from likewise.transforms.errors import LikewiseError


class TrainingError(LikewiseError):
    """Base of every error of `likewise.training`."""


class GateDeclarationError(TrainingError):
    """A gate names a metric or a check that does not exist."""

    def __init__(self, name: object, known: Iterable[str]) -> None:
        self.name = name
        self.known = tuple(known)
        close = get_close_matches(str(name), self.known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        super().__init__(f"A gate names {name!r}; expected one of {', '.join(self.known)}.{hint}")


class RecipeFieldError(TrainingError):
    """A field of a recipe has a value that can't work."""

    def __init__(self, field: str, expected: str, got: object) -> None:
        self.field = field
        self.expected = expected
        self.got = got
        super().__init__(f"Recipe field {field!r}: expected {expected}, got {got!r}.")


class RecipeFileError(TrainingError):
    """A recipe file can't be read, fails when run, or holds no recipe."""

    def __init__(self, path: Path, problem: str, advice: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"Recipe file {path}: {problem}. {advice}")


class EntityRowsError(TrainingError):
    """The file of entity rows is absent or lacks what the recipe needs."""

    def __init__(self, where: str, expected: str, got: str) -> None:
        self.where = where
        self.expected = expected
        self.got = got
        super().__init__(
            f"Entity rows {where}: expected {expected}, got {got}. "
            "Mend the file, or the recipe's `entities`, `label` or `label_known_at`."
        )


class LabelValueError(TrainingError):
    """A label is neither 0, 1 nor missing."""

    def __init__(self, label: str, got: Sequence[object]) -> None:
        self.label = label
        self.got = tuple(got)
        super().__init__(
            f"Label {label!r}: expected 0, 1 or null, got also {', '.join(map(repr, self.got))}. "
            "Write the label as 0 and 1."
        )


class HistoryRowsError(TrainingError):
    """The offline store lost, repeated or altered entity rows."""

    def __init__(self, what: str, rows: int, examples: Sequence[int]) -> None:
        self.what = what
        self.rows = rows
        self.examples = tuple(examples)
        shown = ", ".join(map(str, self.examples)) + (" ..." if rows > len(self.examples) else "")
        super().__init__(
            f"The offline store {what} {rows} entity rows (row numbers {shown}). "
            "Training needs each entity row exactly once and unaltered. Use likewise.stores.asof_duckdb as offline "
            "store, or report this to the maker of yours."
        )


class HistoryColumnsError(TrainingError):
    """The offline store did not return what the feature service declares."""

    def __init__(self, service: str, absent: Sequence[str]) -> None:
        self.service = service
        self.absent = tuple(absent)
        super().__init__(
            f"The history of feature service {service!r} lacks {', '.join(self.absent)}. "
            "Run `feast apply`, and check that the entity rows carry the service's request data."
        )


class HistoryChangedError(TrainingError):
    """A history file is not what retrieval wrote."""

    def __init__(self, path: Path, expected: str, got: str) -> None:
        self.path = path
        self.expected = expected
        self.got = got
        super().__init__(
            f"History {path}: expected fingerprint {expected}, got {got}. "
            "Only rows that came from history unmodified may be fitted: retrieve it again."
        )


class EmptyPartError(TrainingError):
    """A part of the split has no rows, or rows of one class only."""

    def __init__(self, part: str, rows: int, positives: int, advice: str) -> None:
        self.part = part
        self.rows = rows
        self.positives = positives
        super().__init__(
            f"The {part} part has {rows} rows, {positives} of them positive; expected both classes. {advice}"
        )


class TensorsNotFiniteError(TrainingError):
    """A model input holds NaN or infinity."""

    def __init__(
        self, output: str, columns: Sequence[str], rows: int, counted: Mapping[tuple[str, str], int] | None = None
    ) -> None:
        self.output = output
        self.columns = tuple(columns)
        self.rows = rows
        self.counted = dict(counted or {})
        told = [f"{name} {event.replace('_', ' ')} in {count}" for (name, event), count in self.counted.items()]
        super().__init__(
            f"Model input {output!r} is not finite in {rows} rows (columns {', '.join(self.columns)}). "
            + (f"Among all inputs were counted: {', '.join(told)}. " if told else "")
            + "Impute or clip these columns in the recipe's transform."
        )


class TrainingDivergedError(TrainingError):
    """The loss became NaN."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        super().__init__(f"The loss became NaN in epoch {epoch}. Use a smaller learning_rate.")


class GatesFailedError(TrainingError):
    """A gate failed, so nothing was published."""

    def __init__(self, recipe: str, failed: Sequence[str]) -> None:
        self.recipe = recipe
        self.failed = tuple(failed)
        super().__init__(
            f"Recipe {recipe!r} did not pass its gates: {'; '.join(self.failed)}. Nothing was published. "
            "Improve the model, or change the gates in the recipe if they ask too much."
        )


class DefinitionsMovedError(TrainingError):
    """The Feast definitions changed between history and publishing."""

    def __init__(self, service: str, expected: str, got: str) -> None:
        self.service = service
        self.expected = expected
        self.got = got
        super().__init__(
            f"Feature service {service!r} was defined as {expected} when its history was retrieved and is {got} now. "
            "Retrieve the history again and train on it, or apply the earlier definitions."
        )
