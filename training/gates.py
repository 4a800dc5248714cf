"""Gates: what a trained model must show before it may be published or promoted.

A gate is a frozen declaration with one method, `verdict`; a gate that can't be decided from the evidence at
hand fails and says why, it never passes in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .errors import GateDeclarationError

HIGHER_IS_BETTER = frozenset({"roc_auc"})
LOWER_IS_BETTER = frozenset({"log_loss", "brier", "ece"})
METRICS = HIGHER_IS_BETTER | LOWER_IS_BETTER
NAMED_GATES = ("parity", "golden")


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """What one gate decided: `expected` and `got` are for people, `passed` is for programs."""

    gate: str
    passed: bool
    expected: str
    got: str


NamedCheck = Callable[[], GateVerdict]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that gates may look at.

    Parameters
    ----------
    metrics
        Of the candidate on the test part: metric -> value.
    baselines
        Baseline name -> metric -> value, on the same rows.
    released
        Gives the test metrics of a release reference, or None when no such release exists yet.
    named
        The checks behind "parity" and "golden". They come from the command line, because training and
        serving don't know each other.
    """

    metrics: Mapping[str, float]
    baselines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    released: Callable[[str], Mapping[str, float] | None] | None = None
    named: Mapping[str, NamedCheck] = field(default_factory=dict)


class Gate(Protocol):
    """A declaration that can decide: passed or not, from evidence alone."""

    def verdict(self, evidence: Evidence) -> GateVerdict:
        """Decide by the evidence."""
        ...


@dataclass(frozen=True, slots=True)
class AtLeast:
    """The metric is at least `value` on the test part.

    Examples
    --------
    >>> AtLeast("roc_auc", 0.70).verdict(Evidence({"roc_auc": 0.71})).passed
    True
    """

    metric: str
    value: float

    def __post_init__(self) -> None:
        _check_metric(self.metric)

    def verdict(self, evidence: Evidence) -> GateVerdict:
        """Pass when the metric reaches the value; NaN never does."""
        got = evidence.metrics[self.metric]
        return GateVerdict(f"at least: {self.metric}", got >= self.value, f">= {self.value:.4f}", f"{got:.4f}")


@dataclass(frozen=True, slots=True)
class AtMost:
    """The metric is at most `value` on the test part.

    Examples
    --------
    >>> AtMost("ece", 0.02).verdict(Evidence({"ece": 0.031})).passed
    False
    """

    metric: str
    value: float

    def __post_init__(self) -> None:
        _check_metric(self.metric)

    def verdict(self, evidence: Evidence) -> GateVerdict:
        """Pass when the metric stays within the value; NaN never does."""
        got = evidence.metrics[self.metric]
        return GateVerdict(f"at most: {self.metric}", got <= self.value, f"<= {self.value:.4f}", f"{got:.4f}")


@dataclass(frozen=True, slots=True)
class BeatsBaselines:
    """Every named metric is strictly better than that of every baseline on the same rows."""

    metrics: tuple[str, ...] = ("roc_auc", "log_loss")

    def __post_init__(self) -> None:
        for metric in self.metrics:
            _check_metric(metric)

    def verdict(self, evidence: Evidence) -> GateVerdict:
        """Pass when no baseline is as good in any of the metrics; fail when there is no baseline."""
        close = [
            f"{name} {metric} {theirs[metric]:.4f} vs {evidence.metrics[metric]:.4f}"
            for name, theirs in evidence.baselines.items()
            for metric in self.metrics
            if not _gain(metric, evidence.metrics[metric], theirs[metric]) > 0
        ]
        compared = bool(evidence.baselines) and bool(self.metrics)
        got = "; ".join(close) if close else "better" if compared else "no baseline was evaluated"
        expected = f"better than {', '.join(evidence.baselines) or 'baselines'} in {', '.join(self.metrics)}"
        return GateVerdict("beats baselines", compared and not close, expected, got)


@dataclass(frozen=True, slots=True)
class NoWorseThan:
    """The metric is worse than that of a release by no more than `by`.

    Both numbers are of the test part of their own training run. When the reference does not resolve yet
    (the first release of a name) there is nothing to be worse than: the gate passes and says so.
    """

    reference: str
    metric: str
    by: float = 0.0

    def __post_init__(self) -> None:
        _check_metric(self.metric)

    def verdict(self, evidence: Evidence) -> GateVerdict:
        """Pass when the loss against the release stays within `by`."""
        gate = f"no worse than {self.reference}: {self.metric}"
        if evidence.released is None:
            return GateVerdict(gate, passed=False, expected="a registry to look in", got="none was given")
        theirs = evidence.released(self.reference)
        if theirs is None:
            return GateVerdict(gate, passed=True, expected="no release to compare with yet", got="none")
        if self.metric not in theirs:
            expected = f"a release that recorded {self.metric}"
            return GateVerdict(gate, passed=False, expected=expected, got=", ".join(sorted(theirs)) or "none")
        ours = evidence.metrics[self.metric]
        passed = _gain(self.metric, ours, theirs[self.metric]) >= -self.by
        return GateVerdict(gate, passed, f"{theirs[self.metric]:.4f} within {self.by:g}", f"{ours:.4f}")


@dataclass(frozen=True, slots=True)
class NamedGate:
    """A gate that only the command line can decide, by its name in the recipe."""

    name: str

    def verdict(self, evidence: Evidence) -> GateVerdict:
        """Run the check of that name; fail when nobody gave one."""
        if self.name not in evidence.named:
            return GateVerdict(self.name, passed=False, expected="a check to run", got="none was given")
        return evidence.named[self.name]()


def gate_from(declared: Gate | str) -> Gate:
    """Return the gate that a recipe's entry stands for: itself, or the check of that name."""
    if not isinstance(declared, str):
        return declared
    if declared not in NAMED_GATES:
        raise GateDeclarationError(declared, NAMED_GATES)
    return NamedGate(declared)


def needs_release(declared: Gate | str) -> bool:
    """Tell whether the gate can only be decided once the candidate is published (never promoted) already."""
    return declared == "parity"


def check_gates(gates: Sequence[Gate | str], evidence: Evidence) -> tuple[GateVerdict, ...]:
    """Decide every gate, in the declared order, also after one has failed."""
    return tuple(gate_from(gate).verdict(evidence) for gate in gates)


def _gain(metric: str, ours: float, theirs: float) -> float:
    return ours - theirs if metric in HIGHER_IS_BETTER else theirs - ours


def _check_metric(metric: str) -> None:
    if metric not in METRICS:
        raise GateDeclarationError(metric, sorted(METRICS))
