import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from likewise.serving.errors import SettingsError
from likewise.serving.settings import TlsFiles
from likewise.serving.tls import ServerTls
from tests.serving.certificates import Authority, authority, needs_openssl, openssl

pytestmark = needs_openssl


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("tls"))


@asynccontextmanager
async def listening(tls: ServerTls) -> AsyncIterator[int]:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=tls.context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def ask(port: int, ca: Authority, client: TlsFiles | None = None) -> str:
    """Return the name of the server's certificate, after it has greeted us."""
    context = ssl.create_default_context(cafile=ca.certificate)
    if client is not None:
        context.load_cert_chain(client.certificate, client.key)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        if await reader.read() != b"hello":  # by TLS 1.3 a client learns only here that it is refused
            raise ConnectionError("refused")
        certificate: Any = writer.get_extra_info("peercert")
        return str(dict(pair[0] for pair in certificate["subject"])["commonName"])
    finally:
        writer.close()


def test_a_replaced_certificate_serves_the_next_connection(ours: Authority, tmp_path: Path) -> None:
    """After a reload new connections see the new certificate; a file that can't be used changes nothing."""
    first, second = ours.sign("first"), ours.sign("second")
    files = TlsFiles(tmp_path / "cert.pem", tmp_path / "key.pem")

    def install(source: TlsFiles) -> None:
        files.certificate.write_bytes(source.certificate.read_bytes())
        files.key.write_bytes(source.key.read_bytes())

    async def check() -> None:
        install(first)
        tls = ServerTls(files)
        async with listening(tls) as port:
            assert await ask(port, ours) == "first"
            install(second)
            tls.reload()
            assert await ask(port, ours) == "second"
            files.key.write_bytes(first.key.read_bytes())
            with pytest.raises(SettingsError, match="another's"):
                tls.reload()
            assert await ask(port, ours) == "second"

    asyncio.run(check())


def test_only_clients_of_the_given_authority_come_in(ours: Authority, tmp_path: Path) -> None:
    """With a client CA, others are refused; a reload also changes who signs, so that one can be taken back."""
    theirs = authority(tmp_path, "theirs")
    trusted = tmp_path / "clients.pem"
    trusted.write_bytes(ours.certificate.read_bytes())
    mine, other = ours.sign("mine"), theirs.sign("other")

    async def check() -> None:
        tls = ServerTls(replace(ours.sign("server"), client_ca=trusted))
        async with listening(tls) as port:
            assert await ask(port, ours, mine) == "server"
            for refused in (None, other):
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    await ask(port, ours, refused)
            trusted.write_bytes(theirs.certificate.read_bytes())
            tls.reload()
            assert await ask(port, ours, other) == "server"
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await ask(port, ours, mine)

    asyncio.run(check())


def test_it_says_when_the_certificate_ends(ours: Authority) -> None:
    """The end of the certificate is known, for an alert before it comes."""
    left = ServerTls(ours.sign("ends", days=12)).expires - datetime.now(UTC)
    assert timedelta(days=11) < left < timedelta(days=13)


def test_old_protocols_are_refused(ours: Authority) -> None:
    """Nothing below TLS 1.2 is spoken."""
    assert ServerTls(ours.sign("new")).context.minimum_version >= ssl.TLSVersion.TLSv1_2


def wrong_files(ours: Authority, folder: Path) -> dict[str, tuple[TlsFiles, str]]:
    good, other = ours.sign("good"), ours.sign("other")
    text, locked = folder / "text", folder / "locked.key"
    text.write_text("no PEM")
    openssl("rsa", "-aes256", "-passout", "pass:hunter2", "-in", good.key, "-out", locked)
    return {
        "no certificate": (replace(good, certificate=folder / "none"), "tls_certificate.*No such file"),
        "no key": (replace(good, key=folder / "none"), "tls_key.*No such file"),
        "a folder": (replace(good, key=folder), "tls_key.*directory"),
        "another's key": (replace(good, key=other.key), "tls_key.*another's"),
        "a certificate as key": (replace(good, key=good.certificate), "tls_key.*a private key"),
        "a key as certificate": (replace(good, certificate=good.key), "tls_certificate.*a certificate"),
        "text": (replace(good, certificate=text), "tls_certificate.*a certificate"),
        "with a passphrase": (replace(good, key=locked), "tls_key.*without a passphrase"),
        "no client CA": (replace(good, client_ca=folder / "none"), "tls_client_ca.*No such file"),
        "a client CA of text": (replace(good, client_ca=text), "tls_client_ca.*certificates"),
    }


def test_files_that_can_not_be_used_are_told_apart(ours: Authority, tmp_path: Path) -> None:
    """Each way in which certificate, key or client CA can be wrong names its option and its reason; never a secret."""
    for name, (files, told) in wrong_files(ours, tmp_path).items():
        with pytest.raises(SettingsError, match=rf"(?s){told}") as caught:
            ServerTls(files)
        assert "PRIVATE KEY" not in str(caught.value), name


def test_a_certificate_that_has_ended_is_refused(ours: Authority) -> None:
    """No client would accept it, so it is told before anything is served."""
    with pytest.raises(SettingsError, match="expired"):
        ServerTls(ours.sign("old", days=-1))
