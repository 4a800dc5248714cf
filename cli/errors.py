"""What can go wrong on the command line."""

from likewise.transforms.errors import LikewiseError


class SettingError(LikewiseError):
    """A setting has a value that can't be used."""

    def __init__(self, name: str, expected: str, got: str) -> None:
        self.name, self.expected, self.got = name, expected, got
        super().__init__(f"{name}: expected {expected}, got {got!r}")
