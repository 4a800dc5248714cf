import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from likewise.transforms.registry.canonical_json import canonical_bytes, digest_of, read_canonical
from likewise.transforms.registry.errors import ManifestError

texts = st.text(st.characters(exclude_categories=["Cs"]))
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
objects = st.dictionaries(
    texts,
    st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4)),
    max_size=6,
)


@settings(deadline=None)
@given(objects)
def test_what_is_written_reads_back_exactly(value: dict[str, object]) -> None:
    """Every JSON value comes back equal, floats to the last bit."""
    assert read_canonical("it", canonical_bytes("it", value)) == value


@settings(deadline=None)
@given(objects, st.randoms())
def test_equal_content_has_one_form(value: dict[str, object], random: object) -> None:
    """The order in which keys were put in does not matter."""
    keys = list(value)
    random.shuffle(keys)  # type: ignore[attr-defined]
    assert canonical_bytes("it", {key: value[key] for key in keys}) == canonical_bytes("it", value)


@settings(deadline=None)
@given(objects.filter(bool))
def test_any_other_form_is_refused(value: dict[str, object]) -> None:
    """JSON with spaces says the same and has another digest, so it is no manifest."""
    with pytest.raises(ManifestError):
        read_canonical("it", json.dumps(value, indent=1).encode())


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    """No bytes do anything but read or raise our error."""
    try:
        value = read_canonical("it", content)
    except ManifestError:
        return
    assert canonical_bytes("it", value) == content


@pytest.mark.parametrize(
    "content", [b'{"a":NaN}', b'{"a":1,"a":2}', b"[" * 100_000, b'{"a":1e999}', b'{"a":"\\ud800"}']
)
def test_nonsense_is_refused(content: bytes) -> None:
    """NaN, keys twice, bottomless nesting, overflow and lone surrogates are no manifest."""
    with pytest.raises(ManifestError):
        read_canonical("it", content)


def test_the_path_to_a_bad_value_is_named() -> None:
    """Among a thousand metrics, the error names the one that is NaN."""
    with pytest.raises(ManifestError, match=r"the manifest\.slices\.AA\[1\] should be a finite number"):
        canonical_bytes("it", {"slices": {"AA": [0.5, math.nan]}})


def test_digests_are_sha256() -> None:
    """The digest is the one any other tool computes."""
    assert digest_of(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
