"""Where tests keep the prepared year between runs."""

import os
from pathlib import Path

import pytest


def prepared_folder(config: pytest.Config) -> Path:
    """Return LIKEWISE_TEST_DATA if set, else a folder in pytest's cache."""
    named = os.environ.get("LIKEWISE_TEST_DATA")
    if named:
        return Path(named)
    cache = config.cache
    assert cache is not None
    return Path(cache.mkdir("likewise_flights"))
