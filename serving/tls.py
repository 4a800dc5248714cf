"""HTTPS: certificates checked by a handshake before they serve, and replaced while connections go on."""

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from likewise.serving.errors import SettingsError
from likewise.serving.settings import TlsFiles


class ServerTls:
    """The server's side of TLS; new files count for the connections made after a reload.

    Raises
    ------
    SettingsError
        A file can't be used: what it is, and why.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._current = _load(files)
        self.context = _load(files).context
        # asyncio keeps the context that it was given; each handshake is handed over to the current one.
        self.context.sni_callback = self._use_current

    @property
    def expires(self) -> datetime:
        """Until when the certificate is valid."""
        return self._current.expires

    def reload(self) -> None:
        """Read the files again; if they can't be used, those read before go on.

        Raises
        ------
        SettingsError
            They can't be used.
        """
        self._current = _load(self._files)

    def _use_current(self, connection: ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
        connection.context = self._current.context


class _Loaded:
    """Files that have passed a handshake."""

    def __init__(self, context: ssl.SSLContext, expires: datetime) -> None:
        self.context, self.expires = context, expires


def _load(files: TlsFiles) -> _Loaded:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _readable("tls_certificate", files.certificate)
    _readable("tls_key", files.key)
    try:
        context.load_cert_chain(files.certificate, files.key, password=_no_passphrase)
    except (ssl.SSLError, _PassphraseError) as error:
        raise _told(files, error) from None
    expires = _shake_hands(context, files)
    if files.client_ca is not None:
        _readable("tls_client_ca", files.client_ca)
        _require_clients(context, files.client_ca)
    return _Loaded(context, expires)


def _require_clients(context: ssl.SSLContext, path: Path) -> None:
    try:
        context.load_verify_locations(path)
    except ssl.SSLError:
        raise SettingsError("tls_client_ca", "a file of certificates (PEM)", str(path)) from None
    context.verify_mode = ssl.CERT_REQUIRED


class _PassphraseError(Exception):
    """The key asks for a passphrase."""


def _no_passphrase() -> str:
    # Without this OpenSSL would ask at the terminal.
    raise _PassphraseError


def _readable(name: str, path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        raise SettingsError(name, "a file that this process can read (PEM)", f"{path}: {error.strerror}") from None


def _told(files: TlsFiles, error: Exception) -> SettingsError:
    """Return which of two files is the wrong one: OpenSSL tells in its own words."""
    if isinstance(error, _PassphraseError):
        return SettingsError("tls_key", "a private key without a passphrase", str(files.key))
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        return SettingsError("tls_key", f"the key of {files.certificate}", f"{files.key}, which is another's")
    if "-----BEGIN CERTIFICATE-----" not in files.certificate.read_text(errors="replace"):
        return SettingsError("tls_certificate", "a certificate (PEM)", str(files.certificate))
    if "PRIVATE KEY-----" not in files.key.read_text(errors="replace"):
        return SettingsError("tls_key", "a private key (PEM)", str(files.key))
    return SettingsError("tls_certificate", "a certificate and its key (PEM)", f"{files.certificate}: {error}")


def _shake_hands(server: ssl.SSLContext, files: TlsFiles) -> datetime:
    """Return until when the certificate is valid, after a handshake in memory with a client that trusts it alone."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(files.certificate)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asks = client.wrap_bio(to_client, to_server)
    answers = server.wrap_bio(to_server, to_client, server_side=True)
    try:
        while not _step(asks):
            _step(answers)
    except ssl.SSLCertVerificationError as error:
        got = f"{files.certificate}: {error.verify_message}"
        raise SettingsError("tls_certificate", "a certificate that a client can accept", got) from None
    except ssl.SSLError as error:
        raise SettingsError("tls_certificate", "a handshake", f"{files.certificate}: {error}") from None
    found: Any = asks.getpeercert() or {}
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(found["notAfter"]), UTC)


def _step(side: ssl.SSLObject) -> bool:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
