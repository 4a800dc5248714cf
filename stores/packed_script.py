"""Compare-and-set inside Redis: a row lands unless the stored one is newer by (event time, created time)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from likewise.stores.packed_schema import RowSchema

ROWS_PER_CALL: Final = 500  # about 1 ms during which Redis serves nobody else
BYTES_PER_CALL: Final = 1 << 20
CALLS_PER_TRIP: Final = 8

# Lua's numbers are doubles, which cannot tell large microsecond counts apart; their halves they can.
# Bytes 9 to 24 of a row are its event and created time.
_OLDER: Final = """
local function older(a, b)
  local ael, aeh, acl, ach = struct.unpack('<I4i4I4i4', a, 9)
  local bel, beh, bcl, bch = struct.unpack('<I4i4I4i4', b, 9)
  if aeh ~= beh then return aeh < beh end
  if ael ~= bel then return ael < bel end
  if ach ~= bch then return ach < bch end
  return acl < bcl
end
local function lands(row, old)
  return not old or #old < 24 or string.byte(old) ~= string.byte(row) or not older(row, old)
end
"""

# KEYS: schema hash, row keys. ARGV: seconds to live (0: for ever), fingerprint, schema, rows.
# The schema goes in with its rows, so that no reader ever meets a row it cannot explain. One MGET and one MSET:
# a command inside a script costs more than the comparison (1.9 instead of 3.3 us of server time a row, 2026-11).
PUT_MANY: Final = (
    _OLDER
    + """
local known = redis.call('HGET', KEYS[1], ARGV[2])
if not known then redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
elseif known ~= ARGV[3] then return redis.error_reply('SCHEMACLASH two schemas share fingerprint ' .. ARGV[2]) end
local ttl, keys = tonumber(ARGV[1]), {unpack(KEYS, 2)}
local stored = redis.call('MGET', unpack(keys))
local here, winners, landed = {}, {}, 0
for i, key in ipairs(keys) do
  local row = ARGV[i + 3]
  if lands(row, here[key] or stored[i]) then
    here[key] = row
    winners[2 * landed + 1], winners[2 * landed + 2] = key, row
    landed = landed + 1
  end
end
if ttl > 0 then
  for i = 1, landed do redis.call('SETEX', winners[2 * i - 1], ttl, winners[2 * i]) end
elseif landed > 0 then
  redis.call('MSET', unpack(winners))
end
return landed
"""
)

# KEYS: row key. ARGV: seconds to live, row. For clusters, where a script may touch one slot only.
PUT_ONE: Final = (
    _OLDER
    + """
if not lands(ARGV[2], redis.call('GETRANGE', KEYS[1], 0, 23)) then return 0 end
local ttl = tonumber(ARGV[1])
if ttl > 0 then redis.call('SETEX', KEYS[1], ttl, ARGV[2]) else redis.call('SET', KEYS[1], ARGV[2]) end
return 1
"""
)


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


def groups(keys: Sequence[bytes], rows: Sequence[bytes]) -> Iterator[list[Chunk]]:
    """Cut rows into groups of chunks that share a round trip."""
    pending = chunks(keys, rows)
    while group := list(islice(pending, CALLS_PER_TRIP)):
        yield group


def schema_arguments(schema: RowSchema, ttl_seconds: int | None) -> list[bytes | int]:
    """Return the leading arguments of `PUT_MANY`."""
    return [ttl_seconds or 0, schema.fingerprint.hex().encode(), schema.canonical]
