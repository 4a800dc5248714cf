"""From rows to a published release on a small project, with real Feast, TensorFlow and registry (20 s)."""

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureService, FeatureStore, ValueType
from feast.types import Float64

from likewise.models import ModelArtifact, load_predictor
from likewise.models.packaging import ModelRecord, package_model
from likewise.training import AtLeast, BeatsBaselines, GateVerdict, NoWorseThan, Recipe
from likewise.training.baselines import fit_baselines
from likewise.training.dataset import Examples, make_examples
from likewise.training.errors import (
    DefinitionsMovedError,
    GatesFailedError,
    HistoryChangedError,
    TensorsNotFiniteError,
)
from likewise.training.evaluate import Evaluation, evaluate
from likewise.training.fit import fit_transform
from likewise.training.gates import Evidence, check_gates
from likewise.training.history import retrieve_history
from likewise.training.history_file import EVENT_TIME, ROW, History
from likewise.training.plots import plot_reliability
from likewise.training.publish import Candidate, publish_candidate, released_metrics
from likewise.training.split import Split, split_history
from likewise.training.train import Trained, train_model
from likewise.transforms import FittedTransform, Steps, Transform
from likewise.transforms.kinds import StandardScaler
from likewise.transforms.registry import Registry
from tests.stores.feast_repository import ViewOf, apply, make_store
from tests.training.small_project import small_history, small_recipe, small_rows

pytestmark = pytest.mark.slow
GOLDEN = GateVerdict("golden", passed=True, expected="equal", got="equal")


@dataclass(frozen=True)
class Run:
    """What each step of a run made."""

    recipe: Recipe
    history: History
    split: Split
    fitted: FittedTransform
    parts: dict[str, Examples]
    trained: Trained
    artifact: ModelArtifact
    evaluation: Evaluation


def feast_project(folder: Path) -> FeatureStore:
    """Write labels, two sources and their definitions; return the applied store."""
    rows = small_rows()
    pq.write_table(rows.select(["carrier", "late", "known_at", EVENT_TIME]), folder / "labels.parquet")
    instant = timedelta(microseconds=1)
    earlier = pa.array([time - instant for time in rows.column(EVENT_TIME).to_pylist()], pa.timestamp("us", "UTC"))
    views = [
        ViewOf(
            name,
            pa.table({"carrier": rows.column("carrier"), name: rows.column(name), EVENT_TIME: earlier}),
            keys={"carrier": ValueType.STRING},
            features={name: Float64},
            ttl=timedelta(days=2),
        ).declare(folder)
        for name in ("distance", "delay")
    ]
    store = make_store(folder)
    carrier = Entity(name="carrier", join_keys=["carrier"], value_type=ValueType.STRING)
    apply(store, [carrier, *views, FeatureService(name="late_v1", features=[views[1], views[0]])])
    return store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    return feast_project(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="module")
def run(store: FeatureStore, tmp_path_factory: pytest.TempPathFactory) -> Run:
    recipe = small_recipe(gates=[BeatsBaselines(("brier",)), "golden", "parity"])
    history = retrieve_history(store, recipe, tmp_path_factory.mktemp("run") / "history.parquet")
    split = split_history(history, recipe)
    fitted = fit_transform(history, split, recipe)
    parts = {part.name: make_examples(history, part, fitted) for part in (split.train, split.validate, split.test)}
    trained = train_model(recipe.model, fitted.outputs, parts["train"], parts["validate"])
    record = ModelRecord("probability", recipe.model.settings())
    artifact = package_model(trained.model, fitted.outputs, parts["test"].tensors, record)
    predictions = load_predictor(artifact).predict(parts["test"].tensors)
    baselines = fit_baselines(fitted.outputs, parts["train"], parts["validate"], parts["test"], trained.linear)
    evaluation = evaluate(history, split.test, predictions, baselines.predictions, recipe.slices)
    return Run(recipe, history, split, fitted, parts, trained, artifact, evaluation)


def candidate(run: Run, *verdicts: GateVerdict) -> Candidate:
    """Return what a run would publish."""
    decided = verdicts or (GateVerdict("beats baselines", passed=True, expected="", got=""), GOLDEN)
    return Candidate(
        run.recipe, run.history, run.split, run.fitted, run.artifact, run.evaluation, decided, run.trained.epochs
    )


def test_history_keeps_every_row_with_its_values(run: Run) -> None:
    """Rows, order and labels are those of the entity file; features are those known at each row's time."""
    table, rows = pq.read_table(run.history.path), small_rows()
    assert table.column_names == [ROW, "carrier", "late", "known_at", EVENT_TIME, "delay", "distance"]
    assert table.column(ROW).to_pylist() == list(range(len(rows)))
    for name in ("carrier", "late", EVENT_TIME, "distance"):
        assert table.column(name).to_pylist() == rows.column(name).to_pylist()


def test_history_withholds_what_serving_does_not_have(run: Run) -> None:
    """Labels are withheld, and features come in the service's order, not in a set's."""
    assert set(run.history.withheld) == {"late", "known_at"}
    assert run.history.features == ("delay", "distance")


def test_fitting_sees_the_train_part_only(run: Run, tmp_path: Path) -> None:
    """Other values outside of the train part, labels included, leave the fitted transform bit for bit as it was."""
    rows = small_rows()
    outside = np.setdiff1d(np.arange(len(rows)), run.split.train.positions)
    delay = rows.column("delay").to_numpy().copy()
    delay[outside] = 1e6
    before = fit_transform(small_history(tmp_path, rows), run.split, run.recipe)
    other = rows.set_column(rows.column_names.index("delay"), "delay", pa.array(delay))
    assert fit_transform(small_history(tmp_path, other), run.split, run.recipe).digest == before.digest


def test_an_edited_history_is_not_fitted(run: Run, tmp_path: Path) -> None:
    """Only rows that came from history unmodified are fitted."""
    edited = replace(run.history, path=tmp_path / "history.parquet")
    pq.write_table(pq.read_table(run.history.path).slice(1), edited.path)
    with pytest.raises(HistoryChangedError):
        fit_transform(edited, run.split, run.recipe)


def test_tensors_that_are_not_finite_are_named(run: Run) -> None:
    """A transform that lets NaN through is refused before training, naming the column."""
    transform = Transform(
        "late", {"numbers": [Steps(["distance", "delay"], [StandardScaler()])]}, feature_service="late_v1"
    )
    recipe = replace(run.recipe, transform=transform)
    fitted = fit_transform(run.history, run.split, recipe)
    with pytest.raises(TensorsNotFiniteError, match=r"columns delay"):
        make_examples(run.history, run.split.train, fitted)


def test_numbers_that_overflow_are_refused_with_their_count(run: Run, tmp_path: Path) -> None:
    """A finite number that becomes an infinity in float32 enters no training: its column and count are told."""
    rows = small_rows()
    distance = rows.column("distance").to_numpy().copy()
    distance[run.split.test.positions[:2]] = 1e300
    history = small_history(
        tmp_path, rows.set_column(rows.column_names.index("distance"), "distance", pa.array(distance))
    )
    with pytest.raises(TensorsNotFiniteError, match=r"not finite in 2 rows .*distance out of range in 2"):
        make_examples(history, run.split.test, run.fitted)


def test_the_same_training_gives_the_same_model(run: Run) -> None:
    """Training again, with the same seed on the same rows, gives the same bits; epochs are reported as they end."""
    told = []
    again = train_model(
        run.recipe.model,
        run.fitted.outputs,
        run.parts["train"],
        run.parts["validate"],
        lambda done, total: told.append((done, total)),
    )
    assert all(map(np.array_equal, again.model.get_weights(), run.trained.model.get_weights()))
    assert told[-1] == (2 + len(again.epochs), 2 + run.recipe.model.schedule.epochs)


def test_the_linear_part_is_the_baseline(run: Run) -> None:
    """The wide part holds the logistic regression's own weights: its logit is the baseline's."""
    model, linear = run.trained.model, run.trained.linear
    assert linear is not None
    keras_part = type(model)(model.input, model.get_layer("likewise_intercept").output)
    logit = keras_part.predict_on_batch(dict(run.parts["test"].tensors)).reshape(-1)
    expected = linear.predict(run.fitted.outputs, run.parts["test"])
    assert np.allclose(1 / (1 + np.exp(-logit)), expected, atol=1e-5)


def test_baselines_and_slices_are_of_the_same_rows(run: Run) -> None:
    """The base rate is that of train, slices add up to the test part, and the regression learned something."""
    found = run.evaluation
    assert sum(part.rows for part in found.slices) == run.split.test.rows
    assert found.baselines["base_rate"]["roc_auc"] == 0.5
    assert found.baselines["logistic_regression"]["roc_auc"] > 0.65
    assert found.metrics["roc_auc"] > 0.65


def test_a_candidate_becomes_a_release_once(run: Run, store: FeatureStore, tmp_path: Path) -> None:
    """Transform, model and release are published, verified and pinned together; publishing again changes nothing."""
    registry = Registry(f"sqlite:///{tmp_path}/registry.db")
    first, second = (publish_candidate(registry, store, candidate(run)) for _ in range(2))
    assert (first.release.version, second.release.version) == (1, 1)
    assert first.transform.verified
    assert first.release.transform == run.fitted.digest
    assert first.release.nodes[0].inputs == ("numbers", "carrier")
    assert first.release.join_keys == ("carrier",)
    assert first.release.definitions_fingerprint == run.history.definitions_fingerprint
    load_predictor(registry.get_model(first.model)).check_golden()
    assert registry.load(f"transform:{first.release.transform}").digest == run.fitted.digest


def test_a_release_is_compared_with_the_one_before(run: Run, store: FeatureStore, tmp_path: Path) -> None:
    """`NoWorseThan` reads the metrics of the release that an alias names, and passes while there is none."""
    registry = Registry(f"sqlite:///{tmp_path}/registry.db")
    gate = [NoWorseThan("release:late@prod", "log_loss", by=0.001)]
    evidence = Evidence(run.evaluation.metrics, released=released_metrics(registry))
    assert check_gates(gate, evidence)[0].passed
    release = publish_candidate(registry, store, candidate(run)).release
    registry.set_alias("late", "prod", release.version, why="test")
    worse = replace(evidence, metrics={**evidence.metrics, "log_loss": evidence.metrics["log_loss"] + 0.01})
    assert [check_gates(gate, found)[0].passed for found in (evidence, worse)] == [True, False]


def test_a_failed_or_undecided_gate_publishes_nothing(run: Run, store: FeatureStore, tmp_path: Path) -> None:
    """Nothing reaches the registry unless every gate that can be decided was, and passed."""
    registry = Registry(f"sqlite:///{tmp_path}/registry.db")
    failed = AtLeast("roc_auc", 0.999).verdict(Evidence(run.evaluation.metrics))
    for verdicts in ((failed, GOLDEN), (GOLDEN,)):
        with pytest.raises(GatesFailedError, match="Nothing was published"):
            publish_candidate(registry, store, candidate(run, *verdicts))
    assert registry.transforms() == ()


def test_moved_definitions_are_not_published(run: Run, store: FeatureStore, tmp_path: Path) -> None:
    """A release never pins other definitions than its history was retrieved with."""
    moved = replace(candidate(run), history=replace(run.history, definitions_fingerprint="sha256:other"))
    with pytest.raises(DefinitionsMovedError, match="sha256:other"):
        publish_candidate(Registry(f"sqlite:///{tmp_path}/registry.db"), store, moved)


def test_the_reliability_plot_is_a_picture(run: Run, tmp_path: Path) -> None:
    """A PNG is written where asked, folders included."""
    path = plot_reliability(run.evaluation, "late", tmp_path / "plots" / "late.png")
    assert path.read_bytes().startswith(b"\x89PNG")
