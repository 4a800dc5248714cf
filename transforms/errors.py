"""Every situation in which the transforms refuse, one class each; the class builds its own message."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class LikewiseError(Exception):
    """Base of all our errors: `message` says what was expected, what was got and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process boundaries (fits on workers); their constructors take raw values.
        return (_rebuild, (type(self), self.message, self.__dict__.copy()))


def _rebuild(kind: type[LikewiseError], message: str, attributes: dict[str, object]) -> LikewiseError:
    error = kind.__new__(kind, message)
    error.__dict__.update(attributes)
    return error


def closest(name: str, names: Iterable[str]) -> str:
    """Say which of `names` was probably meant, or nothing."""
    close = difflib.get_close_matches(name, [str(n) for n in names], n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def listing(names: Sequence[str], limit: int = 12) -> str:
    """Join names for a message, cut short after `limit`."""
    shown = ", ".join(repr(n) for n in names[:limit])
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")


class ColumnMissingError(LikewiseError):
    """A column the transform reads is not in the data."""

    def __init__(self, column: str, available: Sequence[str]) -> None:
        self.column, self.available = column, tuple(available)
        super().__init__(
            f"column {column!r} is not in the data.{closest(column, available)} "
            f"Present: {listing(self.available) or 'no column at all'}. "
            "A value that is not known must be given as null; a column may not be left out."
        )


class ColumnTypeError(LikewiseError):
    """A column holds another logical type than the transform reads."""

    def __init__(self, column: str, expected: str, got: str) -> None:
        self.column, self.expected, self.got = column, expected, got
        super().__init__(f"column {column!r}: expected {expected}, got {got}. Cast it at the source.")


class SettingError(LikewiseError):
    """A kind or transform was constructed with a setting that cannot work."""

    def __init__(self, owner: str, setting: str, expected: str, got: object) -> None:
        self.owner, self.setting, self.expected, self.got = owner, setting, expected, got
        super().__init__(f"{owner}: {setting} must be {expected}, got {got!r}.")


class EmptyFitError(LikewiseError):
    """A fit saw no row at all."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"{what}: the data has no rows, so nothing can be fitted. Check the source and its filter.")


class AllMissingError(LikewiseError):
    """A column had no value to learn from."""

    def __init__(self, column: str, kind: str, advice: str) -> None:
        self.column, self.kind = column, kind
        super().__init__(f"column {column!r}: {kind} found only missing values. {advice}")


class InfiniteValueError(LikewiseError):
    """A fit met an infinity, from which no finite statistic follows."""

    def __init__(self, column: str, kind: str) -> None:
        self.column, self.kind = column, kind
        super().__init__(
            f"column {column!r}: {kind} expected finite values, got an infinity. "
            "Put Clip(lower, upper) before it, or make infinities null at the source."
        )


class StatisticOverflowError(LikewiseError):
    """An exact statistic has no finite float64."""

    def __init__(self, column: str, statistic: str) -> None:
        self.column, self.statistic = column, statistic
        super().__init__(
            f"column {column!r}: its {statistic} is beyond the range of float64. Rescale the column at the source."
        )


class MissingValueError(LikewiseError):
    """A missing value met `missing='error'`."""

    def __init__(self, column: str, kind: str) -> None:
        self.column, self.kind = column, kind
        super().__init__(
            f"column {column!r}: {kind} got a missing value and its policy is missing='error'. "
            "Put an imputer before it or choose another policy."
        )


class UnseenValueError(LikewiseError):
    """A value not seen in the fit met `unseen='error'`."""

    def __init__(self, column: str, kind: str, value: object) -> None:
        self.column, self.kind, self.value = column, kind, value
        super().__init__(
            f"column {column!r}: {kind} got {value!r}, which the fit never saw, and its policy is unseen='error'. "
            "Choose unseen='oov' or clean the value at the source."
        )


class OutOfRangeError(LikewiseError):
    """A number met a range policy of 'error'."""

    def __init__(self, column: str, kind: str, value: float, allowed: str) -> None:
        self.column, self.kind, self.value, self.allowed = column, kind, value, allowed
        super().__init__(f"column {column!r}: {kind} expected {allowed}, got {value!r}.")


class StepError(LikewiseError):
    """Steps of a transform do not fit together."""

    def __init__(self, where: str, expected: str, got: str) -> None:
        self.where, self.expected, self.got = where, expected, got
        super().__init__(f"{where}: expected {expected}, got {got}.")


class UnknownKindError(LikewiseError):
    """A kind id is neither ours nor of an installed package."""

    def __init__(self, kind: str, known: Sequence[str]) -> None:
        self.kind, self.known = kind, tuple(known)
        super().__init__(
            f"kind {kind!r} is unknown.{closest(kind, known)} Known: {listing(self.known, 60)}. "
            "If it is of another package, install that package here."
        )


class DuplicateKindError(LikewiseError):
    """Two packages claim one kind id."""

    def __init__(self, kind: str, first: str, second: str) -> None:
        self.kind = kind
        super().__init__(
            f"kind {kind!r} is declared twice, by {first} and by {second}. Uninstall one, or rename the kind."
        )


class OutputMissingError(LikewiseError):
    """An output is named that the transform does not make."""

    def __init__(self, output: str, available: Sequence[str]) -> None:
        self.output, self.available = output, tuple(available)
        known = f"{closest(output, available)} It makes: {listing(self.available)}."
        super().__init__(f"output {output!r} is none of this transform's.{known}")


class TensorShapeError(LikewiseError):
    """A tensor given back to a transform is not of the shape its output has."""

    def __init__(self, output: str, expected: str, got: str) -> None:
        self.output, self.expected, self.got = output, expected, got
        super().__init__(f"output {output!r}: expected a tensor of shape {expected}, got {got}.")


class InverseUnavailableError(LikewiseError):
    """An output cannot be taken back to its columns."""

    def __init__(self, where: str, why: str) -> None:
        self.where, self.why = where, why
        super().__init__(f"{where} has no inverse: {why}.")


class ArtifactError(LikewiseError):
    """Bytes that are not a sound artifact."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"not a sound transform artifact: {problem}. Fetch it again or publish it anew.")


class DigestMismatchError(ArtifactError):
    """The content of an artifact is not what its digest says."""

    def __init__(self, expected: str, got: str) -> None:
        self.expected, self.got = expected, got
        super().__init__(f"its digest should be {expected}, its content has {got}")


class GoldenMismatchError(LikewiseError):
    """Replaying the golden rows gave other outputs than at fit time."""

    def __init__(self, output: str, row: int, expected: object, got: object) -> None:
        self.output, self.row, self.expected, self.got = output, row, expected, got
        super().__init__(
            f"golden row {row} of output {output!r}: expected {expected!r}, got {got!r}. "
            "This machine or build computes otherwise than the one that fitted; do not serve from it."
        )


@dataclass(frozen=True, slots=True)
class UnavailableStep:
    """A step without a form in an export's target: its kind, the output and input columns it works on, and why."""

    kind: str
    output: str
    columns: tuple[str, ...]
    why: str


class ExportUnavailableError(LikewiseError):
    """Steps of a transform have no form in the target asked for; all of them are named."""

    def __init__(self, steps: Sequence[UnavailableStep], target: str) -> None:
        self.steps, self.target = tuple(steps), target
        named = [
            f"kind {step.kind!r} in output {step.output!r} (columns {listing(step.columns, 6)}): {step.why}"
            for step in self.steps
        ]
        super().__init__(
            f"this transform cannot be exported to {target}; nothing was written. "
            + "; ".join(named)
            + ". Publish a transform without these steps for the export, or serve this one."
        )


class AdoptionError(LikewiseError):
    """A fitted scikit-learn object has no equal among our kinds."""

    def __init__(self, what: str, why: str) -> None:
        self.what, self.why = what, why
        super().__init__(f"{what} cannot be taken over: {why}.")
