"""Connection strings: which Redis is meant, with what settings, and how to say so without its secrets."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from likewise.stores.embedded import attach
from likewise.stores.packed_errors import ConnectionStringError

EMBEDDED: Final = "embedded:"
ENVIRONMENT_URL: Final = "REDIS_URL"
DEFAULT_PORT: Final = 6379
SECRET_NAMES: Final = frozenset({"password", "ssl_password"})

_URL: Final = re.compile(r"^(redis|rediss|unix)://", re.IGNORECASE)
# Greedy up to the last @: an unescaped @ or / inside a password must not show the rest of it.
_URL_SECRET: Final = re.compile(r"(?<=://)([^@/?#:]*:)(.*)(?=@)")
_PARAMETER_SECRET: Final = re.compile(r"\b((?:ssl_)?password=)([^,&]*)", re.IGNORECASE)

Setting = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """One Redis: the nodes to ask first (`host, port`) or a socket, and redis-py's keyword settings."""

    nodes: tuple[tuple[str, int], ...]
    settings: Mapping[str, Setting] = field(default_factory=dict, repr=False)
    socket_path: str | None = None

    def __str__(self) -> str:
        where = self.socket_path or ",".join(f"{host}:{port}" for host, port in self.nodes)
        database = self.settings.get("db", 0)
        return f"{where}/{database}" if database else where


def masked(connection_string: str) -> str:
    """Return the connection string with every password replaced by ``***``."""
    text = _URL_SECRET.sub(r"\1***", connection_string)
    return _PARAMETER_SECRET.sub(r"\1***", text)


def chosen(connection_string: str, environ: Mapping[str, str] | None = None) -> str:
    """Return the connection string that counts: ``REDIS_URL``, if set, replaces an ``embedded:`` one."""
    outside = (os.environ if environ is None else environ).get(ENVIRONMENT_URL, "").strip()
    return outside if outside and connection_string.startswith(EMBEDDED) else connection_string


def resolve(connection_string: str, base: Path | None = None) -> RedisAddress:
    """Return the address that a connection string means, starting the embedded server if it names one.

    Parameters
    ----------
    connection_string
        ``embedded:<dir>``, a ``redis://``, ``rediss://`` or ``unix://`` URL, or Feast's own
        ``host:port[,host:port...],name=value...``.
    base
        What a relative ``embedded:`` directory is relative to: the Feast repository. Default: the working folder.
    """
    text = connection_string.strip()
    if text.startswith(EMBEDDED):
        return parse_url(attach(embedded_directory(text, base)).url)
    return parse_url(text) if _URL.match(text) else parse_feast(text)


def embedded_directory(connection_string: str, base: Path | None = None) -> Path:
    """Return the directory that an ``embedded:<dir>`` connection string names."""
    name = connection_string.strip().removeprefix(EMBEDDED)
    if not name:
        raise ConnectionStringError(connection_string, "no directory after 'embedded:'")
    return (base or Path()) / Path(name).expanduser()


def parse_url(url: str) -> RedisAddress:
    """Return the address of a ``redis://``, ``rediss://`` or ``unix://`` URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # urllib quotes the piece it could not read, which may be part of a password.
        raise ConnectionStringError(masked(url), "its host or port cannot be read") from None
    settings = {name: _value(value) for name, value in parse_qsl(parts.query)}
    settings |= _credentials(parts.username, parts.password)
    if parts.scheme.lower() == "unix":
        if not parts.path:
            raise ConnectionStringError(masked(url), "no socket path")
        return RedisAddress((), settings, socket_path=unquote(parts.path))
    if not parts.hostname:
        raise ConnectionStringError(masked(url), "no host")
    database = parts.path.strip("/")
    if database:
        settings["db"] = _database(url, database)
    if parts.scheme.lower() == "rediss":
        settings["ssl"] = True
    return RedisAddress(((parts.hostname, port or DEFAULT_PORT),), settings)


def parse_feast(text: str) -> RedisAddress:
    """Return the address of Feast's form: nodes and ``name=value`` settings, separated by commas."""
    nodes: list[tuple[str, int]] = []
    settings: dict[str, Setting] = {}
    for part in (piece.strip() for piece in text.split(",")):
        name, equals, value = part.partition("=")
        if equals:
            settings[name] = value if name in SECRET_NAMES else _value(value)
        elif part:
            nodes.append(_node(text, part))
    if not nodes:
        raise ConnectionStringError(masked(text), "it names no host")
    return RedisAddress(tuple(nodes), settings)


def _node(text: str, part: str) -> tuple[str, int]:
    host, _, port = part.rpartition(":") if ":" in part else (part, "", str(DEFAULT_PORT))
    host = host.strip("[]")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConnectionStringError(masked(text), f"{masked(part)!r} is no host:port")
    return host, int(port)


def _credentials(user: str | None, password: str | None) -> dict[str, Setting]:
    given = {"username": user, "password": password}
    return {name: unquote(value) for name, value in given.items() if value}


def _database(url: str, text: str) -> int:
    if not text.isdigit():
        raise ConnectionStringError(masked(url), f"database {text!r} is no number")
    return int(text)


def _value(text: str) -> Setting:
    """Read a setting as Feast does: JSON where it is JSON (numbers, true, false, null), else text."""
    try:
        value = json.loads(text.lower() if text in {"True", "False"} else text)
    except ValueError:
        return text
    return value if isinstance(value, (int, float, bool)) or value is None else text
