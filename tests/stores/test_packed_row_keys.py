"""The keys of a read and its command: whatever the texts, what is sent and found again is what was asked for."""

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from likewise.stores.packed_row_keys import KeyPlan, RowKeys

# Texts with line ends, NULs and what looks like the protocol; few lengths, and more than are remembered.
TEXTS = st.one_of(
    st.none(), st.sampled_from([b"", b"1", b"22", b"\r\n", b"$3\r\nabc\r\n", b"\x00", b"a|b"]), st.binary(max_size=90)
)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[bytes], list[str], dict[str, list[bytes | None]]]:
    """Return the prefix and the entity of each view, and the n texts of each entity."""
    n = draw(st.integers(0, 6))
    entities = draw(st.lists(st.sampled_from(["user", "shop", "user|shop"]), min_size=1, max_size=5))
    prefixes = [b"lw1:p:v%d:" % at for at in range(len(entities))]
    return prefixes, entities, {one: draw(st.lists(TEXTS, min_size=n, max_size=n)) for one in set(entities)}


def keys_of(world: tuple[list[bytes], list[str], dict[str, list[bytes | None]]]) -> RowKeys:
    """Return the keys of a world."""
    prefixes, entities, texts = world
    return KeyPlan(prefixes, entities).keys(texts)  # type: ignore[arg-type]


@given(worlds())
def test_the_command_is_the_one_that_redis_clients_send(
    world: tuple[list[bytes], list[str], dict[str, list[bytes | None]]],
) -> None:
    """The command is byte for byte what hiredis packs of the listed keys."""
    keys = keys_of(world)
    assert keys.mget() == hiredis.pack_command(("MGET", *keys.listed()))
    assert len(keys) == len(keys.listed())


@given(worlds())
def test_every_view_finds_its_values_again(
    world: tuple[list[bytes], list[str], dict[str, list[bytes | None]]],
) -> None:
    """Each entity of each view gets the value of its own key, none where it is unknown; no key is asked twice."""
    prefixes, entities, texts = world
    keys = keys_of(world)
    assert len(set(keys.listed())) == len(keys)
    stored = [b"value of " + key for key in keys.listed()]
    expected = [
        [None if text is None else prefix + text for text in texts[entity]]
        for prefix, entity in zip(prefixes, entities, strict=True)
    ]
    found = [[None if value is None else value[9:] for value in held] for held in keys.by_view(stored)]
    assert found == expected
    assert [list(held) for held in keys.names] == expected


def test_one_plan_serves_texts_of_any_lengths() -> None:
    """A plan that met more lengths than it remembers still packs every one as it should."""
    plan = KeyPlan([b"a:", b"bb:"], ["user", "user"])
    for length in [*range(200), *range(0, 200, 7)]:
        keys = plan.keys({"user": [b"x" * length]})
        assert keys.mget() == hiredis.pack_command(("MGET", b"a:" + b"x" * length, b"bb:" + b"x" * length))


def test_a_reply_of_another_length_is_refused() -> None:
    """Values that are fewer or more than the keys are given to nobody."""
    keys = KeyPlan([b"a:"], ["user"]).keys({"user": [b"1", b"2"]})
    for values in ([b"x"], [b"x"] * 3):
        with pytest.raises(ValueError, match="expected the values of 2 keys"):
            keys.by_view(values)
