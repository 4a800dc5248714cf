"""A transform sees the same values in stored features handed over at once as in columns made one by one."""

from typing import Any

import numpy as np
import pandas as pd

from likewise.serving.served_columns import ServedColumns, ServedPlaces
from likewise.stores.packed_answer import Asked
from likewise.stores.packed_features import Wanted
from likewise.stores.packed_schema import FieldType
from likewise.transforms import Steps, Transform
from likewise.transforms import kinds as K  # noqa: N812  as recipes write it
from likewise.transforms.columns import Column, InputSpec, LogicalType

TYPES = (FieldType.STRING, FieldType.INT64, FieldType.DOUBLE, FieldType.BOOL)
VALUES = {1: [3.0, np.nan], 2: [-0.0, np.nan], 3: [1.0, 0.0]}
PLACES = {"text": 0, "count": 1, "amount": 2, "flag": 3}
KINDS = (LogicalType.NUMBER, LogicalType.NUMBER, LogicalType.BOOLEAN)


class Answer:
    """What a read of two rows gave."""

    def __init__(self) -> None:
        self.asked = Asked([[Wanted(name, kind) for name, kind in zip(PLACES, TYPES, strict=True)]], [None], [False])
        self.made: list[int] = []
        ordered = sorted(self.asked.number_lines.items(), key=lambda item: item[1].at)
        self.numbers = np.array([VALUES[place] for place, _ in ordered])

    def column(self, place: int) -> Column:
        """Return a column, and remember that it was asked for."""
        self.made.append(place)
        if place == 0:
            return Column(LogicalType.TEXT, np.array(["a", "b"], dtype=object))
        return Column(KINDS[place - 1], np.array(VALUES[place]) + 0.0)


def columns(answer: Any) -> ServedColumns:
    """Return the columns of an answer, beside one that was sent."""
    sent = {"sent": Column(LogicalType.NUMBER, np.array([7.0, 8.0]))}
    return ServedColumns(lambda: sent, answer, ServedPlaces(PLACES))


def fitted(*numbers: str) -> Any:
    """Return a transform of some numbers and a text."""
    data = pd.DataFrame({"text": ["a", "b"], "count": [1, 2], "amount": [0.5, 1.0], "sent": [1.0, 2.0]})
    outputs = {"n": [Steps([name], [K.SimpleImputer("median"), K.StandardScaler()]) for name in numbers]}
    outputs |= {"code": [Steps(["text"], [K.OrdinalEncoder(unseen="oov", missing="category")])]}
    return Transform(name="t", outputs=outputs).fit(data[["text", *numbers]])


def test_a_transform_gives_the_same_bits() -> None:
    """Numbers taken from the matrix, in the transform's own order, are those of the columns; none is made for them."""
    transform, answer = fitted("amount", "count"), Answer()
    at_once = transform.apply_columns(columns(answer))
    assert answer.made == [0]
    one_by_one = transform.apply_columns(dict(columns(Answer())))
    assert {name: tensor.tobytes() for name, tensor in at_once.items()} == {
        name: tensor.tobytes() for name, tensor in one_by_one.items()
    }


def test_a_number_that_came_with_the_request_is_not_missed() -> None:
    """Where some numbers are not stored all go the ordinary way."""
    transform = fitted("amount", "sent")
    at_once = transform.apply_columns(columns(Answer()))
    assert at_once["n"].tobytes() == transform.apply_columns(dict(columns(Answer())))["n"].tobytes()


def test_another_type_is_not_taken_for_a_number() -> None:
    """A flag is no number to a transform that was fitted on numbers, nor a text: the caller finds out by columns."""
    for name in ("flag", "text", "absent"):
        assert columns(Answer()).numbers((InputSpec(name, LogicalType.NUMBER),)) is None


def test_names_are_told_once() -> None:
    """It is a mapping of what was sent and what is served."""
    assert sorted(columns(Answer())) == ["amount", "count", "flag", "sent", "text"]
    assert len(columns(Answer())) == 5
    assert columns(Answer()).get("nothing") is None
