"""Runs the server: one process or several, a clear line when it is ready, a graceful end."""

import gc
import json
import logging
import os
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import asdict
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from likewise.serving.app import build_app
from likewise.serving.errors import SettingsError
from likewise.serving.open_parts import open_parts
from likewise.serving.settings import Limits, ServingSettings, Tokens
from likewise.transforms.registry import Registry

SETTINGS_VARIABLE = "LIKEWISE_SERVING_SETTINGS"
GRACE_SECONDS = 10
_NOT_READY_AFTER_SECONDS = 30.0

logger = logging.getLogger(__name__)


def run(settings: ServingSettings) -> None:
    """Serve until SIGINT or SIGTERM; requests under way are answered first.

    Parameters
    ----------
    settings
        What to serve; port 0 takes a free one.

    Raises
    ------
    LikewiseError
        The repository, the registry or a release can't be used; nothing was served.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    _check_releases(settings)
    listener = _listen(settings)
    address = _url(settings, listener)
    announcer = threading.Thread(target=_announce, args=(address,), daemon=True)
    if settings.workers == 1:
        app = _quick_app(settings)
        announcer.start()
        uvicorn.Server(_config(app)).run(sockets=[listener])
        return
    os.environ[SETTINGS_VARIABLE] = _to_json(settings)
    config = _config(f"{__name__}:app_of_worker", factory=True, workers=settings.workers)
    announcer.start()
    Multiprocess(config, sockets=[listener]).run()


def app_of_worker() -> FastAPI:
    """Return the app of one of several worker processes; its settings come from the parent's environment."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    return _quick_app(_from_json(os.environ[SETTINGS_VARIABLE]))


def _quick_app(settings: ServingSettings) -> FastAPI:
    app = build_app(settings, open_parts(settings))
    # What is loaded by now lives as long as the process: collections need not walk it (0.1 s each otherwise).
    gc.collect()
    gc.freeze()
    return app


def _config(app: Any, **options: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_worker_healthcheck=60,
        **options,
    )


def _check_releases(settings: ServingSettings) -> None:
    """Refuse a release that does not exist while the caller still listens."""
    if "predict" in settings.roles and settings.releases:
        registry = Registry(settings.registry, settings.blobs, create=False)
        for reference in settings.releases:
            registry.release(reference)


def _listen(settings: ServingSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        where = f"{settings.host}:{settings.port}"
        raise SettingsError("port", f"an address that is free ({error.strerror})", where) from error
    listener.set_inheritable(True)
    return listener


def _url(settings: ServingSettings, listener: socket.socket) -> str:
    host = settings.host if settings.host not in ("0.0.0.0", "::") else "127.0.0.1"  # noqa: S104  compared, not bound
    return (
        f"http://[{host}]:{listener.getsockname()[1]}" if ":" in host else f"http://{host}:{listener.getsockname()[1]}"
    )


def _announce(address: str) -> None:
    """Print one line when the server is ready; say why when it is not after a while."""
    started, told = time.monotonic(), False
    while True:
        state = _readiness(address)
        if state.get("status") == "ready":
            answers = [slot["answers_with"] for slot in state["releases"].values()]
            what = f"release {', '.join(answers)}" if answers else "features"
            _say(f"Likewise serves {what} on {address} (try {address}/docs)")
            return
        if state and not told and time.monotonic() - started > _NOT_READY_AFTER_SECONDS:
            told = True
            _say(f"Likewise listens on {address} but is not ready: {json.dumps(state)}")
        time.sleep(0.1)


def _readiness(address: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(f"{address}/health/ready", timeout=5) as answer:  # noqa: S310  our own address
            found: dict[str, Any] = json.load(answer)
        return found
    except urllib.error.HTTPError as error:
        with error:
            refused: dict[str, Any] = json.load(error)
        return refused
    except (OSError, ValueError):
        return {}


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _to_json(settings: ServingSettings) -> str:
    return json.dumps(asdict(settings), default=str)


def _from_json(text: str) -> ServingSettings:
    fields = json.loads(text)
    for name in ("releases", "roles"):
        fields[name] = tuple(fields[name])
    fields["repo"] = Path(fields["repo"])
    fields["limits"] = Limits(**fields["limits"])
    fields["tokens"] = Tokens(**{kind: tuple(tokens) for kind, tokens in fields["tokens"].items()})
    fields["request_log"] = Path(fields["request_log"]) if fields["request_log"] else None
    return ServingSettings(**fields)
