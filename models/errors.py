"""What can go wrong with a model, one class a situation."""

from __future__ import annotations

from collections.abc import Iterable

from likewise.transforms.errors import LikewiseError


class ModelError(LikewiseError):
    """Base of every error of `likewise.models`."""


class FamilySettingError(ModelError):
    """A setting of a family can't work."""

    def __init__(self, setting: str, expected: str, got: object) -> None:
        self.setting = setting
        self.expected = expected
        self.got = got
        super().__init__(f"Model setting {setting!r}: expected {expected}, got {got!r}.")


class TensorSpecError(ModelError):
    """A transform's output can't be an input of this family."""

    def __init__(self, name: str, expected: str, got: str) -> None:
        self.name = name
        self.expected = expected
        self.got = got
        super().__init__(f"Transform output {name!r}: expected {expected}, got {got}. Change the recipe's transform.")


class ModelInputError(ModelError):
    """A predictor was given other tensors than its model takes."""

    def __init__(self, name: str, expected: str, got: str) -> None:
        self.name = name
        self.expected = expected
        self.got = got
        super().__init__(
            f"Model input {name!r}: expected {expected}, got {got}. Use the tensors of the release's own transform."
        )


class ModelFileError(ModelError):
    """A file of a model artifact is absent, damaged or not what its metadata says."""

    def __init__(self, file: str, expected: str, got: str) -> None:
        self.file = file
        self.expected = expected
        self.got = got
        super().__init__(f"Model file {file!r}: expected {expected}, got {got}. Fetch or publish the model again.")


class ForbiddenPartError(ModelError):
    """A model file holds a layer or an operation that is not on the list of allowed ones."""

    def __init__(self, file: str, found: Iterable[str], allowed_in: str) -> None:
        self.file = file
        self.found = tuple(found)
        super().__init__(
            f"Model file {file!r} holds {', '.join(self.found)}, not on the list of allowed parts. "
            f"It was not opened. If the part computes from its inputs alone, add it to {allowed_in}."
        )


class ConversionError(ModelError):
    """A Keras model does not convert to LiteRT."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The model does not convert to LiteRT: {reason}. The TensorFlow runtime takes it as it is.")


class ModelGoldenError(ModelError):
    """Predictions for the golden rows are not, on this machine, those made at publish time."""

    def __init__(self, rows: int, difference: float, bound: float) -> None:
        self.rows = rows
        self.difference = difference
        self.bound = bound
        super().__init__(
            f"Golden predictions: expected to agree within {bound:g}; {rows} rows differ by up to {difference:.3g}. "
            "The model file, the runtime or its version differ from publish time; do not serve this model here."
        )
