"""The parity report: totals, what was stale and how old it was, and which faults were found."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from likewise.cli.parity.check import InstantResult


@dataclass(frozen=True, slots=True)
class FaultResult:
    """Whether a fault that was put in on purpose was found, and by what.

    Attributes
    ----------
    unexplained, differing_elements, is_prediction_off
        What the comparison showed.
    refused
        Why serving refused to answer, if it did.
    is_clean
        Whether the same instant shows nothing without the fault, so that what is seen is of the fault.
    is_applicable
        Whether the fault changed any value; where nothing is missing, no default can be changed.
    """

    name: str
    unexplained: int = 0
    differing_elements: int = 0
    is_prediction_off: bool = False
    refused: str | None = None
    is_clean: bool = True
    is_applicable: bool = True

    @property
    def found(self) -> bool:
        """Return whether the check would have failed because of it, and of it alone."""
        seen = self.unexplained or self.differing_elements or self.is_prediction_off or self.refused
        return bool(seen) and self.is_clean

    def evidence(self) -> str:
        """Return by what it was found, for people."""
        if not self.is_clean:
            return "the instant differs without the fault too"
        if not self.is_applicable:
            return "it changes no value here"
        if self.refused:
            return f"refused: {self.refused}"
        return f"{self.unexplained:,} values, {self.differing_elements:,} tensor elements"


@dataclass(frozen=True, slots=True)
class ParityReport:
    """What a run of the check showed.

    Attributes
    ----------
    bound
        Largest distance of two predictions that counts as equal, as the model states it.
    features
        Features compared in each row.
    """

    release: str
    bound: float
    features: int
    instants: tuple[InstantResult, ...]
    faults: tuple[FaultResult, ...]

    @property
    def passed(self) -> bool:
        """Return whether nothing is unexplained, no bit differs, and every fault was found."""
        clean = all(
            not one.unexplained and one.differing_elements == 0 and one.prediction_distance <= self.bound
            for one in self.instants
        )
        return clean and bool(self.instants) and all(fault.found or not fault.is_applicable for fault in self.faults)

    def totals(self) -> dict[str, Any]:
        """Return the sums over all instants."""
        stale = [found for one in self.instants for found in one.differences if found.reason == "stale"]
        return {
            "instants": len(self.instants),
            "rows": sum(one.rows for one in self.instants),
            "values": sum(one.values for one in self.instants),
            "stale": len(stale),
            "unexplained": sum(len(one.unexplained) for one in self.instants),
            "tensor_elements": sum(one.tensor_elements for one in self.instants),
            "differing_elements": sum(one.differing_elements for one in self.instants),
            "prediction_distance": max((one.prediction_distance for one in self.instants), default=0.0),
            "faults_found": sum(fault.found for fault in self.faults),
            "faults": len(self.faults),
        }

    def stale_by_feature(self) -> Mapping[str, tuple[int, float]]:
        """Return feature -> (how often it was stale, median age of the online row in seconds)."""
        stale = [found for one in self.instants for found in one.differences if found.reason == "stale"]
        counts = Counter(found.feature for found in stale)
        return {name: (count, _median_age(stale, name)) for name, count in counts.most_common()}

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {
            "release": self.release,
            "passed": self.passed,
            "bound": self.bound,
            "features": self.features,
            "totals": self.totals(),
            "stale": {
                name: {"count": n, "median_age_seconds": age} for name, (n, age) in self.stale_by_feature().items()
            },
            "unexplained": [
                {**asdict(found), "instant": found.instant.isoformat()}
                for one in self.instants
                for found in one.unexplained
            ][:100],
            "faults": [{**asdict(fault), "found": fault.found} for fault in self.faults],
        }


def _median_age(stale: Sequence[Any], feature: str) -> float:
    ages = [found.age_seconds for found in stale if found.feature == feature and found.age_seconds is not None]
    return median(ages) if ages else float("nan")


def print_report(report: ParityReport, console: Console) -> None:
    """Print the report for people."""
    totals = report.totals()
    table = Table(title=f"Parity of {report.release}: serving against history", title_justify="left")
    table.add_column("compared")
    table.add_column("how many", justify="right")
    table.add_column("differ", justify="right")
    table.add_row("instants / entity rows", f"{totals['instants']} / {totals['rows']:,}", "")
    table.add_row(
        f"raw feature values ({report.features} features)", f"{totals['values']:,}", f"{totals['unexplained']:,}"
    )
    table.add_row("  of these stale by cadence (allowed)", "", f"{totals['stale']:,}")
    table.add_row("tensor elements, bit by bit", f"{totals['tensor_elements']:,}", f"{totals['differing_elements']:,}")
    table.add_row(
        f"predictions (bound {report.bound:g})", f"{totals['rows']:,}", f"by {totals['prediction_distance']:.2g}"
    )
    console.print(table)
    _print_stale(report, console)
    for fault in report.faults:
        mark = "[green]found[/]" if fault.found else "[red]NOT FOUND[/]" if fault.is_applicable else "not applicable"
        console.print(f"  injected: {fault.name:<28} {mark} ({fault.evidence()})", soft_wrap=True)


def _print_stale(report: ParityReport, console: Console, most: int = 5) -> None:
    stale = report.stale_by_feature()
    for name, (count, age) in list(stale.items())[:most]:
        told = f"{count:>6,} times, online row {age / 60:,.0f} min old (median)"
        console.print(f"  stale: {name:<40} {told}", soft_wrap=True)
    if len(stale) > most:
        console.print(f"  stale: and {len(stale) - most} more features (see the report's JSON)")
