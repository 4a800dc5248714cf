import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from likewise.serving import request_log
from likewise.serving.app import build_app
from likewise.serving.entity_rows import RowRules, check_rows
from likewise.serving.errors import RequestNotLoggedError
from likewise.serving.loaded_release import LoadedRelease, ReleaseIdentity
from likewise.serving.logged_rows import Logged, table_of
from likewise.serving.replay import replay
from likewise.serving.request_log import RequestLog, log_files
from likewise.transforms import Steps, Transform
from likewise.transforms import kinds as K  # noqa: N812  as recipes write it
from tests.serving.client import serving
from tests.serving.conftest import SETTINGS
from tests.serving.fakes import FakePredictor, World, loaded

ROWS = {
    "entities": {"carrier": ["UA", "OO", "DL", "ZZ", None], "origin": ["JFK"] * 5, "dest": ["SFO"] * 5},
    "request": {"distance": [0.1, None, 3e300, -0.0, 7]},
}


PLENTY = 10**9


def nothing(_: int) -> None:
    """Do nothing."""


def real_release(version: int, store: Any) -> LoadedRelease:
    """Return a release with a real transform over numbers, integers and texts."""
    outputs = {
        "dense": [Steps(["mean_delay", "late_share", "distance", "flights"], [K.SimpleImputer("median")])],
        "airline": [Steps(["airline"], [K.OrdinalEncoder(unseen="oov", missing="category")])],
    }
    rows = {"mean_delay": [1.0, 2.0], "late_share": [0.5, 0.1], "distance": [1.0, 5.0], "flights": [3, 2**60]}
    table = pa.table({**rows, "airline": ["United", "Delta"]})
    transform = Transform(name="flight_delay", feature_service="flight_delay_v1", outputs=outputs).fit(table)
    release = loaded(version, store=store)
    identity = ReleaseIdentity("flight_delay", version, "sha256:0", transform.digest)
    return replace(release, identity=identity, transform=transform)


@pytest.fixture
def world() -> World:
    made = World()
    made.source.load = lambda _, version: real_release(version, made.store)  # type: ignore[method-assign]
    return made


def logged(world: World, folder: Path, share: float = 1.0) -> list[str]:
    """Serve some requests with a log; return their ids."""
    settings = replace(SETTINGS, request_log=folder, request_log_share=share)
    with serving(build_app(settings, world.parts())) as client:
        answers = [client.post("/v1/predict/flight_delay", json=ROWS) for _ in range(20)]
        answers += [client.post("/v1/vectors/flight_delay", json=ROWS)]
    return [answer.headers["x-request-id"] for answer in answers]


def test_every_logged_answer_can_be_computed_again(world: World, tmp_path: Path) -> None:
    """With a share of 1 every answer is logged, whole, and replaying it gives the same tensors and predictions."""
    ids = logged(world, tmp_path)
    for request_id in ids:
        found = replay(tmp_path, request_id, lambda _, version: real_release(version, world.store))
        assert (found.stage, found.release) == ("none", "flight_delay:1")
        assert found.logged is not None
        assert len(found.logged) == 5
    table = pq.read_table(next(tmp_path.glob("*/*/*.parquet")))
    first = table.slice(0, 5).to_pydict()
    assert first["status__carrier_stats"] == ["PRESENT", "PRESENT", "OUTSIDE_MAX_AGE", "NOT_FOUND", "NOT_FOUND"]
    assert first["value__flights"][:2] == [120, 3]
    assert first["value__distance"][0] == 0.1
    assert first["event_time__carrier_stats"][3] is None


def test_replay_names_the_first_stage_that_differs(world: World, tmp_path: Path) -> None:
    """Another transform, other arithmetic and another model are each found, at their own stage."""
    request_id = logged(world, tmp_path)[0]
    release = real_release(1, world.store)

    def stage(changed: LoadedRelease) -> str:
        return replay(tmp_path, request_id, lambda *_: changed).stage

    assert stage(replace(release, identity=replace(release.identity, transform="sha256:other"))) == "release"
    assert stage(replace(release, transform=Nudged(release.transform, "dense"))) == "transform"
    assert stage(replace(release, predictor=FakePredictor(1.5))) == "model"


class Nudged:
    """A transform of which one tensor is one bit off."""

    def __init__(self, transform: Any, output: str) -> None:
        self._transform, self._output = transform, output
        self.inputs, self.outputs = transform.inputs, transform.outputs

    def apply_columns(self, columns: Any, counters: Any = None) -> dict[str, np.ndarray]:
        """Return tensors, one value one bit off."""
        tensors = {name: tensor.copy() for name, tensor in self._transform.apply_columns(columns, counters).items()}
        tensor = tensors[self._output]
        tensor[0, 0] = np.nextafter(tensor[0, 0], np.float32(np.inf))
        return tensors

    def check_golden(self) -> None:
        """Hold."""


def test_an_unknown_request_is_told(world: World, tmp_path: Path) -> None:
    """A request that the log does not hold is an error that says it may not have been sampled."""
    logged(world, tmp_path, share=0.0)
    with pytest.raises(RequestNotLoggedError, match="sampled"):
        replay(tmp_path, "none", lambda *_: loaded())


def test_a_full_log_loses_rows_not_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk can't follow, offering returns at once and what is lost is counted."""
    monkeypatch.setattr("likewise.serving.request_log.QUEUE_REQUESTS", 4)
    gate, lost = threading.Event(), list[int]()
    monkeypatch.setattr(RequestLog, "_write", lambda *_: gate.wait(10))
    monkeypatch.setattr("likewise.serving.request_log.FLUSH_SECONDS", 0.0)
    log = RequestLog(tmp_path, 1.0, PLENTY, lost.append)
    release = loaded()
    answer: Any = release.predict(_one(release))
    for at in range(50):
        log.offer(str(at), release, answer)
    assert sum(lost) >= 40
    gate.set()
    log.close(30)


def test_a_disk_that_fails_is_logged_and_serving_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A log that can't be written is an error in the log of the process and a count, nothing more."""

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("likewise.serving.request_log.pq.write_table", fail)
    lost: list[int] = []
    log = RequestLog(tmp_path, 1.0, PLENTY, lost.append)
    release = loaded()
    log.offer("a", release, release.predict(_one(release)))
    log.close(30)
    assert "disk full" in caplog.text
    assert lost == [1]


def test_an_answer_that_can_not_be_written_is_lost_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An answer that fails on its way to a file is counted, and told of; those before and behind it are kept."""
    shape = request_log.shape_of

    def failing(logged: Logged) -> tuple[str, ...]:
        if logged.request_id == "1":
            raise ValueError("of no shape")
        return shape(logged)

    def refusing(requests: Sequence[Logged]) -> pa.Table:
        if requests[0].request_id == "1":
            raise ValueError("not to be written")
        return table_of(requests)

    monkeypatch.setattr(request_log, "shape_of", failing)
    monkeypatch.setattr(request_log, "table_of", refusing)
    lost: list[int] = []
    log = RequestLog(tmp_path, 1.0, PLENTY, lost.append)
    offer(log, 3)
    log.close(5.0)
    written = pa.concat_tables(map(pq.read_table, log_files(tmp_path)))
    assert set(written["request_id"].to_pylist()) == {"0", "2"}
    assert lost == [1]
    assert "could not be written" in caplog.text


def test_what_a_slow_disk_leaves_unwritten_at_the_end_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Closing takes no longer than it may; all answers not written by then are counted and never appear later."""
    gate, lost = threading.Event(), list[int]()
    monkeypatch.setattr("likewise.serving.request_log.os.fsync", lambda _: gate.wait(30))
    monkeypatch.setattr("likewise.serving.request_log.FLUSH_ROWS", 10)
    log = RequestLog(tmp_path, 1.0, PLENTY, lost.append)
    offer(log, 7)
    started = time.monotonic()
    log.close(0.3)
    assert time.monotonic() - started < 5
    assert lost == [7]
    assert "7 answers are not in the request log" in caplog.text
    offer(log, 2)  # a request that was still under way
    assert lost == [7, 1, 1]
    gate.set()
    log._thread.join(30)
    assert log_files(tmp_path) == []
    assert [path.name for path in tmp_path.rglob("*.parquet")] == []


def test_what_was_written_before_the_end_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several files a slow disk loses those that it had no time for, not those that it wrote."""
    gate, lost, written = threading.Event(), list[int](), list[int]()

    def slow_after_two(_: int) -> None:
        written.append(1)
        if len(written) > 2:
            gate.wait(30)

    monkeypatch.setattr("likewise.serving.request_log.os.fsync", slow_after_two)
    monkeypatch.setattr("likewise.serving.request_log.FLUSH_ROWS", 10)  # two answers of five rows
    log = RequestLog(tmp_path, 1.0, PLENTY, lost.append)
    offer(log, 7)
    log.close(2)
    gate.set()
    kept = sum(pq.read_table(path).num_rows // 5 for path in log_files(tmp_path))
    assert (kept, lost) == (4, [3])


def test_a_worker_with_a_slow_disk_ends_in_time(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An app told to end is gone before its parent would kill it, and says how many answers were lost."""
    monkeypatch.setattr("likewise.serving.ending.CLOSING_SECONDS", 0.5)
    gate = threading.Event()
    monkeypatch.setattr("likewise.serving.request_log.os.fsync", lambda _: gate.wait(30))
    settings = replace(SETTINGS, request_log=tmp_path, drain_seconds=1)
    app = build_app(settings, world.parts())
    with serving(app) as client:
        assert client.post("/v1/predict/flight_delay", json=ROWS).status_code == 200
        app.state.ending.begin()
        started = time.monotonic()
    gate.set()
    assert 0.4 < time.monotonic() - started < 5  # 1.5 s without the last second
    assert "1 answers are not in the request log" in caplog.text


def offer(log: RequestLog, count: int) -> None:
    release = loaded()
    answer = release.predict(_one(release))
    for at in range(count):
        log.offer(str(at), release, answer)


def test_the_oldest_files_go_when_the_folder_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All files together stay within their limit; what is left is the newest."""
    monkeypatch.setattr("likewise.serving.request_log.FLUSH_ROWS", 50)
    most_bytes = 100_000
    log = RequestLog(tmp_path, 1.0, most_bytes, nothing)
    offer(log, 300)
    log.close(30)
    files = log_files(tmp_path)
    assert 2 <= len(files) < 30
    assert sum(path.stat().st_size for path in files) <= most_bytes
    newest = pq.read_table(files[-1]).column("request_id").to_pylist()
    assert newest[-1] == "299"


def test_files_that_can_not_be_removed_are_no_lost_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Answers that were written are not counted as lost when room for more can't be made."""

    def fail(*_: object, **__: object) -> None:
        raise PermissionError("not yours")

    lost: list[int] = []
    log = RequestLog(tmp_path, 1.0, 1, lost.append)
    monkeypatch.setattr("likewise.serving.request_log._remove_oldest", fail)
    offer(log, 3)
    log.close(30)
    assert "not yours" in caplog.text
    assert lost == []


def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    """A half file of a process that was killed is never read, and goes when it is old."""
    place = tmp_path / "flight_delay" / "1"
    place.mkdir(parents=True)
    old, young = place / ".1-1-1.parquet", place / ".2-1-1.parquet"
    old.write_bytes(b"PAR1half")
    young.write_bytes(b"PAR1half")
    os.utime(old, (1, 1))
    log = RequestLog(tmp_path, 1.0, PLENTY, nothing)
    offer(log, 1)
    log.close(30)
    assert (old.exists(), young.exists()) == (False, True)
    assert len(log_files(tmp_path)) == 1
    (place / "0-0-0.parquet").write_bytes(b"no Parquet")
    with pytest.raises(RequestNotLoggedError, match=r"1 of its files can.t be read"):
        replay(tmp_path, "none", lambda *_: loaded())


@pytest.mark.slow
def test_a_killed_process_leaves_whole_files(tmp_path: Path) -> None:
    """Whenever the process is killed, every file that can be seen is whole, and none is damaged."""
    code = (
        "import time; from pathlib import Path; import likewise.serving.request_log as r\n"
        "from tests.serving.test_request_log import offer\n"
        f"r.FLUSH_ROWS = 40; log = r.RequestLog(Path({str(tmp_path)!r}), 1.0, 10**9, lambda _: None)\n"
        "offer(log, 8); time.sleep(0.5); print('begun', flush=True)\n"
        "while True: offer(log, 8); time.sleep(0.002)\n"
    )
    for at in range(5):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            time.sleep(0.2 + 0.05 * at)
            process.kill()
    files = log_files(tmp_path)
    assert len(files) >= 5
    for path in files:
        assert pq.read_table(path).num_rows % 5 == 0  # requests of five rows, never a part of one


def _one(release: LoadedRelease) -> Any:
    fields = {**ROWS["entities"], "distance": [1.0] * 5}
    return check_rows(release.reader.plan, fields, RowRules("rows", 10, ignore_unknown=False))
