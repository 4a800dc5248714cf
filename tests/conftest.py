"""Tests see the settings they make themselves: neither a clock nor a Redis of whoever runs them."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    """Hide the settings of the caller's environment; `LIKEWISE_TEST_...` stays, it is meant for tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in tuple(os.environ):
            if name == "REDIS_URL" or (name.startswith("LIKEWISE_") and not name.startswith("LIKEWISE_TEST_")):
                patch.delenv(name)
        yield
