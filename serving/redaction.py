"""Keeps secrets out of everything that is logged: those that the settings hold, and what looks like one."""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote

import orjson

from likewise.serving.errors import SettingsError
from likewise.serving.settings import ServingSettings
from likewise.serving.tokens import tokens_of

HIDDEN = "***"
# No blank: a line of text may hold an address here and an `@prod` further on.
_IN_URL = re.compile(r"(?<=://)([^@/?#:\s]*:)([^\s/]*)(?=@)")
_NAMED = re.compile(
    r"(?i)\b(bearer\s+|(?:ssl_)?password[\"']?\s*[=:]\s*[\"']?|authorization[\"']?\s*[=:]\s*[\"']?(?!bearer))"
    r"([^\s,&\"'}]+)"
)
# Every match of it holds one of these, in small letters.
_NAMES = ("bearer", "password", "authorization")
# Greedy up to the last @: a password of the settings may hold any character.
_PASSWORD = re.compile(r"://[^@/?#:]*:(.*)@")
# Shorter ones would hide parts of ordinary words.
_SHORTEST_SECRET = 4


class Redactor:
    """Replaces secrets in a text by `***`.

    Parameters
    ----------
    secrets
        What must never be shown, wherever it stands.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: tuple[str, ...] = ()
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Hide these too from now on. Those of before stay hidden: what was asked with them may still be logged."""
        forms = {*self._forms, *(form for one in secrets for form in _forms(one))}
        self._forms = tuple(sorted(forms, key=len, reverse=True))  # one may be a part of another

    def __call__(self, text: str) -> str:
        """Return a text without secrets."""
        # Looked for before anything is replaced: expressions over a line that has nothing to hide took half of the
        # time that the line took (20 of 40 us).
        for form in self._forms:
            if form in text:
                text = text.replace(form, HIDDEN)
        if "://" in text:
            text = _IN_URL.sub(rf"\1{HIDDEN}", text)
        lowered = text.lower()
        if any(name in lowered for name in _NAMES):
            text = _NAMED.sub(rf"\1{HIDDEN}", text)
        return text


def redactor_of(settings: ServingSettings, environ: Mapping[str, str]) -> Redactor:
    """Return what hides the secrets of a process: its tokens, passwords in its URLs, headers of its exporter."""
    urls = [settings.registry, settings.blobs or "", settings.otlp_endpoint or "", environ.get("REDIS_URL", "")]
    passwords = [match for url in urls for match in _PASSWORD.findall(url)]
    headers = [value for name, value in environ.items() if name.startswith("OTEL_") and name.endswith("_HEADERS")]
    values = [pair.partition("=")[2] for text in headers for pair in text.split(",")]
    try:
        tokens = tokens_of(settings.tokens)
    except SettingsError:  # told when the app is made; until then the others are hidden
        tokens = settings.tokens
    return Redactor([*tokens.read, *tokens.write, *passwords, *values])


def _forms(secret: str) -> list[str]:
    """Return a secret as it is and unescaped, as a URL and a `repr` write it, and each of them as JSON does."""
    plain = {secret, unquote(secret)}
    written = plain | {quote(form, safe="") for form in plain} | {repr(form)[1:-1] for form in plain}
    forms = written | {orjson.dumps(form).decode()[1:-1] for form in written}
    return [form for form in forms if len(form) >= _SHORTEST_SECRET]
