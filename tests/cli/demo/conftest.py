from pathlib import Path

import pytest

from likewise.cli.demo.flights import Flights, read_flights
from likewise.cli.demo.package_files import find_package_files
from likewise.cli.demo.prepare import Prepared, prepare
from tests.cli.demo.plain_flights import PlainFlights, read_plain_flights
from tests.cli.demo.prepared_folder import prepared_folder


@pytest.fixture(scope="session")
def prepared(pytestconfig: pytest.Config) -> Prepared:
    """Prepare the whole year, once, kept between runs."""
    return prepare(prepared_folder(pytestconfig))


@pytest.fixture(scope="session")
def slice_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepare the first ten days of 2013 afresh."""
    folder = tmp_path_factory.mktemp("ten_days")
    prepare(folder, days=10)
    return folder


@pytest.fixture(scope="session")
def flights() -> Flights:
    """Read all flights."""
    return read_flights(find_package_files())


@pytest.fixture(scope="session")
def plain_flights() -> PlainFlights:
    """Read all flights by code that shares nothing with the code under test."""
    return read_plain_flights()
