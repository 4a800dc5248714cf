"""The JSON texts of every row of a read, made for all rows at once: requests that are read together share it."""

import numpy as np
import orjson

from likewise.serving.value_texts import ESCAPED, MICROSECOND, Texts, block_texts
from likewise.stores.packed_answer import ReadAnswer
from likewise.stores.packed_blocks import FLOATS, Block
from likewise.stores.packed_schema import FIXED, TEXTS, FieldType

# For each row its k texts; None where the row needs more than its numbers and texts as they are.
Lines = list[list[bytes] | None]


def row_texts(answer: ReadAnswer) -> list[Texts]:
    """Return for each of n rows what `block_texts` gives for it alone, block behind block."""
    lines = [_block_lines(block, answer.n) for block in answer.blocks]
    return [_row(answer.blocks, [some[row] for some in lines], row) for row in range(answer.n)]


def _row(blocks: tuple[Block, ...], lines: Lines, row: int) -> Texts:
    texts: list[bytes] = []
    odd: list[int] = []
    for block, line in zip(blocks, lines, strict=True):
        if line is None:
            made = block_texts(block.rows(slice(row, row + 1)))
            odd += [len(texts) + at for at in made.odd]
            line = made.texts
        texts += line
    return Texts(texts, odd)


def _block_lines(block: Block, n: int) -> Lines:
    if block.type in FIXED:
        return _number_lines(block)
    if block.type in TEXTS:
        return [_text_line(cells) for cells in zip(*block.values, strict=True)]
    return [None] * n


def _number_lines(block: Block) -> Lines:
    values = block.values // MICROSECOND if block.type is FieldType.UNIX_TIMESTAMP else block.values
    if not values.size:
        return []
    # Numbers hold no bracket and no comma, so rows and values can be told apart in the matrix's text.
    text = orjson.dumps(np.ascontiguousarray(values.T), option=orjson.OPT_SERIALIZE_NUMPY)
    lines: Lines = [line.split(b",") for line in text[2:-2].split(b"],[")]
    strange = ~np.isfinite(values) if block.type in FLOATS else block.missing
    if strange is not None and np.count_nonzero(strange):
        for row in np.flatnonzero(strange.any(axis=0)).tolist():
            lines[row] = None
    return lines


def _text_line(cells: tuple[bytes | None, ...]) -> list[bytes] | None:
    if None in cells:
        return None
    joined: bytes = b"".join(cells)  # type: ignore[arg-type]
    if len(joined.translate(None, ESCAPED)) != len(joined):
        return None
    return [b'"%b"' % cell for cell in cells]  # type: ignore[str-format]
