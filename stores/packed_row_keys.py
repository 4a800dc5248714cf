"""The Redis keys of a read: n entities of m views, each asked once, and the command that asks for all of them.

Views of the same join keys differ by their prefix alone. So a key is never made unless an error names it: between
two texts of an entity stands the same whatever the request, and the command is one join of bytes for each entity
(0.04 ms for 100 entities of 25 views, where making and packing 2,500 keys took 0.6; 2026-11).
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, overload

Text = bytes | None
_LENGTHS_KEPT: Final = 64  # of entity texts: requests send numbers of few digits, or names


class KeyPlan:
    """Names the rows of one request after the other.

    Parameters
    ----------
    prefixes
        What the keys of each view begin with.
    entities
        What stands for the entity of each view; where it is the same, so are the views' entity texts.
    """

    def __init__(self, prefixes: Sequence[bytes], entities: Sequence[Hashable]) -> None:
        views: dict[Hashable, list[int]] = {}
        for view, entity in enumerate(entities):
            views.setdefault(entity, []).append(view)
        self._m = len(prefixes)
        self._groups = {entity: _Group(tuple(some), [prefixes[at] for at in some]) for entity, some in views.items()}

    def keys(self, texts: Mapping[Hashable, Sequence[Text]]) -> "RowKeys":
        """Return the keys of n entities.

        Parameters
        ----------
        texts
            The n texts of each entity; None where a join key has no value.
        """
        return RowKeys(self._m, [_asked(group, texts[entity]) for entity, group in self._groups.items()])


class _Group:
    """Views whose keys end alike."""

    __slots__ = ("_between", "prefixes", "views")

    def __init__(self, views: tuple[int, ...], prefixes: Sequence[bytes]) -> None:
        self.views, self.prefixes = views, tuple(prefixes)
        self._between: dict[int, list[bytes]] = {}

    def arguments(self, text: bytes) -> bytes:
        """Return the keys of one entity in all views, as arguments of a command."""
        between = self._between.get(len(text))
        return text.join(self._learn(len(text)) if between is None else between)

    def _learn(self, length: int) -> list[bytes]:
        """Return what stands before, between and behind the texts of a length."""
        if len(self._between) >= _LENGTHS_KEPT:
            self._between.clear()
        heads = [b"$%d\r\n%b" % (len(prefix) + length, prefix) for prefix in self.prefixes]
        between = [heads[0], *[b"\r\n" + head for head in heads[1:]], b"\r\n"]
        self._between[length] = between
        return between


@dataclass(frozen=True, slots=True)
class _Asked:
    """The entities of a group's views in one request: all texts, and those that are asked.

    Parameters
    ----------
    chosen
        For each of the n entities its place among the asked ones, -1 for none; None: they are the same.
    """

    group: _Group
    texts: Sequence[Text]
    asked: Sequence[bytes]
    chosen: list[int] | None


def _asked(group: _Group, texts: Sequence[Text]) -> _Asked:
    unique = dict.fromkeys(texts)
    if len(unique) == len(texts) and None not in unique:
        return _Asked(group, texts, texts, None)  # type: ignore[arg-type]
    unique.pop(None, None)
    order = {text: at for at, text in enumerate(unique)}
    return _Asked(group, texts, list(unique), [order.get(text, -1) for text in texts])  # type: ignore[arg-type]


class RowKeys:
    """The keys of n entities of m views, entity by entity; one group of views behind the other."""

    __slots__ = ("_asked", "m")

    def __init__(self, m: int, asked: Sequence[_Asked]) -> None:
        self.m, self._asked = m, asked

    def __len__(self) -> int:
        return sum([len(one.asked) * len(one.group.views) for one in self._asked])

    def listed(self) -> list[bytes]:
        """Return every key."""
        return [prefix + text for one in self._asked for text in one.asked for prefix in one.group.prefixes]

    def mget(self) -> bytes:
        """Return the command that asks for all of them, as it goes over the wire."""
        arguments = [one.group.arguments(text) for one in self._asked for text in one.asked]
        return b"*%d\r\n$4\r\nMGET\r\n%b" % (1 + len(self), b"".join(arguments))

    def by_view(self, values: Sequence[bytes | None]) -> list[Sequence[bytes | None]]:
        """Return the n values of each view.

        Parameters
        ----------
        values
            One for each key, in the order of `listed`.
        """
        if len(values) != len(self):
            raise ValueError(f"expected the values of {len(self)} keys, got {len(values)}")
        found: list[Sequence[bytes | None]] = [()] * self.m
        start = 0
        for one in self._asked:
            step = len(one.group.views)
            end = start + len(one.asked) * step
            for at, view in enumerate(one.group.views):
                held = values[start + at : end : step]
                found[view] = held if one.chosen is None else _spread(held, one.chosen)
            start = end
        return found

    def of_view(self, view: int) -> list[bytes | None]:
        """Return the n keys of a view; None where the entity is unknown."""
        for one in self._asked:
            if view in one.group.views:
                prefix = one.group.prefixes[one.group.views.index(view)]
                return [None if text is None else prefix + text for text in one.texts]
        raise IndexError(view)

    @property
    def names(self) -> "KeysByView":
        """Return the n keys of each view, made when somebody looks."""
        return KeysByView(self)


class KeysByView(Sequence[Sequence[bytes | None]]):
    """The n keys of each view: errors name some of them, so they are made when somebody looks."""

    __slots__ = ("_keys",)

    def __init__(self, keys: RowKeys) -> None:
        self._keys = keys

    def __len__(self) -> int:
        return self._keys.m

    @overload
    def __getitem__(self, view: int) -> Sequence[bytes | None]: ...
    @overload
    def __getitem__(self, view: slice) -> Sequence[Sequence[bytes | None]]: ...
    def __getitem__(self, view: int | slice) -> Sequence[bytes | None] | Sequence[Sequence[bytes | None]]:
        if isinstance(view, slice):
            return [self[at] for at in range(*view.indices(len(self)))]
        return self._keys.of_view(view)


def _spread(values: Sequence[bytes | None], chosen: Iterable[int]) -> list[bytes | None]:
    return [None if place < 0 else values[place] for place in chosen]
