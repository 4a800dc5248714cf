"""Compare-and-set inside Redis: a row lands unless the stored one is newer by (event time, created time).

Of equal ones the later written stays; where `keep` is set, the one that is there.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

ROWS_PER_CALL: Final = 500  # about 1 ms during which Redis serves nobody else
BYTES_PER_CALL: Final = 1 << 20
CALLS_PER_TRIP: Final = 8

# Lua's numbers are doubles, which cannot tell large microsecond counts apart; their halves they can.
# Bytes 9 to 24 of a row are its event and created time.
_LANDS: Final = """
local halves, byte = struct.unpack, string.byte
local function lands(row, old, keep)
  if not old or #old < 24 or byte(old) ~= byte(row) then return true end
  local ael, aeh, acl, ach = halves('<I4i4I4i4', row, 9)
  local bel, beh, bcl, bch = halves('<I4i4I4i4', old, 9)
  if aeh ~= beh then return aeh > beh end
  if ael ~= bel then return ael > bel end
  if ach ~= bch then return ach > bch end
  return acl > bcl or (acl == bcl and not keep)
end
"""

# KEYS: schema hash, row keys. ARGV: seconds to live (0: for ever), 1 to keep equal rows, fingerprint, schema, rows.
# The schema goes in with its rows, so that no reader ever meets a row it cannot explain. One MGET and one MSET:
# a command inside a script costs more than the comparison (1.9 instead of 3.3 us of server time a row, 2026-11).
# A row that is there already, byte for byte, counts as landed and is not written: a run again costs half, and
# nothing in the append-only file (1.4 instead of 3.5 us, 2026-11). It may have been written to expire, so PERSIST.
PUT_MANY: Final = (
    _LANDS
    + """
local known = redis.call('HGET', KEYS[1], ARGV[3])
if not known then redis.call('HSET', KEYS[1], ARGV[3], ARGV[4])
elseif known ~= ARGV[4] then return redis.error_reply('SCHEMACLASH two schemas share fingerprint ' .. ARGV[3]) end
local ttl, keep, rows, keys = tonumber(ARGV[1]), ARGV[2] == '1', ARGV, {unpack(KEYS, 2)}
local stored = redis.call('MGET', unpack(keys))
local here, winners, written, landed = {}, {}, 0, 0
for i = 1, #keys do
  local key, row = keys[i], rows[i + 4]
  local old = here[key] or stored[i]
  if old == row and ttl == 0 then
    redis.call('PERSIST', key)
    landed = landed + 1
  elseif old == row or lands(row, old, keep) then
    here[key] = row
    winners[written + 1], winners[written + 2] = key, row
    written, landed = written + 2, landed + 1
  end
end
if ttl > 0 then
  for i = 1, written, 2 do redis.call('SETEX', winners[i], ttl, winners[i + 1]) end
elseif written > 0 then
  redis.call('MSET', unpack(winners))
end
return landed
"""
)

# KEYS: row key. ARGV: seconds to live, 1 to keep an equal row, row.
# For clusters, where a script may touch one slot only.
PUT_ONE: Final = (
    _LANDS
    + """
local ttl, keep, row = tonumber(ARGV[1]), ARGV[2] == '1', ARGV[3]
-- pcall: what is no string gives way, as it does to MSET.
local old = redis.pcall('GETRANGE', KEYS[1], 0, keep and -1 or 23)
if old ~= row and not lands(row, old, keep) then return 0 end
if ttl > 0 then redis.call('SETEX', KEYS[1], ttl, row) else redis.call('SET', KEYS[1], row) end
return 1
"""
)


def digest_of(script: str) -> str:
    """Return the name under which Redis keeps a script."""
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


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
