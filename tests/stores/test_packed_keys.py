from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from likewise.stores.packed_errors import MissingJoinKeyError, UnsupportedTypeError
from likewise.stores.packed_keys import (
    entity_array,
    entity_texts,
    project_prefix,
    request_values,
    schemas_key,
    view_prefix,
)

NAMES = st.text(alphabet=st.sampled_from("ab:*%?{}[]|_-é"), min_size=1, max_size=6)
TEXTS = st.lists(st.one_of(st.none(), st.text(alphabet=st.sampled_from("ab|%{}é\n"), max_size=5)), max_size=5)


@given(NAMES, NAMES, NAMES, NAMES)
def test_no_prefix_begins_another(project: str, view: str, other_project: str, other_view: str) -> None:
    """The keys of two different projects, or two views of one, never share a prefix; patterns stay literal."""
    if project != other_project:
        assert not view_prefix(other_project, other_view).startswith(project_prefix(project))
    if (project, view) != (other_project, other_view):
        assert not view_prefix(other_project, other_view).startswith(view_prefix(project, view))
    assert not schemas_key(other_project).startswith(view_prefix(project, view))
    assert not set(b"*?[]{}|") & set(view_prefix(project, view))


@given(TEXTS, st.data())
def test_arrow_and_python_build_the_same_keys(texts: list[str | None], data: st.DataObject) -> None:
    """What is written from Arrow is found again from Python values, composite keys included."""
    numbers = data.draw(
        st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), min_size=len(texts), max_size=len(texts))
    )
    columns = [pa.array(texts, pa.string()), pa.array(numbers, pa.int64())]
    for chosen, values in (([columns[0]], [texts]), ([columns[1]], [numbers]), (columns, [texts, numbers])):
        arrow = [None if text is None else text.encode() for text in entity_array(chosen, "v").to_pylist()]
        assert arrow == entity_texts(values)


@given(st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3)), min_size=2, max_size=2, unique=True))
def test_different_entities_have_different_keys(pairs: list[tuple[str, str]]) -> None:
    """Two composite keys with different values never become one Redis key."""
    one, other = entity_texts([[pair[0] for pair in pairs], [pair[1] for pair in pairs]])
    assert one != other


def test_integers_of_any_width_are_one_key() -> None:
    """An INT32 source and an INT64 request mean the same entity (in Feast's own layout they do not)."""
    widths = [entity_array([pa.array([7], kind)], "v").to_pylist() for kind in (pa.int32(), pa.int64(), pa.uint8())]
    assert widths == [["7"]] * 3
    assert entity_texts([[7]]) == entity_texts([[np.int32(7)]]) == [b"7"]


def test_times_and_bytes_are_keys_too() -> None:
    """Times count whole seconds, as in Feast; bytes keep every byte."""
    at = datetime(2024, 1, 1, 0, 0, 0, 5, tzinfo=UTC)
    assert entity_texts([[at]]) == [b"1704067200"]
    assert entity_array([pa.array([at], pa.timestamp("us", tz="UTC"))], "v").to_pylist() == ["1704067200"]
    raw = bytes(range(256))
    (key,) = entity_texts([[raw]])
    assert [key] == [text.encode() for text in entity_array([pa.array([raw])], "v").to_pylist()]


@pytest.mark.parametrize("value", [1.5, True, [1]])
def test_what_cannot_be_a_key_is_refused(value: object) -> None:
    """Floats and booleans are no join keys, in Feast neither."""
    with pytest.raises(UnsupportedTypeError, match="join key"):
        entity_texts([[value]])


def test_an_absent_join_key_is_named() -> None:
    """The error says which key is needed and which were given."""
    with pytest.raises(MissingJoinKeyError, match=r"'uid'.*other"):
        request_values({"other": [1]}, "v", ["uid"])
