"""`likewise migrate-online` on a project that Feast's own store filled, from the first look to the way back."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import redis
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Array, Float64, Int64, String

from likewise.cli.main import main
from likewise.stores.embedded import attach, stop

pytestmark = pytest.mark.slow
NOON = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
HOUR = timedelta(hours=1)
FEASTS = "redis"
OURS = "likewise.stores.packed_redis.PackedRedisOnlineStore"
UIDS = range(2500)  # more than two batches


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    def figures(self, view: str) -> list[int]:
        """Return the numbers of a view's line."""
        (line,) = (line for line in self.out.splitlines() if line.startswith(f"{view} "))
        return [int(number.replace(",", "")) for number in re.findall(r"[\d,]+", line.removeprefix(view))]


Likewise = Callable[..., Outcome]


@pytest.fixture
def likewise(capsys: pytest.CaptureFixture[str]) -> Likewise:
    """Return what runs `likewise` in this process."""

    def run(*arguments: str) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        captured = capsys.readouterr()
        code = ended.value.code if isinstance(ended.value.code, int) else 0
        return Outcome(code, captured.out, captured.err)

    return run


@dataclass(frozen=True, slots=True)
class Project:
    """A Feast repository whose `feature_store.yaml` is rewritten to switch the online store."""

    folder: Path
    port: int

    def switch(self, kind: str, **settings: object) -> FeatureStore:
        """Name another online store in the same Redis; return the store as Feast opens it."""
        named = {"connection_string": f"127.0.0.1:{self.port}", **settings}
        lines = [f"  {name}: {value}" for name, value in named.items()]
        text = ["project: moved", "provider: local", f"registry: {self.folder / 'registry.db'}"]
        text += ["entity_key_serialization_version: 3", "online_store:", f"  type: {kind}", *lines]
        (self.folder / "feature_store.yaml").write_text("\n".join(text) + "\n", "utf-8")
        return FeatureStore(repo_path=str(self.folder))

    def write_sources(self, x: float, event: datetime) -> None:
        """Write every view's file with rows of one event time; `x` moves every value."""
        uids = list(UIDS)
        times = pa.array([event] * len(uids), pa.timestamp("us", tz="UTC"))
        people = {"uid": uids, "x": [x + uid for uid in uids], "tags": [["a", str(uid)] for uid in uids]}
        pq.write_table(pa.table({**people, "event_timestamp": times}), self.folder / "people.parquet")
        pairs = {"origin": ["JFK", "LAX"], "dest": ["a|b", "{é}"], "miles": [int(x), 2]}
        pq.write_table(pa.table({**pairs, "event_timestamp": times[:2]}), self.folder / "pairs.parquet")
        pq.write_table(pa.table({"total": [x], "event_timestamp": times[:1]}), self.folder / "all.parquet")


def views(folder: Path) -> list[Entity | FeatureView]:
    """Return three views over Parquet files, of one, two and no entities."""
    uid = Entity(name="uid", join_keys=["uid"], value_type=ValueType.INT64)
    origin, dest = (Entity(name=name, join_keys=[name], value_type=ValueType.STRING) for name in ("origin", "dest"))
    declared = [
        ("people", [uid], {"x": Float64, "tags": Array(String)}),
        ("pairs", [origin, dest], {"miles": Int64}),
        ("all", [], {"total": Float64}),
    ]
    return [
        *(uid, origin, dest),
        *(
            FeatureView(
                name=name,
                entities=entities,
                ttl=timedelta(0),
                schema=[Field(name=feature, dtype=kind) for feature, kind in features.items()],
                source=FileSource(
                    name=f"{name}_file", path=str(folder / f"{name}.parquet"), timestamp_field="event_timestamp"
                ),
            )
            for name, entities, features in declared
        ),
    ]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Return a project that Feast's own store has materialized."""
    made = Project(tmp_path, attach(tmp_path / "redis").port)
    store = made.switch(FEASTS)
    made.write_sources(0.5, NOON)
    store.apply(views(tmp_path))
    store.materialize(NOON - HOUR, NOON + HOUR)
    yield made
    stop(tmp_path / "redis")


def online(store: FeatureStore) -> dict[str, list[object]]:
    """Return what some requests answer."""
    features = ["people:x", "people:tags", "pairs:miles", "all:total"]
    rows = [{"uid": uid, "origin": "JFK", "dest": "a|b"} for uid in (0, 7, max(UIDS), -1)]
    answer: dict[str, list[object]] = store.get_online_features(features, entity_rows=rows).to_dict()
    return answer


def test_a_project_is_switched_and_switched_back(project: Project, likewise: Likewise) -> None:
    """Counted, copied, compared, switched, materialized anew, copied back: each store reads what was written last."""
    repo = ("--repo", str(project.folder))
    before = online(project.switch(FEASTS))
    counted = likewise("migrate-online", *repo, "--dry-run")
    assert (counted.code, [counted.figures(name) for name in ("people", "pairs", "all")]) == (0, [[2500], [2], [1]])
    assert "Nothing was written" in counted.out
    missing = likewise("migrate-online", *repo, "--verify")
    assert (missing.code, missing.figures("people")) == (1, [2500, 0, 0, 0, 2500])
    copied = likewise("migrate-online", *repo, "--rows-per-second", "100000")
    assert copied.code == 0
    assert [copied.figures(name) for name in ("people", "pairs", "all")] == [[2500] * 2, [2, 2], [1, 1]]
    assert likewise("migrate-online", *repo).figures("people") == [2500, 2500]  # again does no harm
    assert likewise("migrate-online", *repo, "--verify").code == 0

    ours = project.switch(OURS)
    assert online(ours) == before
    project.write_sources(1000.5, NOON + HOUR)
    ours.materialize(NOON, NOON + 2 * HOUR)
    late = likewise("migrate-online", *repo)  # Feast's older rows change nothing
    assert (late.code, late.figures("people")) == (0, [2500, 0])
    assert "2,503 met newer ones" in late.out
    after = online(ours)
    assert after["x"] == [1000.5, 1007.5, 3499.5, None]

    back = likewise("migrate-online", *repo, "--reverse")
    assert (back.code, back.figures("people"), back.figures("all")) == (0, [2500, 2500], [1, 1])
    assert likewise("migrate-online", *repo, "--reverse", "--verify").code == 0
    assert online(project.switch(FEASTS)) == after


def test_old_rows_go_only_when_they_are_packed(project: Project, likewise: Likewise) -> None:
    """--drop-old keeps what has no packed row (exit status 1), and takes all once everything is copied."""
    repo = ("--repo", str(project.folder))
    likewise("migrate-online", *repo, "--view", "people")
    kept = likewise("migrate-online", *repo, "--drop-old")
    assert (kept.code, kept.figures("people")[:2], kept.figures("pairs")[:2]) == (1, [2500, 2500], [2, 0])
    assert "3 rows stay" in kept.out
    likewise("migrate-online", *repo)
    assert likewise("migrate-online", *repo, "--drop-old").code == 0
    with redis.Redis(port=project.port) as raw:
        assert [key for key in raw.scan_iter() if not key.startswith(b"lw1:")] == []
    assert "No rows were found" in likewise("migrate-online", *repo, "--dry-run").out
    assert online(project.switch(OURS))["x"] == [0.5, 7.5, 2499.5, None]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--dry-run", "--verify"], "--dry-run --verify"),
        (["--reverse", "--drop-old"], "--drop-old --reverse"),
        (["--view", "poeple"], "Did you mean 'people'"),
    ],
)
def test_what_it_cannot_do_is_said(project: Project, likewise: Likewise, arguments: list[str], said: str) -> None:
    """Contradicting options and unknown views end with status 2 and what was expected; nothing is written."""
    found = likewise("migrate-online", "--repo", str(project.folder), *arguments)
    assert (found.code, said in found.err) == (2, True)


def test_other_stores_and_absent_servers_are_refused(project: Project, likewise: Likewise) -> None:
    """An online store that is no Redis, or one that does not answer, is said with status 2."""
    (project.folder / "feature_store.yaml").write_text(
        f"project: moved\nprovider: local\nregistry: {project.folder / 'registry.db'}\n"
        "entity_key_serialization_version: 3\nonline_store:\n  type: sqlite\n  path: online.db\n",
        "utf-8",
    )
    found = likewise("migrate-online", "--repo", str(project.folder))
    assert (found.code, "'sqlite'" in found.err) == (2, True)
    project.switch(FEASTS, connection_string="127.0.0.1:1")
    found = likewise("migrate-online", "--repo", str(project.folder))
    assert (found.code, "does not answer" in found.err) == (2, True)
