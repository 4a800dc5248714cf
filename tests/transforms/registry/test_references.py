import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from likewise.transforms.registry import Reference, parse_reference
from likewise.transforms.registry.errors import BadNameError, BadReferenceError
from likewise.transforms.registry.references import check_alias, check_digest, check_name

DIGEST = "sha256:" + "0123456789abcdef" * 4

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", fullmatch=True)
aliases = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,62}", fullmatch=True)
versions = st.integers(1, 999_999_999)
digests = st.from_regex(r"sha256:[0-9a-f]{8,64}", fullmatch=True)
references = st.one_of(
    st.builds(Reference, st.sampled_from(["transform", "release"]), name=names, version=versions),
    st.builds(Reference, st.just("release"), name=names, alias=aliases),
    st.builds(Reference, st.sampled_from(["transform", "model"]), digest=digests),
)


@settings(deadline=None)
@given(references)
def test_a_reference_reads_back_as_it_is_written(reference: Reference) -> None:
    """What a reference prints as names the same thing again, with its prefix or where the kind is known without."""
    assert parse_reference(str(reference)) == reference
    assert parse_reference(str(reference), kind=reference.kind) == reference
    bare = str(reference).removeprefix(f"{reference.kind}:")
    assert parse_reference(bare, kind=reference.kind) == reference


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_a_reference_or_refused(text: str) -> None:
    """No text does anything but name something or raise our error."""
    try:
        reference = parse_reference(text)
    except BadReferenceError:
        return
    assert parse_reference(str(reference)) == reference


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("transform:flight_delay:3", Reference("transform", name="flight_delay", version=3)),
        ("release:flight_delay@prod", Reference("release", name="flight_delay", alias="prod")),
        ("flight_delay:7", Reference("release", name="flight_delay", version=7)),
        ("transform:7", Reference("release", name="transform", version=7)),
        (DIGEST, Reference("transform", digest=DIGEST)),
        (f"model:{DIGEST}", Reference("model", digest=DIGEST)),
    ],
)
def test_prefixes_may_be_left_out_where_the_rest_says_enough(text: str, meant: Reference) -> None:
    """A name with version or alias is a release, a digest a transform; a prefix says otherwise."""
    assert parse_reference(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "a",
        "a:",
        ":1",
        "a:0",
        "a:01",
        "a:-1",
        "a:1.0",
        "a@",
        "@a",
        "a@1",
        "a:1@b",
        "transform:a@prod",
        "release:" + DIGEST,
        "model:a:1",
        "sha256:12",
        "sha256:" + "g" * 64,
        DIGEST + "0",
        "a b:1",
        "a/b:1",
        "a:1\n",
        "transform:release:a:1",
        "x" * 101 + ":1",
        "a:" + "9" * 10,
    ],
)
def test_what_names_nothing_is_refused(text: str) -> None:
    """The error repeats the text and shows the forms there are."""
    with pytest.raises(BadReferenceError, match="is not a reference: expected"):
        parse_reference(text)


def test_another_kind_than_wanted_is_refused() -> None:
    """A release is not taken where a transform is wanted."""
    with pytest.raises(BadReferenceError, match="expected a transform"):
        parse_reference("release:flight_delay:1", kind="transform")


@pytest.mark.parametrize("name", ["", "a b", "-a", "ä", "a\n", None, 3, "a:b", "a@b", "../a"])
def test_names_are_plain(name: object) -> None:
    """Names fit into references, paths and URLs."""
    with pytest.raises(BadNameError):
        check_name(name)
    with pytest.raises(BadNameError):
        check_alias(name)
    with pytest.raises(BadReferenceError):
        check_digest(name)
