"""Prepare the example's data: Parquet sources and labels, once, in whole files."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from likewise.cli.demo.delay_statistics import DELAY_VIEWS, delay_features, learn_delays
from likewise.cli.demo.entity_ticks import Entities, EntityTicks, TickView, due_rows, find_entities
from likewise.cli.demo.errors import DaysError
from likewise.cli.demo.facts import airlines_table, airports_table, planes_table, weather_table
from likewise.cli.demo.flights import Flights, read_flights
from likewise.cli.demo.fresh_statistics import FRESH_VIEWS, fresh_features, learn_departures
from likewise.cli.demo.labels import label_table
from likewise.cli.demo.last_flight import LAST_FLIGHT_VIEW, last_flight_table
from likewise.cli.demo.local_time import DAY
from likewise.cli.demo.package_files import PackageFiles, find_package_files
from likewise.cli.demo.parquet_files import write_parquet, write_text
from likewise.cli.demo.source_tables import source_table, year_start

Progress = Callable[[int, int | None], None]
YEAR_DAYS = 365
NOTE = "prepared.json"
LABELS = "labels/flights"
FACTS = ("weather", "planes", "airports", "airlines")
TICK_VIEWS = (*DELAY_VIEWS, *FRESH_VIEWS)
NAMES = (LABELS, *FACTS, LAST_FLIGHT_VIEW, *(view.name for view in TICK_VIEWS))


@dataclass(frozen=True, slots=True)
class PreparedFile:
    """One Parquet file: its name below the folder without `.parquet`, rows, bytes and SHA-256."""

    name: str
    rows: int
    bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """What `prepare` left in its folder.

    Attributes
    ----------
    stamp
        Digest of everything the files follow from: package version, this package's source, days.
    flights, labelled
        Entity rows, and those of them that arrived and so have a label.
    built
        False when the files were there already.
    """

    directory: Path
    stamp: str
    flights: int
    labelled: int
    files: tuple[PreparedFile, ...]
    built: bool

    @property
    def labels(self) -> Path:
        """Where the entity rows with labels are."""
        return self.path(LABELS)

    @property
    def rows(self) -> dict[str, int]:
        """Rows of each file by name."""
        return {file.name: file.rows for file in self.files}

    def path(self, name: str) -> Path:
        """Return where the file of a name is."""
        return self.directory / f"{name}.parquet"


def prepare(directory: Path, progress: Progress | None = None, *, days: int = YEAR_DAYS) -> Prepared:
    """Write the sources and the labels of the first `days` days of 2013, unless they are there already.

    Each file appears whole or not at all; the note that makes them count as up to date comes last.

    Parameters
    ----------
    progress
        Is told how many files of how many are done.

    Raises
    ------
    DaysError
        `days` is not 1 to 365.
    FlightsPackageError, FlightTimesError
        The package with the flights is missing, or its times don't fit together.
    """
    if not 1 <= days <= YEAR_DAYS:
        raise DaysError(days)
    files = find_package_files()
    stamp = _stamp(files.version, days)
    found = _up_to_date(directory, stamp)
    if found is not None:
        return found
    (directory / NOTE).unlink(missing_ok=True)
    flights = read_flights(files, days)
    written = []
    for name, table in _tables(files, flights, days):
        size, digest = write_parquet(table, directory / f"{name}.parquet")
        written.append(PreparedFile(name, table.num_rows, size, digest))
        if progress is not None:
            progress(len(written), len(NAMES))
    prepared = Prepared(directory, stamp, len(flights.departs), int(flights.arrived.sum()), tuple(written), built=True)
    write_text(json.dumps(_note(prepared), indent=1), directory / NOTE)
    return prepared


def _tables(files: PackageFiles, flights: Flights, days: int) -> Iterator[tuple[str, pa.Table]]:
    yield LABELS, label_table(flights)
    yield "weather", weather_table(files, days)
    yield "planes", planes_table(files)
    yield "airports", airports_table(files)
    yield "airlines", airlines_table(files)
    yield LAST_FLIGHT_VIEW, last_flight_table(flights)
    # The last flights of a slice arrive on the day after it.
    first, last = year_start(), year_start() + (days + 1) * DAY
    for view in TICK_VIEWS:
        yield view.name, tick_table(view, flights, first, last)


def tick_table(view: TickView, flights: Flights, first: int, last: int) -> pa.Table:
    """Return the source of a view of statistics, from `first` to `last` (minutes since 1970 UTC)."""
    entities = find_entities(flights.table, view.keys)
    delays = view in DELAY_VIEWS
    known = (learn_delays if delays else learn_departures)(flights, entities.codes)
    rows = due_rows(view, known, len(entities.names[view.keys[0]]), first, last)
    features = (delay_features if delays else fresh_features)(view, known, rows)
    return _with_keys(entities, rows, source_table(features, rows.instant, view.lag))


def _with_keys(entities: Entities, rows: EntityTicks, table: pa.Table) -> pa.Table:
    for place, (key, names) in enumerate(entities.names.items()):
        named = pa.DictionaryArray.from_arrays(rows.entity.astype(np.int32), pa.array(names))
        table = table.add_column(place, key, named.cast(pa.string()))
    return table


def _stamp(version: str, days: int) -> str:
    digest = hashlib.sha256(f"{version} {days} pyarrow {pa.__version__}".encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return f"sha256:{digest.hexdigest()}"


def _note(prepared: Prepared) -> dict[str, object]:
    return {
        "stamp": prepared.stamp,
        "flights": prepared.flights,
        "labelled": prepared.labelled,
        "files": [asdict(file) for file in prepared.files],
    }


def _up_to_date(directory: Path, stamp: str) -> Prepared | None:
    """Return what the note says, if it is of this stamp and every file has its size."""
    try:
        note = json.loads((directory / NOTE).read_text(encoding="utf-8"))
        files = tuple(PreparedFile(**file) for file in note["files"])
        found = Prepared(directory, note["stamp"], note["flights"], note["labelled"], files, built=False)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    whole = all(
        found.path(file.name).is_file() and found.path(file.name).stat().st_size == file.bytes for file in files
    )
    return found if whole and found.stamp == stamp and {file.name for file in files} == set(NAMES) else None
