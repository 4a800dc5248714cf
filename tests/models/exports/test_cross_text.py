from hypothesis import given
from hypothesis import strategies as st

from likewise.models.exports.cross_text import is_ambiguous, parts_of
from likewise.transforms.columns import column_from_values
from likewise.transforms.kind import Field
from likewise.transforms.kinds import FeatureCross
from likewise.transforms.logical_types import LogicalType as T

TEXT = st.one_of(st.none(), st.text(alphabet="ab|\\N\n", max_size=5))
NUMBER = st.one_of(st.none(), st.floats(allow_nan=False).map(lambda x: x + 0.0))


@given(TEXT, NUMBER, st.one_of(st.none(), st.integers(-(10**15), 10**15)))
def test_a_cross_is_taken_apart_into_what_it_was_made_of(
    text: str | None, number: float | None, tick: int | None
) -> None:
    """For any row, the text that FeatureCross makes gives the row's values back."""
    types = (T.TEXT, T.NUMBER, T.TEXT)
    tick_text = None if tick is None else str(tick)
    values = (text, number, tick_text)
    cross = FeatureCross(missing="category").restore(
        tuple(Field(n, t, n) for n, t in zip("abc", types, strict=True)), {}
    )
    columns = tuple(column_from_values(n, [v], t) for n, v, t in zip("abc", values, types, strict=True))
    made = cross.apply(columns, None)[0].objects()[0]
    if not is_ambiguous(made, "|", types):
        assert parts_of(made, "|", types) == values


def test_texts_that_no_row_gives_are_known() -> None:
    """A text of other parts, an unusual spelling of a number or no number at all is no row's."""
    for text in ("a", "a|b", "a|1.0", "a|1|2", "a|", "a|nan"):
        assert parts_of(text, "|", ("text", "number")) is None
    assert parts_of("a|1", "|", ("text", "number")) == ("a", 1.0)


def test_two_readings_are_noticed() -> None:
    """Bytes that are no UTF-8 are written as some text could be, long integers as no float is: both are said."""
    assert is_ambiguous("a|\\\\xff", "|", ("text", "bytes"))
    assert is_ambiguous("a|9007199254740993", "|", ("text", "number"))
    assert not is_ambiguous("a|900", "|", ("text", "number"))
