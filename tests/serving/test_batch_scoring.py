from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from likewise.serving.batch_scoring import score_file
from likewise.serving.entity_rows import RowRules, check_rows
from likewise.transforms import LikewiseError
from tests.serving.fakes import loaded

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
