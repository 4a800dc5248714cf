"""The options of `likewise serve`, each with its environment variable, and the settings that they make."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from likewise.cli.errors import SettingError
from likewise.cli.settings import Settings
from likewise.serving.settings import (
    REQUEST_LOG_BYTES,
    ROLES,
    Limits,
    LogFormat,
    LogLines,
    OnMovedDefinitions,
    OnStale,
    OnTrouble,
    Role,
    ServingSettings,
    TlsFiles,
    Tokens,
)
from likewise.serving.telemetry import wanted_endpoint

_LIMITS, _LOGS, _ACCESS = "Limits of a request and a worker", "Logs and traces", "Access and TLS"
_TROUBLE = "Stale values, trouble, changes"
_DEFAULT = Limits()


def _option(help_: str, panel: str | None = None, env: str | None = None, **more: Any) -> Any:
    return typer.Option(help=help_, rich_help_panel=panel, envvar=f"LIKEWISE_{env}" if env else None, **more)


@dataclass(frozen=True, slots=True)
class ServingOptions:
    """What the command line and the environment say; checked when settings are made of it."""

    release: Annotated[
        list[str] | None,
        _option(
            "What to serve: NAME@ALIAS follows the alias, NAME:VERSION is fixed. Default: every @prod.", env="RELEASES"
        ),
    ] = None
    repo: Annotated[Path | None, _option("The Feast repository (LIKEWISE_REPO).")] = None
    release_dir: Annotated[
        Path | None,
        _option("Serve what `likewise release-dir` wrote: no registry, no Feast repository.", env="RELEASE_DIR"),
    ] = None
    allow_code: Annotated[
        bool, _option("Let on-demand views of a release directory run: they are code.", env="ALLOW_CODE")
    ] = False
    # Not LIKEWISE_PORT: Kubernetes sets that to an address where a service is called `likewise`.
    host: Annotated[str, _option("Address to listen on.", env="LISTEN_HOST")] = "127.0.0.1"
    port: Annotated[int, _option("Port; 0 takes a free one.", env="LISTEN_PORT")] = 8000
    workers: Annotated[int, _option("Worker processes.", env="WORKERS")] = 1
    roles: Annotated[str, _option(f"Comma-separated, of: {', '.join(ROLES)}.", env="ROLES")] = ",".join(ROLES)
    drain_seconds: Annotated[
        int,
        _option("How long requests under way may take at SIGTERM, or when a worker is replaced.", env="DRAIN_SECONDS"),
    ] = 10

    on_stale: Annotated[
        str, _option("Values older than their TTL: missing, or refuse the request (409).", _TROUBLE, "ON_STALE")
    ] = "missing"
    on_trouble: Annotated[
        str,
        _option("The store is down or late: fail (503, 504), or predict from defaults.", _TROUBLE, "ON_TROUBLE"),
    ] = "fail"
    on_moved_definitions: Annotated[
        str,
        _option(
            "Feature definitions are not as a release pinned them: alarm, or refuse to load it.",
            _TROUBLE,
            "ON_MOVED_DEFINITIONS",
        ),
    ] = "alarm"
    poll_seconds: Annotated[float, _option("How often aliases are looked at, seconds.", _TROUBLE, "POLL_SECONDS")] = 0.5
    definitions_seconds: Annotated[
        float, _option("How often the Feast registry is looked at, seconds.", _TROUBLE, "DEFINITIONS_SECONDS")
    ] = 10.0

    body_bytes: Annotated[int, _option("Largest body, bytes.", _LIMITS, "BODY_BYTES")] = _DEFAULT.body_bytes
    rows: Annotated[int, _option("Most rows of one request.", _LIMITS, "ROWS")] = _DEFAULT.rows
    inflight: Annotated[
        int, _option("Most requests under way in one worker; more are answered 503.", _LIMITS, "INFLIGHT")
    ] = _DEFAULT.inflight
    deadline_ms: Annotated[
        float, _option("Time for an answer once its body is read, milliseconds; 0: no limit.", _LIMITS, "DEADLINE_MS")
    ] = _DEFAULT.deadline_ms or 0.0

    token_file: Annotated[
        Path | None,
        _option(
            "File of tokens that may write, one a line; besides LIKEWISE_TOKEN (several: commas).",
            _ACCESS,
            "TOKEN_FILE",
        ),
    ] = None
    read_token_file: Annotated[
        Path | None,
        _option("File of tokens that may only read; besides LIKEWISE_READ_TOKEN.", _ACCESS, "READ_TOKEN_FILE"),
    ] = None
    tls_certificate: Annotated[
        Path | None, _option("Certificate and its chain (PEM): serve HTTPS.", _ACCESS, "TLS_CERTIFICATE")
    ] = None
    tls_key: Annotated[Path | None, _option("The certificate's key (PEM).", _ACCESS, "TLS_KEY")] = None
    tls_client_ca: Annotated[
        Path | None, _option("Let in only clients whose certificate these signed (PEM).", _ACCESS, "TLS_CLIENT_CA")
    ] = None

    log_format: Annotated[str, _option("text for people, json for machines.", _LOGS, "LOG_FORMAT")] = "text"
    log_share: Annotated[
        float | None,
        _option("Share of requests that get a log line, 0 to 1. Default: json 1, text 0.", _LOGS, "LOG_SHARE"),
    ] = None
    log_slow_ms: Annotated[
        float | None, _option("Requests that take so long always get a line, milliseconds.", _LOGS, "LOG_SLOW_MS")
    ] = None
    request_log: Annotated[
        Path | None,
        _option("Folder for the request log (for `likewise replay`); none is kept without.", _LOGS, "REQUEST_LOG"),
    ] = None
    request_log_share: Annotated[
        float, _option("Share of requests that the request log keeps, 0 to 1.", _LOGS, "REQUEST_LOG_SHARE")
    ] = 1.0
    request_log_bytes: Annotated[
        int,
        _option("Largest size of the request log, bytes; its oldest files go beyond.", _LOGS, "REQUEST_LOG_BYTES"),
    ] = REQUEST_LOG_BYTES
    otlp_endpoint: Annotated[
        str | None,
        _option("Send traces there (OTLP over HTTP). Default: OTEL_EXPORTER_OTLP_ENDPOINT.", _LOGS, "OTLP_ENDPOINT"),
    ] = None

    @property
    def chosen_roles(self) -> tuple[Role, ...]:
        """Return the roles; the settings check them."""
        return cast("tuple[Role, ...]", tuple(role.strip() for role in self.roles.split(",")))

    def settings(self, base: Settings, releases: tuple[str, ...]) -> ServingSettings:
        """Return the settings of the server.

        Raises
        ------
        SettingsError, SettingError
            A value can't be used.
        """
        return ServingSettings(
            repo=self.repo or base.repo,
            registry=base.registry,
            blobs=base.blobs,
            releases=releases,
            roles=self.chosen_roles,
            host=self.host,
            port=self.port,
            workers=self.workers,
            clock=base.clock,
            tokens=Tokens(
                split_tokens(base.token), split_tokens(base.read_token), self.token_file, self.read_token_file
            ),
            limits=Limits(self.body_bytes, self.rows, self.inflight, self.deadline_ms or None),
            on_stale=cast("OnStale", self.on_stale),
            on_trouble=cast("OnTrouble", self.on_trouble),
            on_moved_definitions=cast("OnMovedDefinitions", self.on_moved_definitions),
            poll_seconds=self.poll_seconds,
            definitions_seconds=self.definitions_seconds,
            request_log=self.request_log,
            request_log_share=self.request_log_share,
            request_log_bytes=self.request_log_bytes,
            tls=self._tls(),
            log=LogLines(cast("LogFormat", self.log_format), self.log_share, self.log_slow_ms),
            otlp_endpoint=self.otlp_endpoint or wanted_endpoint(),
            drain_seconds=self.drain_seconds,
            release_dir=self.release_dir,
            allow_code=self.allow_code,
        )

    def _tls(self) -> TlsFiles | None:
        if self.tls_certificate is None and self.tls_key is None:
            if self.tls_client_ca is not None:
                raise SettingError("tls_client_ca", "--tls-certificate and --tls-key with it", "neither")
            return None
        if self.tls_certificate is None or self.tls_key is None:
            given = "--tls-key" if self.tls_certificate is None else "--tls-certificate"
            raise SettingError("tls", "--tls-certificate and --tls-key", f"{given} alone")
        return TlsFiles(self.tls_certificate, self.tls_key, self.tls_client_ca)


def split_tokens(text: str | None) -> tuple[str, ...]:
    """Return the tokens of a comma-separated list."""
    return tuple(token.strip() for token in (text or "").split(",") if token.strip())
