from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from likewise.cli.errors import SettingError
from likewise.cli.options_class import taking
from likewise.cli.serving_options import ServingOptions
from likewise.cli.settings import load_settings
from likewise.serving.errors import SettingsError
from likewise.serving.settings import Limits, ServingSettings
from likewise.transforms.errors import LikewiseError


def settings(arguments: list[str], environ: dict[str, str] | None = None) -> ServingSettings:
    """Return the settings that a command line and an environment make."""
    made: list[ServingSettings] = []
    app = typer.Typer()

    @app.command()
    @taking(ServingOptions)
    def serve(options: ServingOptions) -> None:
        made.append(options.settings(load_settings(environ or {}), ("a@prod",)))

    result = CliRunner().invoke(app, arguments, env=environ)
    if isinstance(result.exception, LikewiseError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return made[0]


def test_without_options_the_settings_defaults_count() -> None:
    """The command line has no defaults of its own: what is not given is as `ServingSettings` has it."""
    made, default = settings([]), ServingSettings(releases=("a@prod",))
    assert {item.name for item in fields(made) if getattr(made, item.name) != getattr(default, item.name)} == {"blobs"}


OPTIONS = {
    "on-stale": ("refuse", "on_stale", "refuse"),
    "on-trouble": ("defaults", "on_trouble", "defaults"),
    "on-moved-definitions": ("refuse", "on_moved_definitions", "refuse"),
    "workers": ("3", "workers", 3),
    "drain-seconds": ("7", "drain_seconds", 7),
    "roles": ("predict", "roles", ("predict",)),
    "request-log": ("logs", "request_log", Path("logs")),
    "request-log-share": ("0.25", "request_log_share", 0.25),
    "request-log-bytes": ("5000000", "request_log_bytes", 5_000_000),
    "otlp-endpoint": ("http://c:4318", "otlp_endpoint", "http://c:4318"),
    "poll-seconds": ("2", "poll_seconds", 2.0),
    "body-bytes": ("100", "limits", Limits(body_bytes=100)),
    "rows": ("7", "limits", Limits(rows=7)),
    "inflight": ("9", "limits", Limits(inflight=9)),
    "deadline-ms": ("0", "limits", Limits(deadline_ms=None)),
}


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_and_its_variable_set_the_same(option: str) -> None:
    """Every choice can be made on the command line and in the environment, with the same effect."""
    text, name, value = OPTIONS[option]
    variable = f"LIKEWISE_{option.upper().replace('-', '_')}"
    assert getattr(settings([f"--{option}", text]), name) == value
    assert getattr(settings([], {variable: text}), name) == value


def test_several_tokens_let_one_be_rotated(tmp_path: Path) -> None:
    """Tokens come from the environment (several by commas) and from files; none is shown."""
    made = settings(
        ["--token-file", str(tmp_path / "w")],
        {"LIKEWISE_TOKEN": "old-one, new-one", "LIKEWISE_READ_TOKEN": "reads-only"},
    )
    assert (made.tokens.write, made.tokens.read) == (("old-one", "new-one"), ("reads-only",))
    shown = " ".join(made.describe().values()) + repr(made)
    assert not [token for token in ("old-one", "new-one", "reads-only") if token in shown]
    assert "2 write, 1 read (hidden)" in shown


def test_opentelemetrys_own_environment_switches_traces_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_EXPORTER_OTLP_ENDPOINT is enough; OTEL_SDK_DISABLED takes it back."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
    assert settings([]).otlp_endpoint == "http://collector:4318"
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert settings([]).otlp_endpoint is None


WRONG = [
    ["--on-stale", "x"],
    ["--on-trouble", "x"],
    ["--log-format", "xml"],
    ["--log-share", "1.5"],
    ["--log-slow-ms", "-1"],
    ["--roles", "features,x"],
    ["--rows", "0"],
    ["--deadline-ms", "-1"],
    ["--drain-seconds", "0"],
    ["--otlp-endpoint", "collector:4318"],
    ["--request-log-share", "2"],
    ["--request-log-bytes", "1000"],
]


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_a_value_that_can_not_be_used_is_told(arguments: list[str]) -> None:
    """What was expected and what was got."""
    with pytest.raises(SettingsError, match=r"expected .* got"):
        settings(arguments)


@pytest.mark.parametrize("arguments", [["--tls-key", "k"], ["--tls-certificate", "c"], ["--tls-client-ca", "a"]])
def test_half_of_tls_is_refused(arguments: list[str]) -> None:
    """A key without its certificate must not end in plain HTTP."""
    with pytest.raises(SettingError, match="--tls-certificate and --tls-key"):
        settings(arguments)


def test_a_field_without_default_is_a_required_option() -> None:
    """The class of options keeps Typer's own rules."""

    @dataclass
    class Options:
        name: Annotated[str, typer.Option()]

    app = typer.Typer()
    app.command()(taking(Options)(lambda options: typer.echo(options.name)))
    assert CliRunner().invoke(app, ["--name", "x"]).output == "x\n"
    assert CliRunner().invoke(app, []).exit_code == 2
