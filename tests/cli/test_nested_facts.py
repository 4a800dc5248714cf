from hypothesis import given, settings
from hypothesis import strategies as st

from likewise.cli.nested_facts import flatten, plain_text

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


@settings(deadline=None)
@given(st.dictionaries(st.text(), values, max_size=4))
def test_anything_can_be_laid_flat(value: dict[str, object]) -> None:
    """Whatever a release's provenance holds, every fact is text or a list of objects."""
    for path, fact in flatten(value).items():
        assert isinstance(path, str)
        assert isinstance(fact, str) or all(isinstance(item, dict) for item in fact)


def test_objects_keep_together_and_the_rest_lies_flat() -> None:
    """Paths have dots, floats six digits, and a list of objects becomes a table."""
    found = flatten({"a": {"b": 0.123456789, "c": [1, None]}, "slices": [{"n": 1}], "none": {}})
    assert found == {"a.b": "0.123457", "a.c": "1, none", "slices": [{"n": 1}], "none": ""}
    assert plain_text({"a": [1.5]}) == "a 1.5"
