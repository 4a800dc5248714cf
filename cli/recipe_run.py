"""A recipe from history to a published release: steps in order, each a plain function of the ones before."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from feast import FeatureStore

from likewise.cli.progress import StepLog
from likewise.cli.registry_access import ALIAS
from likewise.cli.run_key import history_key, run_key
from likewise.models import ModelArtifact, load_predictor
from likewise.models.packaging import ModelRecord, package_model
from likewise.training import GateVerdict, Recipe
from likewise.training.baselines import fit_baselines
from likewise.training.dataset import Examples, make_examples
from likewise.training.errors import HistoryChangedError
from likewise.training.evaluate import Evaluation, Slice, evaluate
from likewise.training.fit import fit_transform
from likewise.training.gates import Evidence, check_gates, needs_release
from likewise.training.history import retrieve_history
from likewise.training.history_file import History
from likewise.training.metrics import ReliabilityBin
from likewise.training.publish import Candidate, publish_candidate, released_metrics
from likewise.training.split import Split, split_history
from likewise.training.train import Trained, train_model
from likewise.transforms import FittedTransform
from likewise.transforms.errors import LikewiseError
from likewise.transforms.registry import Registry, Release


@dataclass(frozen=True, slots=True)
class RunInputs:
    """What a run needs.

    Attributes
    ----------
    repo, store
        The Feast repository, applied.
    folder
        Where the history and the record of the run go.
    """

    recipe: Recipe
    recipe_file: Path
    repo: Path
    store: FeatureStore
    registry: Registry
    folder: Path


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What a run made, or found already made.

    Attributes
    ----------
    reused
        Whether the release of an earlier run was taken over because nothing it follows from has changed.
    """

    release: Release
    history: History
    split: Split
    evaluation: Evaluation
    verdicts: tuple[GateVerdict, ...]
    reused: bool


def run_recipe(inputs: RunInputs, steps: StepLog) -> RunOutcome:
    """Retrieve history, split, fit, train, evaluate, gate and publish; no alias moves.

    Raises
    ------
    LikewiseError
        Of the step that failed; nothing half-made was published.
    """
    history = read_history(inputs, steps)
    split = split_history(history, inputs.recipe)
    key = run_key(history, inputs.recipe_file, inputs.registry.url)
    release = _earlier_release(inputs, key)
    if release is not None:
        steps.note("fit, train, publish", f"unchanged since {release.reference}: taken over")
        return _outcome(release, history, split, reused=True)
    candidate = _make_candidate(inputs, history, split, steps)
    with steps.step("publish") as step:
        published = publish_candidate(inputs.registry, inputs.store, candidate)
        _write_json(_record_path(inputs), _record(key, published.release))
        step.outcome = f"{published.transform.reference}, {published.release.reference}"
    return _outcome(published.release, history, split, reused=False)


def earlier_outcome(inputs: RunInputs, reference: str, steps: StepLog) -> RunOutcome:
    """Return a published release with the history of its recipe, for commands that only look at it."""
    history = read_history(inputs, steps)
    release = inputs.registry.release(f"release:{reference.removeprefix('release:')}")
    return _outcome(release, history, split_history(history, inputs.recipe), reused=True)


def read_history(inputs: RunInputs, steps: StepLog) -> History:
    """Return the recipe's history: the file of an earlier run where nothing it follows from has changed."""
    path, note = inputs.folder / "history.parquet", inputs.folder / "history.json"
    with steps.step("history") as step:
        key = history_key(inputs.store, inputs.recipe, inputs.repo)
        history = _earlier_history(note, key)
        how = "unchanged: taken over"
        if history is None:
            history = retrieve_history(inputs.store, inputs.recipe, path, step.report)
            _write_json(note, {"key": key, "history": {**asdict(history), "path": str(history.path)}})
            how = "point-in-time join"
        step.outcome = f"{history.rows:,} rows x {len(history.features)} features ({how})"
    return history


def _make_candidate(inputs: RunInputs, history: History, split: Split, steps: StepLog) -> Candidate:
    recipe = inputs.recipe
    with steps.step("fit") as step:
        fitted = fit_transform(history, split, recipe, step.report)
        passes = fitted.provenance["passes"]
        read = f"{split.train.rows:,} rows in {passes} {'pass' if passes == 1 else 'passes'}"
        step.outcome = f"{read}, {len(fitted.inputs)} columns -> {_width(fitted)} inputs"
    with steps.step("apply"):
        parts = {part.name: make_examples(history, part, fitted) for part in (split.train, split.validate, split.test)}
    with steps.step("train") as step:
        trained = train_model(recipe.model, fitted.outputs, parts["train"], parts["validate"], step.report)
        step.outcome = f"best of {len(trained.epochs)} epochs: {trained.best_epoch}"
    with steps.step("package") as step:
        model = _package(recipe, trained, fitted, parts["test"])
        step.outcome = f"runtime {model.metadata['runtime']}"
    with steps.step("evaluate") as step:
        baselines = fit_baselines(fitted.outputs, parts["train"], parts["validate"], parts["test"], trained.linear)
        predictions = load_predictor(model).predict(parts["test"].tensors)
        evaluation = evaluate(history, split.test, predictions, baselines.predictions, recipe.slices)
        step.outcome = f"ROC AUC {evaluation.metrics['roc_auc']:.4f}, log loss {evaluation.metrics['log_loss']:.4f}"
    verdicts = _decide(inputs, fitted, model, evaluation)
    return Candidate(recipe, history, split, fitted, model, evaluation, verdicts, trained.epochs)


def _package(recipe: Recipe, trained: Trained, fitted: FittedTransform, held_out: Examples) -> ModelArtifact:
    record = ModelRecord(output="probability", family=recipe.model.settings())
    return package_model(trained.model, fitted.outputs, held_out.tensors, record)


def _width(fitted: FittedTransform) -> int:
    return sum(output.width or 1 for output in fitted.outputs)


def _decide(
    inputs: RunInputs, fitted: FittedTransform, model: ModelArtifact, evaluation: Evaluation
) -> tuple[GateVerdict, ...]:
    evidence = Evidence(
        metrics=evaluation.metrics,
        baselines=evaluation.baselines,
        released=released_metrics(inputs.registry),
        named={"golden": golden_check(fitted, model)},
    )
    return check_gates([gate for gate in inputs.recipe.gates if not needs_release(gate)], evidence)


def golden_check(fitted: FittedTransform, model: ModelArtifact) -> Callable[[], GateVerdict]:
    """Return the check behind the gate "golden": both artifacts, read back from bytes, answer as recorded."""

    def check() -> GateVerdict:
        expected = "golden rows and golden predictions as recorded"
        try:
            FittedTransform.from_bytes(fitted.to_bytes()).check_golden()
            load_predictor(model).check_golden()
        except LikewiseError as error:
            return GateVerdict("golden", passed=False, expected=expected, got=str(error))
        return GateVerdict("golden", passed=True, expected=expected, got="equal")

    return check


def promote(registry: Registry, release: Release, why: str) -> bool:
    """Point `prod` at a release; return whether it pointed elsewhere before."""
    now = {one.alias: one.version for one in registry.aliases(release.name)}
    if now.get(ALIAS) == release.version:
        return False
    registry.set_alias(release.name, ALIAS, release.version, why=why)
    return True


def _outcome(release: Release, history: History, split: Split, *, reused: bool) -> RunOutcome:
    """Return the outcome as the release's manifest tells it, so that both ways give the same report."""
    told = release.provenance
    evaluation = Evaluation(
        part=split.test.name,
        rows=split.test.rows,
        base_rate=split.test.base_rate,
        metrics=release.metrics,
        baselines=told["baselines"],
        reliability=tuple(ReliabilityBin(**one) for one in told["reliability"]),
        slices=tuple(_slice(one) for one in told["slices"]),
    )
    verdicts = tuple(GateVerdict(**one) for one in told["gates"])
    return RunOutcome(release, history, split, evaluation, verdicts, reused)


def _slice(told: Mapping[str, Any]) -> Slice:
    metrics = {name: float("nan") if value is None else value for name, value in told["metrics"].items()}
    return replace(Slice(**told), metrics=metrics)


def _earlier_history(note: Path, key: str | None) -> History | None:
    found = _read_json(note)
    told = found.get("history")
    if key is None or found.get("key") != key or not isinstance(told, dict):
        return None
    history = History(
        **{**told, "path": Path(told["path"]), "features": tuple(told["features"]), "withheld": tuple(told["withheld"])}
    )
    try:
        history.verify()
    except HistoryChangedError:
        return None
    return history


def _earlier_release(inputs: RunInputs, key: str) -> Release | None:
    found = _read_json(_record_path(inputs))
    if found.get("run_key") != key:
        return None
    try:
        release = inputs.registry.release(str(found.get("release")))
    except LikewiseError:
        return None
    return release if release.digest == found.get("digest") else None


def _record(key: str, release: Release) -> dict[str, str]:
    return {"run_key": key, "release": release.reference, "digest": release.digest}


def _record_path(inputs: RunInputs) -> Path:
    return inputs.folder / "run.json"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(value, indent=1, default=str), "utf-8")
    unfinished.replace(path)
