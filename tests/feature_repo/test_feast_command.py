"""The unmodified `feast` command in the repository's folder, with no environment set but the clock where it matters."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from feast import FeatureStore

from tests.feature_repo.conftest import Feast

pytestmark = pytest.mark.slow

INSTANT = "2013-01-05T18:02:00+00:00"
ASKED = ("-e", "origin=EWR", "-e", "carrier=UA", "-e", "dest=IAH")
FEATURES = ("-f", "origin_delays:origin_flights_1d", "-f", "route_delays:route_late_share_1d")


def test_from_plan_to_features(feast: Feast, repository: Path, applied: str) -> None:
    """Plan after apply shows no change; materialize, then incrementally; features are those of the sources."""
    assert "Deploying infrastructure for route_delays" in applied
    assert "No changes to registry" in feast("plan")
    feast("materialize", "2013-01-01T00:00:00", "2013-01-05T12:00:00", clock="2013-01-05T12:30:00+00:00")
    before = read(feast, "2013-01-05T12:30:00+00:00")
    feast("materialize-incremental", "2013-01-05T18:00:00", clock="2013-01-05T18:30:00+00:00")
    after = read(feast, "2013-01-05T18:30:00+00:00")
    for answer, hour in ((before, 12), (after, 18)):
        expected = stored(repository, "origin_delays", hour, origin="EWR")["origin_flights_1d"]
        assert answer["origin_flights_1d"] == [expected]
        expected = stored(repository, "route_delays", hour, origin="EWR", dest="IAH")["route_late_share_1d"]
        assert answer["route_late_share_1d"] == [expected]
    # By the wall clock everything of 2013 is long outside its TTL, and says so by being null.
    assert read(feast, None)["origin_flights_1d"] == [None]


def read(feast: Feast, clock: str | None) -> dict[str, list[object]]:
    found: dict[str, list[object]] = json.loads(feast("get-online-features", *ASKED, *FEATURES, clock=clock))
    return found


def stored(repository: Path, view: str, hour: int, **keys: str) -> dict[str, object]:
    rows = pq.read_table(repository / "data" / f"{view}.parquet").to_pylist()
    (row,) = (
        row
        for row in rows
        if row["event_timestamp"].isoformat() == f"2013-01-05T{hour:02}:00:00+00:00"
        and all(row[key] == value for key, value in keys.items())
    )
    return row


def test_pushed_rows_reach_the_online_store(store: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row pushed to the push source is what is read next."""
    monkeypatch.setenv("LIKEWISE_CLOCK", INSTANT)
    source = pq.read_table(Path(store.repo_path) / "data/fresh_delays.parquet").to_pandas()
    rows = source[(source["origin"] == "JFK") & (source["event_timestamp"] == "2013-01-05T18:00:00Z")]
    store.push("fresh_delays_push", rows)
    answer = store.get_online_features(["fresh_delays:fresh_departures_1h"], [{"origin": "JFK"}]).to_dict()
    assert answer["fresh_departures_1h"] == rows["fresh_departures_1h"].tolist()


def test_the_ui_serves_the_registry(repository: Path, applied: str) -> None:
    """`feast ui` starts and hands out a registry that knows our service."""
    pytest.importorskip("grpc_health", reason="feast ui needs grpcio-health-checking and grpcio-reflection")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("feast")), "ui", "--host", "127.0.0.1", "--port", str(port)]
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = subprocess.Popen(
        command, cwd=repository, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        services = fetch(f"http://127.0.0.1:{port}/api/v1/feature_services?project=flights", process)
        assert b"flight_delay_v1" in services
        assert b"<html" in fetch(f"http://127.0.0.1:{port}/", process)
    finally:
        process.terminate()
        process.wait(timeout=20)


def fetch(url: str, process: "subprocess.Popen[bytes]") -> bytes:
    """Return what a server answers, once it does."""
    for _ in range(300):
        assert process.poll() is None
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                body: bytes = answer.read()
                return body
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} never answered")
