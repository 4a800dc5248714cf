"""Joint rows to blocks: all wanted features of one declared type, of whatever view, in one array operation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from likewise.stores.packed_cells import readable_as
from likewise.stores.packed_decode import converted
from likewise.stores.packed_encode import Bits, Cells
from likewise.stores.packed_features import Wanted
from likewise.stores.packed_joint import Cell, JointLayout, JointRows, Places
from likewise.stores.packed_schema import FIXED, FieldType, RowSchema

# What the values of a block are, by declared type; every other type's are cells as stored.
_VALUES: Final = {
    FieldType.DOUBLE: np.float64,
    FieldType.FLOAT: np.float64,
    FieldType.INT64: np.int64,
    FieldType.INT32: np.int64,
    FieldType.BOOL: np.bool_,
    FieldType.UNIX_TIMESTAMP: np.int64,
}
FLOATS: Final = (FieldType.DOUBLE, FieldType.FLOAT)


@dataclass(frozen=True, slots=True)
class Group:
    """Which features of a request have one declared type.

    Parameters
    ----------
    places
        Their places among all features of the request, view by view.
    """

    type: FieldType
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """n values of each of k features of one type.

    Parameters
    ----------
    values
        (k, n) float64 (numbers with a point; NaN where missing), int64 (whole numbers; times in microseconds) or
        bool. Types without a fixed width: k lists of n encoded cells, None where missing.
    missing
        (k, n) bool; None when no value is. A block of cells has none: its cells say so.
    """

    type: FieldType
    values: Any
    missing: Bits | None

    def is_complete(self) -> bool:
        """Return whether no value is missing."""
        if self.type in FLOATS:
            return not np.count_nonzero(np.isnan(self.values))
        if self.type in FIXED:
            return self.missing is None
        return not any(None in cells for cells in self.values)

    def rows(self, some: slice) -> "Block":
        """Return the values of some of the n rows."""
        if self.type not in FIXED:
            return Block(self.type, [cells[some] for cells in self.values], None)
        missing = None if self.missing is None else _some(np.ascontiguousarray(self.missing[:, some]))
        return Block(self.type, np.ascontiguousarray(self.values[:, some]), missing)


def groups_of(types: Iterable[FieldType]) -> tuple[Group, ...]:
    """Return features by declared type, in the order in which types first occur."""
    places: dict[FieldType, list[int]] = {}
    for place, kind in enumerate(types):
        places.setdefault(kind, []).append(place)
    return tuple(Group(kind, tuple(found)) for kind, found in places.items())


@dataclass(frozen=True, slots=True)
class _Feature:
    """A wanted feature: its view among those of the request, and its field there (None: rows do not have it)."""

    view: int
    place: int | None
    stored: FieldType
    declared: FieldType

    @property
    def is_plain(self) -> bool:
        """Whether cells are stored as the declared type has them."""
        return self.place is not None and self.stored is self.declared

    @property
    def is_readable(self) -> bool:
        """Whether stored cells mean something as the declared type."""
        if self.place is None:
            return False
        if self.declared in FIXED or self.stored in FIXED:
            return self.declared in FIXED and self.stored in FIXED
        return readable_as(self.stored, self.declared)


def _feature(schema: RowSchema, view: int, wanted: Wanted) -> _Feature:
    place = schema.positions.get(wanted.name)
    stored = wanted.type if place is None else schema.fields[place].type
    return _Feature(view, place, stored, wanted.type)


@dataclass(frozen=True, slots=True)
class _Pick:
    """How one group is taken out of joint rows.

    Parameters
    ----------
    members
        (k,) its features among all of the request.
    fixed
        (p,) where cells of a fixed type lie, of the features that are stored as declared.
    plain
        (p,) their lines in the block; None when they are all of it.
    retyped
        Which lines of the block come from fields of another fixed type.
    cells
        (view, variable field) of each feature of a type without a fixed width; None where there is none to read.
    """

    type: FieldType
    members: Places
    fixed: Places
    plain: Places | None
    retyped: tuple[tuple[int, _Feature], ...]
    cells: tuple[tuple[int, int] | None, ...]


def _pick(layout: JointLayout, group: Group, features: Sequence[_Feature]) -> _Pick:
    fixed = group.type in FIXED
    plain = [at for at, one in enumerate(features) if fixed and one.is_plain]
    places = [layout.fixed(features[at].view, features[at].place or 0) for at in plain]
    return _Pick(
        type=group.type,
        members=np.array(group.places, np.intp),
        fixed=np.array(places, np.intp),
        plain=None if len(plain) == len(features) else np.array(plain, np.intp),
        retyped=tuple((at, one) for at, one in enumerate(features) if fixed and one.is_readable and not one.is_plain),
        cells=tuple(None if fixed else _cell_place(layout, one) for one in features),
    )


def _cell_place(layout: JointLayout, feature: _Feature) -> tuple[int, int] | None:
    if feature.place is None or not feature.is_readable:
        return None
    return feature.view, feature.place - layout.schemas[feature.view].first_variable


class BlockPicker:
    """Takes blocks out of joint rows of one layout; what follows from layout and request is worked out once.

    Parameters
    ----------
    layout
        Of the rows.
    wanted
        The features of each view.
    """

    def __init__(self, layout: JointLayout, wanted: Sequence[Sequence[Wanted]]) -> None:
        self._layout = layout
        features = [
            _feature(schema, view, one)
            for view, (schema, some) in enumerate(zip(layout.schemas, wanted, strict=True))
            for one in some
        ]
        self._views = np.array([feature.view for feature in features], np.intp)
        groups = groups_of(feature.declared for feature in features)
        self._picks = tuple(_pick(layout, group, [features[place] for place in group.places]) for group in groups)
        absent = np.array([not feature.is_readable for feature in features], np.bool_)
        self._absent = absent if absent.any() else None
        spots = [layout.null(feature.view, feature.place or 0) for feature in features]
        # A feature that rows do not have is masked as absent, wherever its null bit would be.
        self._null_bytes = np.array(
            [0 if gone else spot.byte for spot, gone in zip(spots, absent, strict=True)], np.intp
        )
        self._null_bits = np.array([spot.bit for spot in spots], np.uint8)

    def blocks(self, rows: JointRows, hidden: Bits | None) -> tuple[Block, ...]:
        """Return one block for each declared type, as `groups_of` orders them.

        Parameters
        ----------
        hidden
            (n, m) bool: rows whose values count as missing (too old); None when there are none.
        """
        missing = self.nulls(rows)
        if hidden is not None:
            aged = hidden.take(self._views, axis=1)
            missing = aged if missing is None else missing | aged
        return tuple([self._block(rows, pick, missing) for pick in self._picks])

    def _block(self, rows: JointRows, pick: _Pick, missing: Bits | None) -> Block:
        gone = None if missing is None else _some(np.ascontiguousarray(missing.take(pick.members, axis=1).T))
        return self._fixed_block(rows, pick, gone) if pick.type in FIXED else _cell_block(rows, pick, gone)

    def nulls(self, rows: JointRows) -> Bits | None:
        """Return which cells are null or not there, (n, f) bool; None when all have a value."""
        found = rows.nulls(self._null_bytes, self._null_bits) if rows.has_nulls else None
        if self._absent is None:
            return found
        if found is None:
            return np.broadcast_to(self._absent, (len(rows.words), len(self._absent)))
        return found | self._absent

    def _fixed_block(self, rows: JointRows, pick: _Pick, missing: Bits | None) -> Block:
        values = _values(pick.type, rows.fixed(pick.type, pick.fixed).T)
        if pick.plain is not None:
            whole: npt.NDArray[Any] = np.zeros((len(pick.members), len(rows.words)), _VALUES[pick.type])
            whole[pick.plain] = values
            values = whole
        for at, feature in pick.retyped:
            missing = self._convert(rows, feature, values, at, missing)
        if missing is not None:
            values[missing] = np.nan if pick.type in FLOATS else 0
        return Block(pick.type, values, missing)

    def _convert(
        self, rows: JointRows, feature: _Feature, values: npt.NDArray[Any], at: int, missing: Bits | None
    ) -> Bits | None:
        """Write a feature that was retyped into its line of a block; return what is missing now."""
        place = np.array([self._layout.fixed(feature.view, feature.place or 0)], np.intp)
        cells = converted(Cells(rows.fixed(feature.stored, place)[:, 0]), feature.stored, feature.declared)
        values[at] = _values(feature.declared, np.asarray(cells.values))
        if cells.missing is None:
            return missing
        found = np.zeros(values.shape, np.bool_) if missing is None else missing.copy()
        found[at] |= cells.missing
        return found


def _cell_block(rows: JointRows, pick: _Pick, missing: Bits | None) -> Block:
    lines: list[list[Cell]] = []
    for at, place in enumerate(pick.cells):
        if place is None:
            lines.append([None] * len(rows.words))
            continue
        cells: list[Cell] = list(rows.cells(*place))
        if missing is not None:
            for row in np.flatnonzero(missing[at]).tolist():
                cells[row] = None
        lines.append(cells)
    return Block(pick.type, lines, None)


def _some(mask: Bits) -> Bits | None:
    return mask if np.count_nonzero(mask) else None


def _values(kind: FieldType, cells: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return stored cells as the values of a block, a new array."""
    if kind in FLOATS:
        # + 0.0 turns -0.0 into 0.0, as everywhere in columns.
        numbers: npt.NDArray[np.float64] = np.add(cells, 0.0, dtype=np.float64, order="C")
        return numbers
    if kind is FieldType.BOOL:
        return np.array(cells, np.bool_, order="C")
    return np.array(cells, np.int64, order="C")


def scattered(n: int, parts: Sequence[tuple[npt.NDArray[np.intp], tuple[Block, ...]]]) -> tuple[Block, ...]:
    """Return blocks of n rows from blocks of some of the rows each: rows of several schemas.

    Parameters
    ----------
    parts
        (places of the part's rows, its blocks); together they have each row once.
    """
    return tuple(_scattered(n, parts, at) for at in range(len(parts[0][1])))


def _scattered(n: int, parts: Sequence[tuple[npt.NDArray[np.intp], tuple[Block, ...]]], at: int) -> Block:
    kind, k = parts[0][1][at].type, len(parts[0][1][at].values)
    if kind not in FIXED:
        lines: list[list[Cell]] = [[None] * n for _ in range(k)]
        for places, blocks in parts:
            for line, cells in zip(lines, blocks[at].values, strict=True):
                for place, cell in zip(places.tolist(), cells, strict=True):
                    line[place] = cell
        return Block(kind, lines, None)
    values: npt.NDArray[Any] = np.zeros((k, n), _VALUES[kind])
    missing = np.zeros((k, n), np.bool_)
    for places, blocks in parts:
        values[:, places] = blocks[at].values
        missing[:, places] = False if blocks[at].missing is None else blocks[at].missing
    return Block(kind, values, _some(missing))
