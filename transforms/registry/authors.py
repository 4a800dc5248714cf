"""Who goes on record when nobody is named."""

from __future__ import annotations

import getpass
import os


def process_author() -> str:
    """Return the name of the user this process runs as, or its number where it has no name (in containers)."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"
