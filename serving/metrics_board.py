"""One answer of `/metrics` for all workers: each leaves its own text in a folder, whoever is asked adds them up."""

import math
import os
from collections.abc import Iterable
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families


class MetricsBoard:
    """A folder that the workers of one server share; a worker that ended stays counted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def post(self, text: bytes) -> None:
        """Leave this worker's metrics, whole."""
        path = self._folder / f"{os.getpid()}.prom"
        hidden = path.with_suffix(".partial")
        hidden.write_bytes(text)
        hidden.replace(path)

    def render(self, own: bytes) -> bytes:
        """Return the metrics of all workers; this one's are given, the others' are at most a poll old."""
        mine = f"{os.getpid()}.prom"
        others = [_left(path) for path in sorted(self._folder.glob("*.prom")) if path.name != mine]
        return merged([own.decode(), *others]).encode() if others else own


def _left(path: Path) -> str:
    """Return what a worker left; of one that has ended what it counted, not the state that it was in."""
    text = path.read_text()
    if _is_alive(int(path.stem)):
        return text
    gauges = {family.name for family in text_string_to_metric_families(text) if family.type == "gauge"}
    return "".join(line for line in text.splitlines(keepends=True) if line.split("{")[0].split(" ")[0] not in gauges)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def merged(texts: Iterable[str]) -> str:
    """Return Prometheus texts as one: counters and histograms added up, of gauges the largest."""
    kinds: dict[str, tuple[str, str]] = {}
    values: dict[str, dict[str, float]] = {}
    for text in texts:
        for family in text_string_to_metric_families(text):
            if family.name.endswith("_created"):
                continue
            kinds.setdefault(family.name, (family.type, family.documentation))
            samples = values.setdefault(family.name, {})
            for sample in family.samples:
                key = _series(sample.name, sample.labels)
                before = samples.get(key)
                larger = max if family.type == "gauge" else float.__add__
                samples[key] = float(sample.value) if before is None else larger(before, float(sample.value))
    return "".join(_family(name, *kinds[name], samples) for name, samples in values.items())


def _series(name: str, labels: dict[str, str]) -> str:
    if not labels:
        return name
    inner = ",".join(f'{key}="{_escaped(value)}"' for key, value in sorted(labels.items()))
    return f"{name}{{{inner}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _family(name: str, kind: str, documentation: str, samples: dict[str, float]) -> str:
    # The parser drops a counter's suffix from its family's name; the text format wants it there.
    shown = f"{name}_total" if kind == "counter" else name
    lines = [f"# HELP {shown} {documentation}", f"# TYPE {shown} {kind}"]
    lines += [f"{series} {_number(value)}" for series, value in samples.items()]
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, repr(value))
