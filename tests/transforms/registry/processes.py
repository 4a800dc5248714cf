"""What other processes do to a registry: publish all at once, or die in the middle of it.

Run as `python -m tests.transforms.registry.processes ACTION URL BLOBS ...`.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import sqlalchemy as sa

import likewise.transforms.registry.registry as watched
from likewise.transforms.registry import Registry, check_registry
from tests.transforms.registry.fakes import MODEL_FILES, FakeTransform, make_spec

WATCHED = str(Path(watched.__file__).parent)


def publish_many(url: str, blobs: str, start: str, first_state: int, count: int) -> None:
    """Wait for the file `start`, then publish `count` transforms, releases and alias moves; print the versions."""
    while not Path(start).exists():
        time.sleep(0.001)
    registry = Registry(url, blobs, open_transform=FakeTransform.from_bytes)
    for state in range(first_state, first_state + count):
        transform = registry.publish(FakeTransform(state=state), verified=True)
        release = registry.publish_release(make_spec(transform.reference))
        registry.set_alias("flight_delay", "prod", release.version, why="race")
        sys.stdout.write(json.dumps([state, transform.version, release.version]) + "\n")


def die_everywhere(url: str, blobs: str, points: int) -> None:
    """Kill a publisher at `points` points spread over all the lines it executes.

    With 0 points it dies at the first and at the last execution of every line there is.

    `{}` in `url` and `blobs` becomes the number of the point. After each death another process publishes the same
    and everything is checked. Prints how many lines there were, and every finding.
    """
    _make_schema(url.format("dry"))
    lines = _lines_executed(url.format("dry"), blobs.format("dry"))
    total = len(lines)
    findings = []
    chosen = sorted({1 + total * i // points for i in range(points)} if points else _first_and_last(lines))
    for point in chosen:
        here = url.format(point), blobs.format(point)
        _make_schema(here[0])
        status = _in_child(lambda: _with_trace(_killer(point), lambda: publish_story(*here)))  # noqa: B023
        assert os.WIFSIGNALED(status), f"the publisher outlived point {point} of {total}"
        findings += [[point, text] for text in _findings(*here)]
    sys.stdout.write(json.dumps({"lines": len(set(lines)), "deaths": len(chosen), "findings": findings}))


def publish_story(url: str, blobs: str) -> list[int]:
    """Publish two transforms and releases, promote one, then the other; return all versions."""
    registry = Registry(url, blobs, open_transform=FakeTransform.from_bytes)
    versions = []
    for state in (1, 2):
        transform = registry.publish(FakeTransform(state=state), verified=True)
        model = registry.put_model({**MODEL_FILES, "state": bytes([state])}, metadata={})
        release = registry.publish_release(make_spec(transform.reference, model))
        registry.set_alias("flight_delay", "prod", release.version, why=f"state {state}")
        versions += [transform.version, release.version]
    return versions


def _make_schema(url: str) -> None:
    _, found, schema = url.partition("search_path%3D")
    if found:
        engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
        with engine.begin() as connection:
            connection.execute(sa.text(f'CREATE SCHEMA "{schema}"'))


def _findings(url: str, blobs: str) -> list[str]:
    # The dead process may have got no further than an empty file; what it did commit must be whole.
    registry = Registry(url, blobs, open_transform=FakeTransform.from_bytes)
    found = [f"after death: {finding}" for finding in check_registry(registry)]
    if (versions := publish_story(url, blobs)) != [1, 1, 2, 2]:
        found.append(f"published again: versions {versions}")
    return found + [f"published again: {finding}" for finding in check_registry(registry)]


def _lines_executed(url: str, blobs: str) -> list[tuple[str, int]]:
    lines: list[tuple[str, int]] = []
    _with_trace(lines.append, lambda: publish_story(url, blobs))
    return lines


def _first_and_last(lines: list[tuple[str, int]]) -> set[int]:
    last = {line: number for number, line in enumerate(lines, start=1)}
    first = {line: number for number, line in reversed(list(enumerate(lines, start=1)))}
    return {*first.values(), *last.values()}


def _killer(point: int) -> Callable[[tuple[str, int]], None]:
    left = {"lines": point}

    def count_down(_: tuple[str, int]) -> None:
        left["lines"] -= 1
        if not left["lines"]:
            os.kill(os.getpid(), signal.SIGKILL)

    return count_down


def _with_trace(on_line: Callable[[tuple[str, int]], None], work: Callable[[], object]) -> None:
    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(WATCHED):
            return None
        if event == "line":
            on_line((frame.f_code.co_filename, frame.f_lineno))
        return trace

    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(None)


def _in_child(work: Callable[[], object]) -> int:
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    try:
        work()
    finally:
        os._exit(0)


if __name__ == "__main__":
    action, *arguments = sys.argv[1:]
    if action == "publish":
        publish_many(*arguments[:3], *map(int, arguments[3:]))
    else:
        die_everywhere(*arguments[:2], int(arguments[2]))
