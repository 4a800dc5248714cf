import math

import pytest

from likewise.training import AtLeast, AtMost, BeatsBaselines, GateVerdict, NoWorseThan
from likewise.training.errors import GateDeclarationError
from likewise.training.gates import Evidence, check_gates, needs_release

METRICS = {"roc_auc": 0.70, "log_loss": 0.40, "brier": 0.13, "ece": 0.01}
BASELINES = {"logistic_regression": {"roc_auc": 0.69, "log_loss": 0.41, "brier": 0.14, "ece": 0.02}}


@pytest.mark.parametrize(
    ("gate", "passed"),
    [
        (AtLeast("roc_auc", 0.70), True),
        (AtLeast("roc_auc", 0.7001), False),
        (AtMost("ece", 0.01), True),
        (AtMost("ece", 0.0099), False),
        (BeatsBaselines(), True),
        (NoWorseThan("late@prod", "log_loss", by=0.01), True),
        (NoWorseThan("late@prod", "log_loss", by=0.004), False),
        (NoWorseThan("late@prod", "roc_auc", by=0.002), True),
        (NoWorseThan("late@prod", "roc_auc", by=0.0), False),
        (NoWorseThan("late@prod", "ece"), False),
    ],
)
def test_gates_decide_by_their_limit(gate: AtLeast, passed: bool) -> None:
    """Limits themselves pass; in which direction a metric is better is known; a metric never recorded fails."""
    evidence = Evidence(METRICS, BASELINES, {"late@prod": {"roc_auc": 0.701, "log_loss": 0.395}}.get)
    assert gate.verdict(evidence).passed is passed


@pytest.mark.parametrize(
    "gate", [AtLeast("roc_auc", 0.1), AtMost("ece", 0.9), BeatsBaselines(), NoWorseThan("late@prod", "ece", by=0.9)]
)
def test_nan_never_passes(gate: AtLeast) -> None:
    """A metric that could not be computed is no proof."""
    unknown = dict.fromkeys(METRICS, math.nan)
    assert not gate.verdict(Evidence(unknown, BASELINES, {"late@prod": METRICS}.get)).passed


def test_being_as_good_as_a_baseline_is_not_better() -> None:
    """Equal in one metric fails, and the verdict says in which."""
    verdict = BeatsBaselines().verdict(Evidence(METRICS, {"base_rate": {"roc_auc": 0.5, "log_loss": 0.40}}))
    assert not verdict.passed
    assert "base_rate log_loss" in verdict.got


def test_nothing_passes_for_want_of_evidence() -> None:
    """No baselines, no registry, no check: each gate fails and says what it lacked."""
    gates = [BeatsBaselines(), NoWorseThan("late@prod", "ece"), "parity", "golden"]
    verdicts = check_gates(gates, Evidence(METRICS))
    assert [verdict.passed for verdict in verdicts] == [False] * 4
    assert all("no" in verdict.got for verdict in verdicts)


def test_the_first_release_has_nothing_to_be_worse_than() -> None:
    """A reference that does not resolve yet passes, and the verdict says why."""
    verdict = NoWorseThan("late@prod", "log_loss").verdict(Evidence(METRICS, released=lambda _: None))
    assert verdict.passed
    assert "no release" in verdict.expected


def test_named_checks_decide_their_gates() -> None:
    """What the command line's check says is the verdict; every gate is decided even after one failed."""
    told = GateVerdict("golden", passed=True, expected="equal", got="equal")
    verdicts = check_gates([AtLeast("roc_auc", 0.99), "golden"], Evidence(METRICS, named={"golden": lambda: told}))
    assert (verdicts[0].passed, verdicts[1]) == (False, told)


def test_only_parity_waits_for_a_release() -> None:
    """Parity is the one gate that needs the candidate published."""
    assert [needs_release(gate) for gate in ("parity", "golden", AtLeast("ece", 0))] == [True, False, False]


@pytest.mark.parametrize(
    "declare",
    [
        lambda: AtLeast("auc", 0.5),
        lambda: AtMost("logloss", 0.5),
        lambda: NoWorseThan("a", "acc"),
        lambda: BeatsBaselines(("f1",)),
    ],
)
def test_unknown_metrics_are_refused_at_once(declare: object) -> None:
    """A gate over a metric that is never computed fails when it is declared."""
    with pytest.raises(GateDeclarationError, match="expected one of"):
        declare()  # type: ignore[operator]
