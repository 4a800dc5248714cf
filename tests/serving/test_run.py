import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
from feast import FeatureStore, RepoConfig
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus

from likewise.serving.errors import SettingsError
from likewise.serving.run import run
from likewise.serving.settings import ServingSettings
from likewise.transforms.registry.errors import RegistryError
from tests.serving.fakes import NOW
from tests.serving.real_repository import repository_in

pytestmark = pytest.mark.slow
SERVE = """
from pathlib import Path
from likewise.serving.run import run
from likewise.serving.settings import ServingSettings
if __name__ == "__main__":
    run(ServingSettings(repo=Path({repo!r}), roles=("features",), port=0, clock={clock!r}, workers={workers}))
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("repo")
    with repository_in(folder):
        yield folder


@contextmanager
def serving(repository: Path, workers: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a server in a process of its own; yield it with its address once it says that it is ready."""
    script = repository / "serve.py"
    script.write_text(SERVE.format(repo=str(repository), clock=NOW.isoformat(), workers=workers))
    command = [sys.executable, "-W", "ignore", str(script)]
    environment = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("Likewise serves"), line
            yield process, line.split(" on ")[1].split()[0]
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(30)


def read(address: str) -> dict[str, Any]:
    body = json.dumps({"features": ["carrier_stats:flights"], "entities": {"carrier": ["UA"]}}).encode()
    request = urllib.request.Request(f"{address}/get-online-features", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def scrape(address: str) -> str:
    with urllib.request.urlopen(f"{address}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def test_it_says_when_it_is_ready_and_ends_gracefully(repository: Path) -> None:
    """The server prints one line when it is ready; at SIGTERM it answers what is under way and ends with status 0."""
    with serving(repository, 1) as (process, address):
        assert read(address)["results"][1]["values"] == [2**60 + 1]
        failures: list[Exception] = []
        ended = threading.Event()

        def keep_reading() -> None:
            while not ended.is_set():
                try:
                    read(address)
                except (ConnectionError, OSError) as error:
                    if not ended.is_set():
                        failures.append(error)
                    return

        reader = threading.Thread(target=keep_reading)
        reader.start()
        time.sleep(0.2)
        ended.set()
        process.send_signal(signal.SIGTERM)
        reader.join(10)
        assert failures == []
        assert process.wait(20) == 0


def test_several_workers_share_a_port(repository: Path) -> None:
    """Two workers answer on one port, and both end at SIGTERM."""
    with serving(repository, 2) as (process, address):
        assert all(read(address)["results"][1]["values"] == [2**60 + 1] for _ in range(20))
        wanted = 'likewise_requests_total{route="/get-online-features",status="200"} 20.0'
        end = time.monotonic() + 10
        while wanted not in (text := scrape(address)) and time.monotonic() < end:
            time.sleep(0.2)
        assert wanted in text
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_what_can_not_be_served_is_told_before_it_starts(repository: Path, tmp_path: Path) -> None:
    """A missing registry or repository and a port in use are errors that say what to do, before anything runs."""
    settings = ServingSettings(repo=repository, registry=f"sqlite:///{tmp_path}/none.db", releases=("x@prod",), port=0)
    with pytest.raises(RegistryError):
        run(settings)
    with pytest.raises(SettingsError, match=r"feature_store\.yaml"):
        run(ServingSettings(repo=tmp_path, roles=("features",), port=0))
    with serving(repository, 1) as (_, address), pytest.raises(SettingsError, match="port"):
        run(ServingSettings(repo=repository, roles=("features",), port=int(address.rsplit(":", 1)[1])))


def test_feasts_remote_store_reads_and_writes_through_it(repository: Path, tmp_path: Path) -> None:
    """Feast's own `remote` online store client reads and writes through our server, with truthful statuses."""
    with serving(repository, 1) as (_, address):
        remote = {"type": "remote", "path": address}
        config = {"project": "tested", "provider": "local", "registry": str(repository / "registry.db")}
        store = FeatureStore(
            config=RepoConfig(**config, online_store=remote, entity_key_serialization_version=3, repo_path=tmp_path)
        )
        features = ["carrier_stats:flights", "carrier_stats:airline", "carrier_stats:mean_delay"]
        answer = store.get_online_features(features, [{"carrier": name} for name in ("UA", "DL", "ZZ")])
        assert answer.to_dict() == {
            "carrier": ["UA", "DL", "ZZ"],
            "flights": [2**60 + 1, None, None],
            "airline": ["United", None, None],
            "mean_delay": [4.5, None, None],
        }
        statuses = [FieldStatus.Name(status) for status in answer.proto.results[1].statuses]
        assert statuses == ["PRESENT", "OUTSIDE_MAX_AGE", "NOT_FOUND"]
        row = pd.DataFrame({"airport": ["BOS"], "altitude": [6.0], "event_timestamp": [NOW]})
        store.write_to_online_store("airport_facts", row)
        found = store.get_online_features(["airport_facts:altitude"], [{"airport": "BOS"}]).to_dict()
        assert found["altitude"] == [6.0]


def test_a_dead_worker_is_replaced(repository: Path) -> None:
    """When a worker dies, another takes its place and the port goes on answering."""
    with serving(repository, 2) as (process, address):
        children = psutil.Process(process.pid).children()
        assert len(children) == 2
        children[0].kill()
        end = time.monotonic() + 30
        while time.monotonic() < end and len(_alive(process.pid)) < 2:
            time.sleep(0.05)
        assert len(_alive(process.pid)) == 2
        assert read(address)["results"][1]["values"] == [2**60 + 1]


def _alive(pid: int) -> list[psutil.Process]:
    children = psutil.Process(pid).children()
    return [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
