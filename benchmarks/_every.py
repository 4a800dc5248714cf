"""Runs every benchmark, one after the other, and says at the end which bars were met and which were missed.

A script that misses a bar, fails or takes too long stops none of the others; the status is 1 if one did.

    python benchmarks/_every.py [NAME ...]
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from _machine import machine

FOLDER = Path(__file__).parent
# The slowest on a quiet machine takes about a quarter of an hour: Feast's own join of a million rows is part of it.
LIMIT_SECONDS = 1_800.0
CLOSING_SECONDS = 30.0
MISSED = re.compile(r"\b(NOT MET|MISSED)\b|\bbar met: (False|nowhere)")
MET = re.compile(r"(?<!NOT )\bmet$|\breached\b|\bbar met: ")

Verdict = Literal["met", "missed", "failed", "too slow"]


@dataclass
class Ran:
    """What became of a script.

    Attributes
    ----------
    seconds
        How long it took.
    status
        Its exit status; None: it was ended at the limit.
    met, missed
        The lines with which it told of bars.
    """

    name: str
    seconds: float = 0.0
    status: int | None = None
    met: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    def hear(self, line: str) -> None:
        """Take note of a line that tells of a bar."""
        if MISSED.search(line):
            self.missed.append(line)
        elif MET.search(line):
            self.met.append(line)

    @property
    def verdict(self) -> Verdict:
        """What to say of it; a status of 1 is how scripts tell of a bar that was missed."""
        if self.status is None:
            return "too slow"
        if self.missed or (self.status == 1 and self.met):
            return "missed"
        return "failed" if self.status else "met"


def run(script: Path, limit_seconds: float) -> Ran:
    """Run a script, its output passed on as it comes."""
    ran, started = Ran(script.stem), time.monotonic()
    command = [sys.executable, "-u", str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        # As Ctrl-C would: what it started is stopped by itself, and killed only if that takes too long.
        ends = [
            threading.Timer(limit_seconds, os.killpg, (process.pid, signal.SIGINT)),
            threading.Timer(limit_seconds + CLOSING_SECONDS, os.killpg, (process.pid, signal.SIGKILL)),
        ]
        for end in ends:
            end.start()
        try:
            for line in process.stdout or ():
                print(line, end="", flush=True)
                ran.hear(line.strip())
            status = process.wait()
        finally:
            for end in ends:
                end.cancel()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
    ran.seconds = time.monotonic() - started
    ran.status = status if ran.seconds < limit_seconds else None
    return ran


def scripts_of(names: list[str]) -> list[Path]:
    """Return the scripts of some names; all of them for none."""
    every = {path.stem: path for path in sorted(FOLDER.glob("[a-z]*.py"))}
    if unknown := sorted(set(names) - every.keys()):
        raise SystemExit(f"no benchmark {', '.join(unknown)}; there are: {', '.join(every)}")
    return [path for name, path in every.items() if not names or name in names]


def show(ran: list[Ran]) -> None:
    """Print what became of each, with every bar."""
    print(f"\n{machine()}")
    for one in ran:
        told = f"{len(one.met)} bars met, {len(one.missed)} missed"
        status = "" if one.verdict in ("met", "missed") else f" (status {one.status})"
        print(f"{one.name:<22}{one.verdict}{status}: {told}, {one.seconds:,.0f} s")
        for line in one.met:
            print(f"    met     {line}")
        for line in one.missed:
            print(f"    MISSED  {line}")
    missed = [one.name for one in ran if one.verdict != "met"]
    print(f"every bar met: {not missed}{'; not by ' + ', '.join(missed) if missed else ''}")


def main() -> None:
    """Run what was asked for."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("names", nargs="*", help="some of the scripts (serving, transforms ...); default: all")
    options.add_argument("--limit", type=float, default=LIMIT_SECONDS, help="seconds for one script")
    chosen = options.parse_args()
    ran: list[Ran] = []
    try:
        for script in scripts_of(chosen.names):
            print(f"\n== {script.stem}", flush=True)
            ran.append(run(script, chosen.limit))
    finally:  # also at Ctrl-C
        show(ran)
    raise SystemExit(0 if all(one.verdict == "met" for one in ran) else 1)


if __name__ == "__main__":
    main()
