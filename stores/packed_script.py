"""Compare-and-set inside Redis: a row lands unless the stored one is newer by (event time, created time)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from likewise.stores.packed_schema import RowSchema

ROWS_PER_CALL: Final = 500  # about 1 ms during which Redis serves nobody else
BYTES_PER_CALL: Final = 1 << 20

# Lua's numbers are doubles, which cannot tell large microsecond counts apart; the halves they can.
# Bytes 9 to 24 of a row are event and created time; an existing value that is no row gives way.
_PUT: Final = """
local function put(key, row, ttl)
  local old = redis.call('GETRANGE', key, 0, 23)
  if #old == 24 and string.byte(old) == string.byte(row) then
    local el, eh, cl, ch = struct.unpack('<I4i4I4i4', old, 9)
    local nel, neh, ncl, nch = struct.unpack('<I4i4I4i4', row, 9)
    local older
    if neh ~= eh then older = neh < eh
    elseif nel ~= el then older = nel < el
    elseif nch ~= ch then older = nch < ch
    else older = ncl < cl end
    if older then return 0 end
  end
  if ttl > 0 then redis.call('SET', key, row, 'EX', ttl) else redis.call('SET', key, row) end
  return 1
end
"""

# KEYS: schema hash, row keys. ARGV: seconds to live (0: for ever), fingerprint, schema, rows.
# The schema goes in with its rows, so that no reader ever meets a row it cannot explain.
PUT_MANY: Final = (
    _PUT
    + """
local known = redis.call('HGET', KEYS[1], ARGV[2])
if not known then redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
elseif known ~= ARGV[3] then return redis.error_reply('SCHEMACLASH two schemas share fingerprint ' .. ARGV[2]) end
local ttl, written = tonumber(ARGV[1]), 0
for i = 2, #KEYS do written = written + put(KEYS[i], ARGV[i + 2], ttl) end
return written
"""
)

# KEYS: row key. ARGV: seconds to live, row. For clusters, where a script may touch one slot only.
PUT_ONE: Final = _PUT + "return put(KEYS[1], ARGV[2], tonumber(ARGV[1]))"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows that go to Redis in one call."""

    keys: Sequence[bytes]
    rows: Sequence[bytes]


def chunks(keys: Sequence[bytes], rows: Sequence[bytes]) -> Iterator[Chunk]:
    """Cut rows into chunks of bounded count and bytes."""
    if not rows:
        return
    # Rows of one view are of similar size; the widest decides.
    step = max(1, min(ROWS_PER_CALL, BYTES_PER_CALL // max(map(len, rows))))
    for start in range(0, len(rows), step):
        yield Chunk(keys[start : start + step], rows[start : start + step])


def schema_arguments(schema: RowSchema, ttl_seconds: int | None) -> list[bytes | int]:
    """Return the leading arguments of `PUT_MANY`."""
    return [ttl_seconds or 0, schema.fingerprint.hex().encode(), schema.canonical]
