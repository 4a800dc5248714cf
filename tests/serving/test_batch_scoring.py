import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from likewise.serving.batch_scoring import _key_values, score_file
from likewise.serving.entity_rows import RowRules, check_rows
from likewise.serving.errors import StoreUnavailableError
from likewise.transforms import LikewiseError
from tests.serving.fakes import FakeStore, flights_rows, loaded, plan

CARRIERS = ["UA", "OO", "DL", "ZZ", None]


def flights(n: int = 1000) -> pa.Table:
    return pa.table(
        {
            "id": list(range(n)),
            "carrier": [CARRIERS[at % 5] for at in range(n)],
            "origin": ["JFK"] * n,
            "dest": ["SFO"] * n,
            "distance": pa.array([float(at) if at % 7 else None for at in range(n)]),
        }
    )


@pytest.mark.parametrize("batch_rows", [1, 7, 333, 10_000])
def test_a_file_is_scored_by_the_code_that_serves(tmp_path: Path, batch_rows: int) -> None:
    """Every row is kept in order with the bits that a request for it gets, whatever the batch size."""
    release, table = loaded(3), flights(60 if batch_rows == 1 else 1000)
    pq.write_table(table, tmp_path / "in.parquet")
    seen: list[tuple[int, int | None]] = []
    scored = score_file(
        release, tmp_path / "in.parquet", tmp_path / "out.parquet", lambda *at: seen.append(at), batch_rows
    )
    assert (scored.rows, scored.release) == (len(table), "flight_delay:3")
    assert seen[-1] == (len(table), len(table))
    out = pq.read_table(scored.path)
    assert out.column("id").to_pylist() == table.column("id").to_pylist()
    sent = {name: table.column(name).to_pylist() for name in ("carrier", "origin", "dest", "distance")}
    rows = check_rows(release.reader.plan, sent, RowRules("rows", 10_000, ignore_unknown=False))
    answer = release.predict(rows)
    assert answer.predictions is not None
    assert out.column("prediction").to_pylist() == answer.predictions.tolist()
    assert out.column("status__carrier_stats").to_pylist()[:5] == [
        "PRESENT",
        "PRESENT",
        "OUTSIDE_MAX_AGE",
        "NOT_FOUND",
        "NOT_FOUND",
    ]
    assert set(out.column("release").to_pylist()) == {"flight_delay:3"}


def test_a_file_without_a_key_is_refused(tmp_path: Path) -> None:
    """A file that lacks a join key or request field is refused before anything is written."""
    pq.write_table(flights().drop_columns(["dest", "distance"]), tmp_path / "in.parquet")
    with pytest.raises(LikewiseError, match="'dest', 'distance'"):
        score_file(loaded(), tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert list(tmp_path.iterdir()) == [tmp_path / "in.parquet"]


def test_a_wrong_value_leaves_nothing_behind(tmp_path: Path) -> None:
    """A column of another type stops the scoring with its name, and no half file stays."""
    table = flights().set_column(1, "carrier", pa.array([1] * 1000))
    pq.write_table(table, tmp_path / "in.parquet")
    with pytest.raises(LikewiseError, match="carrier"):
        score_file(loaded(), tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert list(tmp_path.iterdir()) == [tmp_path / "in.parquet"]
    (tmp_path / "text.parquet").write_text("no")
    with pytest.raises(LikewiseError, match="Parquet"):
        score_file(loaded(), tmp_path / "text.parquet", tmp_path / "out.parquet")


def test_it_waits_for_a_store_that_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is away for a while does not end a long run; one that stays away does, and nothing is left."""
    store = FakeStore(plan(), flights_rows())
    pq.write_table(flights(100), tmp_path / "in.parquet")
    monkeypatch.setattr("likewise.serving.batch_scoring.PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("likewise.serving.batch_scoring.PATIENCE_SECONDS", 0.5)

    def away_for(seconds: float) -> None:
        store.is_down = True
        timer = threading.Timer(seconds, lambda: setattr(store, "is_down", False))
        timer.start()
        try:
            score_file(loaded(store=store), tmp_path / "in.parquet", tmp_path / "out.parquet", batch_rows=10)
        finally:
            timer.join()

    away_for(0.1)
    assert pq.read_metadata(tmp_path / "out.parquet").num_rows == 100
    (tmp_path / "out.parquet").unlink()
    with pytest.raises(StoreUnavailableError):
        away_for(1.5)
    assert list(tmp_path.iterdir()) == [tmp_path / "in.parquet"]


def test_a_wrong_value_is_named_by_its_row_in_the_file(tmp_path: Path) -> None:
    """The row that an error names is the file's, not its batch's; what was there before stays as it was."""
    table = flights(30).set_column(1, "carrier", pa.array([None] * 25 + [7] + [None] * 4, pa.int64()))
    pq.write_table(table, tmp_path / "in.parquet")
    (tmp_path / "out.parquet").write_text("before")
    with pytest.raises(LikewiseError, match="'carrier' at row 25 of the file"):
        score_file(loaded(), tmp_path / "in.parquet", tmp_path / "out.parquet", batch_rows=10)
    assert (tmp_path / "out.parquet").read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 2


def test_places_that_can_not_be_written_are_told(tmp_path: Path) -> None:
    """The input itself, a folder, and a folder that is not there are refused as outputs before anything is read."""
    pq.write_table(flights(5), tmp_path / "in.parquet")
    for target in (tmp_path / "in.parquet", tmp_path, tmp_path / "none" / "out.parquet"):
        with pytest.raises(LikewiseError, match="can't be used"):
            score_file(loaded(), tmp_path / "in.parquet", target)
    assert pq.read_table(tmp_path / "in.parquet").equals(flights(5))


def test_files_as_pandas_writes_them(tmp_path: Path) -> None:
    """Categories, floats that nulls made of whole numbers, and a file without rows are taken."""
    table = flights(10).set_column(1, "carrier", flights(10).column("carrier").dictionary_encode())
    pq.write_table(table, tmp_path / "in.parquet")
    score_file(loaded(), tmp_path / "in.parquet", tmp_path / "out.parquet")
    pq.write_table(flights(10), tmp_path / "plain.parquet")
    score_file(loaded(), tmp_path / "plain.parquet", tmp_path / "plain_out.parquet")
    ours, plain = (pq.read_table(tmp_path / name).column("prediction") for name in ("out.parquet", "plain_out.parquet"))
    assert ours.equals(plain)
    pq.write_table(flights(0), tmp_path / "empty.parquet")
    assert score_file(loaded(), tmp_path / "empty.parquet", tmp_path / "empty_out.parquet").rows == 0
    assert pq.read_table(tmp_path / "empty_out.parquet").column_names[-4:] == [
        "prediction",
        "release",
        "status__carrier_stats",
        "status__route_stats",
    ]
    assert _key_values(pa.array([1.0, None, float("nan"), 3.0])) == [1.0, None, None, 3.0]
    doubled = pa.Table.from_arrays([*flights(2).columns, pa.array([1, 2])], [*flights(2).column_names, "id"])
    pq.write_table(doubled, tmp_path / "doubled.parquet")
    with pytest.raises(LikewiseError, match="several called id"):
        score_file(loaded(), tmp_path / "doubled.parquet", tmp_path / "out.parquet")
