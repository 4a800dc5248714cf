"""The example's recipe, against what is declared and on a slice of the data."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from feast import FeatureStore

from likewise.stores.definitions import describe_definitions
from likewise.training import TimeSplit, load_recipe
from likewise.training.fit import fit_transform
from likewise.training.history import retrieve_history
from likewise.training.split import split_history

RECIPE = Path(__file__).resolve().parents[2] / "feature_repo/recipes/flight_delay.py"


def test_the_recipe_loads_and_keeps_labels_out() -> None:
    """No column that tells of the future is an input, neither the label nor when it became known."""
    recipe = load_recipe(RECIPE)
    assert recipe.name == "flight_delay"
    assert set(recipe.label_columns) == {"late", "arrived_at"}
    assert not set(recipe.label_columns) & set(recipe.transform.columns)
    # Time itself would only tell the months of training from those of use.
    assert not {"event_timestamp", "dep_month", "dep_day_of_year"} & set(recipe.transform.columns)


@pytest.mark.slow
def test_inputs_are_what_the_service_offers(store: FeatureStore) -> None:
    """Each input is a feature of the service, request data or a join key."""
    recipe = load_recipe(RECIPE)
    found = describe_definitions(store, recipe.transform.feature_service)
    assert set(recipe.transform.columns) <= {*found.features, *found.request_fields, *found.join_keys}


@pytest.mark.slow
def test_history_of_a_slice_becomes_finite_tensors(store: FeatureStore, tmp_path: Path) -> None:
    """History keeps every flight; the fitted transform gives finite numbers and codes in range, seen or not."""
    split = TimeSplit("2013-01-07", "2013-01-08", "2013-01-09")
    recipe = replace(load_recipe(RECIPE), split=split)
    history = retrieve_history(store, recipe, tmp_path / "history.parquet")
    assert history.rows == 8_832
    parts = split_history(history, recipe)
    fitted = fit_transform(history, parts, recipe)
    for part in (parts.train, parts.test):
        tensors = fitted.apply(history.inputs(part.positions))
        for output in fitted.outputs:
            assert np.isfinite(tensors[output.name]).all()
            assert output.cardinality is None or (tensors[output.name] < output.cardinality).all()
