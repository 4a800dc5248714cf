from pathlib import Path

import pytest

from likewise.stores.packed_errors import ConnectionStringError
from likewise.stores.redis_url import chosen, embedded_directory, masked, parse_feast, parse_url, resolve

SECRET = "s3cr/t@:x"


def test_urls_carry_user_password_database_and_settings() -> None:
    """A URL means what redis-py takes it to mean, percent signs decoded."""
    address = parse_url("rediss://me:p%40w@h:7/2?socket_timeout=3")
    assert address.nodes == (("h", 7),)
    assert address.settings == {"username": "me", "password": "p@w", "db": 2, "socket_timeout": 3, "ssl": True}
    assert parse_url("unix:///tmp/a%20b.sock?db=1").socket_path == "/tmp/a b.sock"


def test_feasts_own_form_is_understood() -> None:
    """Nodes without an equals sign, settings with one; a password of digits stays text."""
    address = parse_feast("a:1,b:2,[::1]:3,db=0,ssl=true,password=123")
    assert address.nodes == (("a", 1), ("b", 2), ("::1", 3))
    assert address.settings == {"db": 0, "ssl": True, "password": "123"}


@pytest.mark.parametrize(
    "text",
    [f"redis://:{SECRET}@h:1/x", f"redis://u:{SECRET}@h:99999999", f"h:x,password={SECRET}", "redis://h?password=s3cr"],
)
def test_no_message_shows_a_password(text: str) -> None:
    """Masked strings, errors and addresses never hold any part of a password."""
    assert "s3cr" not in masked(text)
    try:
        shown = f"{resolve(text)!r} {resolve(text)}"
    except ConnectionStringError as error:
        shown = str(error)
    assert "s3cr" not in shown


@pytest.mark.parametrize("text", ["", "redis://", "h:x", "redis://h:99999999", "redis://h/x", "embedded:", "unix://"])
def test_bad_strings_say_what_is_expected(text: str) -> None:
    """The error lists the accepted forms."""
    with pytest.raises(ConnectionStringError, match=r"embedded:<dir>"):
        resolve(text)


def test_the_environment_replaces_only_the_embedded_default() -> None:
    """REDIS_URL takes the place of an embedded server, never of a server that the settings name."""
    environ = {"REDIS_URL": "redis://outside:1"}
    assert chosen("embedded:.likewise/redis", environ) == "redis://outside:1"
    assert chosen("redis://named:1", environ) == "redis://named:1"
    assert chosen("embedded:x", {}) == "embedded:x"


def test_relative_directories_belong_to_the_repository(tmp_path: Path) -> None:
    """A relative embedded directory is the Feast repository's, wherever the command was started."""
    assert embedded_directory("embedded:data/redis", tmp_path) == tmp_path / "data/redis"
    assert embedded_directory("embedded:/abs", tmp_path) == Path("/abs")
