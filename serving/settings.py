"""The settings of one serving process: checked when made, then frozen."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal, get_args

from likewise.serving.errors import SettingsError
from likewise.stores.clock import parse_clock
from likewise.stores.redis_url import masked

Role = Literal["features", "predict"]
OnStale = Literal["missing", "refuse"]
OnTrouble = Literal["fail", "defaults"]
OnMovedDefinitions = Literal["alarm", "refuse"]
LogFormat = Literal["text", "json"]

ROLES: tuple[Role, ...] = get_args(Role)
# One file of the request log may take some of it: with less, an answer would be gone before it can be replayed.
LEAST_LOG_BYTES = 2**20
REQUEST_LOG_BYTES = 20 * 2**30
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Tokens:
    """Bearer tokens; several of a kind let one be rotated without a gap.

    Attributes
    ----------
    write
        May push features, and read. Empty: writes are open on loopback and refused beyond it.
    read
        May read. Empty: reads are open.
    write_file, read_file
        Files with more of them, one a line; read again at SIGHUP.
    """

    write: tuple[str, ...] = field(default=(), repr=False)
    read: tuple[str, ...] = field(default=(), repr=False)
    write_file: Path | None = None
    read_file: Path | None = None

    def __str__(self) -> str:
        files = [str(path) for path in (self.write_file, self.read_file) if path is not None]
        return ", ".join([f"{len(self.write)} write, {len(self.read)} read (hidden)", *files])


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files that make the server speak HTTPS; read again at SIGHUP.

    Attributes
    ----------
    certificate
        The server's certificate, and behind it those that lead to the root.
    key
        Its private key, without a passphrase.
    client_ca
        Who signs clients' certificates; None: clients need none.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def __str__(self) -> str:
        clients = f"clients signed by {self.client_ca}" if self.client_ca else "any client"
        return f"{self.certificate} with key {self.key}, {clients}"


@dataclass(frozen=True, slots=True)
class LogLines:
    """How the process logs, and which requests get a line.

    Attributes
    ----------
    format
        `text` for people, `json` for machines: one object a line.
    share
        Of requests that get a line, 0 to 1; None: all with `json`, none with `text`.
    slow_ms
        Requests that take so long always get a line, milliseconds; None: time does not matter.

    Where some requests get a line (or the format is `json`), so does every answer of status 500 and above.
    """

    format: LogFormat = "text"
    share: float | None = None
    slow_ms: float | None = None

    def __post_init__(self) -> None:
        _check_choice("log_format", self.format, get_args(LogFormat))
        if not 0 <= self.request_share <= 1:
            raise SettingsError("log_share", "a number from 0 to 1", self.share)
        if self.slow_ms is not None and not self.slow_ms > 0:
            raise SettingsError("log_slow_ms", "a number of milliseconds above 0", self.slow_ms)

    @property
    def request_share(self) -> float:
        """Return the share of requests that get a line whatever their time and status."""
        return self.share if self.share is not None else float(self.format == "json")

    @property
    def is_told_of_requests(self) -> bool:
        """Whether any request may get a line; otherwise nothing is added to its path."""
        return self.format == "json" or self.request_share > 0 or self.slow_ms is not None

    def __str__(self) -> str:
        if not self.is_told_of_requests:
            return f"{self.format}, no lines for requests"
        slow = f", all of {self.slow_ms:g} ms and more" if self.slow_ms is not None else ""
        return f"{self.format}, a line for {self.request_share:.4g} of the requests{slow}, all of status 500 and above"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request and one worker may use.

    Attributes
    ----------
    body_bytes
        Largest body.
    rows
        Most rows of one request.
    inflight
        Most requests under way in one worker; more are answered 503 at once.
    deadline_ms
        Time for one answer, from the moment the body is read; None: no limit.
    """

    body_bytes: int = 16 * 2**20
    rows: int = 20_000
    inflight: int = 512
    deadline_ms: float | None = 2_000.0

    def __str__(self) -> str:
        deadline = "no deadline" if self.deadline_ms is None else f"{self.deadline_ms:g} ms"
        return f"{self.body_bytes:,} bytes, {self.rows:,} rows, {self.inflight:,} requests under way, {deadline}"

    def __post_init__(self) -> None:
        for name in ("body_bytes", "rows", "inflight"):
            if getattr(self, name) < 1:
                raise SettingsError(name, "a whole number from 1", getattr(self, name))
        if self.deadline_ms is not None and not self.deadline_ms > 0:
            raise SettingsError("deadline_ms", "a number of milliseconds above 0, or None", self.deadline_ms)


@dataclass(frozen=True, slots=True)
class ServingSettings:
    """What to serve, where, and what to do in trouble.

    Attributes
    ----------
    repo
        The Feast repository (folder of `feature_store.yaml`).
    registry, blobs
        URL of the transform registry and of its blobs (None: beside the registry).
    releases
        References that stay resident: `flight_delay@prod` follows its alias, `flight_delay:7` is fixed.
    roles
        `features` answers Feast's API, `predict` answers vectors and predictions.
    host, port, workers
        Address and number of worker processes.
    clock
        `wall` or an ISO instant with its zone.
    on_stale
        Values older than their view's TTL: `missing` (as in training), or `refuse` the request (409).
    on_trouble
        The store is down or the deadline passes: `fail` (503, 504), or predict from `defaults`: every
        stored value missing, with the status saying so.
    on_moved_definitions
        The Feast registry no longer holds the definitions that a release was made with: `alarm` or `refuse`.
    poll_seconds, definitions_seconds
        How often aliases and the Feast registry are looked at, seconds.
    request_log, request_log_share, request_log_bytes
        Folder of the request log (None: none is kept), the share of requests that it keeps, 0 to 1, and how large it
        may become, bytes: beyond that its oldest files are removed.
    tls
        Files for HTTPS; None: plain HTTP.
    log
        How the process logs.
    otlp_endpoint
        Where traces go (OTLP over HTTP); None: no traces are made.
    drain_seconds
        How long requests under way may take when the process is told to end, or a worker is replaced.
    release_dir
        Serve the one release of this directory: neither registry nor Feast repository is looked at.
    allow_code
        Whether on-demand views that a release directory holds may run: they are code.
    """

    repo: Path = Path("feature_repo")
    registry: str = "sqlite:///.likewise/registry.db"
    blobs: str | None = None
    releases: tuple[str, ...] = ()
    roles: tuple[Role, ...] = ROLES
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    clock: str = "wall"
    tokens: Tokens = field(default_factory=Tokens)
    limits: Limits = field(default_factory=Limits)
    on_stale: OnStale = "missing"
    on_trouble: OnTrouble = "fail"
    on_moved_definitions: OnMovedDefinitions = "alarm"
    poll_seconds: float = 0.5
    definitions_seconds: float = 10.0
    request_log: Path | None = None
    request_log_share: float = 1.0
    request_log_bytes: int = REQUEST_LOG_BYTES
    tls: TlsFiles | None = None
    log: LogLines = field(default_factory=LogLines)
    otlp_endpoint: str | None = None
    drain_seconds: int = 10
    release_dir: Path | None = None
    allow_code: bool = False

    def __post_init__(self) -> None:
        self._check_names()
        self._check_numbers()
        parse_clock(self.clock)

    def _check_names(self) -> None:
        for role in self.roles:
            _check_choice("roles", role, ROLES)
        if not self.roles:
            raise SettingsError("roles", f"one or more of {', '.join(ROLES)}", "none")
        _check_choice("on_stale", self.on_stale, get_args(OnStale))
        _check_choice("on_trouble", self.on_trouble, get_args(OnTrouble))
        _check_choice("on_moved_definitions", self.on_moved_definitions, get_args(OnMovedDefinitions))
        if self.otlp_endpoint is not None and not self.otlp_endpoint.startswith(("http://", "https://")):
            raise SettingsError("otlp_endpoint", "an http:// or https:// URL", masked(self.otlp_endpoint))
        if "predict" in self.roles and not self.releases and self.roles == ("predict",):
            raise SettingsError("releases", "at least one reference (NAME@ALIAS or NAME:VERSION)", "none")

    def _check_numbers(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise SettingsError("port", "a number from 0 to 65535", self.port)
        if self.workers < 1:
            raise SettingsError("workers", "a whole number from 1", self.workers)
        for name in ("poll_seconds", "definitions_seconds"):
            if not getattr(self, name) > 0:
                raise SettingsError(name, "a number of seconds above 0", getattr(self, name))
        if not 0 <= self.request_log_share <= 1:
            raise SettingsError("request_log_share", "a number from 0 to 1", self.request_log_share)
        if self.request_log_bytes < LEAST_LOG_BYTES:
            wanted = f"a whole number of bytes from {LEAST_LOG_BYTES}"
            raise SettingsError("request_log_bytes", wanted, self.request_log_bytes)
        if self.drain_seconds < 1:
            raise SettingsError("drain_seconds", "a whole number of seconds from 1", self.drain_seconds)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return self.host in LOOPBACK

    def describe(self) -> dict[str, str]:
        """Return every setting as text, with secrets masked."""
        shown = {item.name: str(getattr(self, item.name)) for item in fields(self)}
        for name in ("roles", "releases"):
            shown[name] = ", ".join(getattr(self, name)) or "none"
        for name in ("registry", "blobs", "otlp_endpoint"):
            shown[name] = masked(shown[name])
        return shown


def _check_choice(name: str, got: str, choices: tuple[str, ...]) -> None:
    if got not in choices:
        raise SettingsError(name, f"one of {', '.join(choices)}", got)
