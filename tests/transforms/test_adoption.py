"""Fitted scikit-learn objects are taken over with proof; published transforms are changed and kept."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from likewise.transforms import Bounds, FittedTransform, Steps, Transform, errors
from likewise.transforms import kinds as K  # noqa: N812
from likewise.transforms.registry import Registry
from likewise.transforms.testing import assert_same_bits

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "a": np.where(RNG.random(400) < 0.1, np.nan, RNG.normal(size=400)),
        "b": RNG.lognormal(size=400),
        "c": RNG.choice(["UA", "AA", "B6", "DL"], 400),
    }
)


@pytest.mark.parametrize(
    "transformer",
    [
        make_pipeline(SimpleImputer(strategy="median", add_indicator=True)),
        make_pipeline(SimpleImputer(), StandardScaler()),
        make_pipeline(SimpleImputer(), MinMaxScaler((-1, 1), clip=True)),
        make_pipeline(SimpleImputer(), MaxAbsScaler()),
        make_pipeline(SimpleImputer(strategy="constant", fill_value=3), RobustScaler(with_centering=False)),
        make_pipeline(SimpleImputer(), Normalizer("l1")),
        make_pipeline(SimpleImputer(), PolynomialFeatures(2)),
        make_pipeline(SimpleImputer(), QuantileTransformer(n_quantiles=50, output_distribution="normal")),
        make_pipeline(SimpleImputer(), KBinsDiscretizer(4, encode="ordinal")),
        make_pipeline(SimpleImputer(), KBinsDiscretizer(4, encode="onehot-dense", strategy="uniform")),
        "passthrough",
    ],
    ids=str,
)
def test_number_pipelines_are_taken_over(transformer: object) -> None:
    """Each shared kind computes on a sample what scikit-learn computes, and survives its artifact."""
    fitted = ColumnTransformer([("dense", transformer, ["a", "b"])]).fit(FRAME)
    ours = Transform.from_sklearn("adopted", fitted, FRAME)
    expected = np.asarray(fitted.transform(FRAME), dtype=np.float64)
    np.testing.assert_allclose(ours.apply(FRAME)["dense"], expected, rtol=1e-5, atol=1e-5)
    assert FittedTransform.from_bytes(ours.to_bytes()).digest == ours.digest


@pytest.mark.parametrize(
    "encoder",
    [
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        OneHotEncoder(sparse_output=False, handle_unknown="ignore"),
        OneHotEncoder(sparse_output=False, drop="first", min_frequency=100, handle_unknown="infrequent_if_exist"),
    ],
    ids=str,
)
def test_encoders_are_taken_over(encoder: object) -> None:
    """Encoders keep codes and columns."""
    fitted = ColumnTransformer([("codes", encoder, ["c"])]).fit(FRAME)
    got = Transform.from_sklearn("adopted", fitted, FRAME).apply(FRAME)["codes"]
    np.testing.assert_array_equal(got.reshape(400, -1), fitted.transform(FRAME))


def test_what_has_no_equal_is_named() -> None:
    """A class without equal is refused by name."""
    fitted = ColumnTransformer([("pca", make_pipeline(SimpleImputer(), PCA(1)), ["a", "b"])]).fit(FRAME)
    with pytest.raises(errors.AdoptionError, match="PCA cannot be taken over"):
        Transform.from_sklearn("adopted", fitted, FRAME)


def published() -> FittedTransform:
    outputs = {
        "dense": [Steps(["a", "b"], [K.SimpleImputer("median"), K.StandardScaler()])],
        "c": [Steps(["c"], [K.OrdinalEncoder()])],
    }
    return Transform("t", outputs).fit(FRAME)


def test_kept_outputs_stay_as_fitted() -> None:
    """An output that is kept has the bits of the published transform; the others learn from the new data."""
    old = published()
    shifted = FRAME.assign(b=FRAME.b + 100.0, c="XX")
    new = Transform.from_fitted(old, keep=["dense"]).fit(shifted)
    assert_same_bits({"dense": old.apply(FRAME)["dense"]}, {"dense": new.apply(FRAME)["dense"]}, "kept")
    assert new.outputs[1].cardinality == 3
    assert FittedTransform.from_bytes(new.to_bytes()).digest == new.digest


def test_replacing_outputs_and_renaming_columns() -> None:
    """A published transform can get another step, another name, and renamed columns."""
    changed = Transform.from_fitted(published()).replace(
        name="u", rename={"b": "beta"}, outputs={"c": None, "bins": [Steps(["b"], [K.KBinsDiscretizer(3)])]}
    )
    fitted = changed.fit(pa.table(FRAME.rename(columns={"b": "beta"})))
    assert fitted.name == "u"
    assert [spec.name for spec in fitted.inputs] == ["a", "beta"]
    assert [spec.name for spec in fitted.outputs] == ["dense", "bins"]
    with pytest.raises(errors.ColumnMissingError, match="bet"):
        changed.replace(rename={"bet": "x"})


class Shelf:
    """A registry as far as `from_version` knows one."""

    def load(self, reference: str) -> FittedTransform:
        """Return the published transform of one reference."""
        assert reference == "transform:t:1"
        return published()


def test_a_version_is_changed_and_fitted_anew() -> None:
    """A published version gets another step, the rest learns again; provenance says where it came from."""
    declared = Transform.from_version("transform:t:1", Shelf())
    assert declared.fit(FRAME).digest == published().digest
    changed = declared.replace(outputs={"dense": [Steps(["a", "b"], [K.SimpleImputer("mean"), K.RobustScaler()])]})
    fitted = changed.fit(FRAME)
    assert [repr(kind.kind)[:12] for kind in fitted.steps["dense"][0].kinds] == ["SimpleImpute", "RobustScaler"]
    assert fitted.provenance["derived_from"] == published().digest


def test_a_real_registry_serves_versions(tmp_path: Path) -> None:
    """`Transform.from_version(reference, registry)` takes the registry as it is."""
    registry = Registry(f"sqlite:///{tmp_path}/registry.db")
    version = registry.publish(published())
    assert Transform.from_version(version.reference, registry).fit(FRAME).digest == published().digest


def two_steps() -> FittedTransform:
    steps = [Steps(["a"], [K.SimpleImputer(), K.StandardScaler()]), Steps(["b"], [K.StandardScaler()])]
    return Transform("t", {"dense": steps}).fit(FRAME)


def test_chosen_steps_stay_as_fitted_under_new_names() -> None:
    """Of two steps of an output the kept one has its old state, over a renamed column; the other learns again."""
    old = two_steps()
    shifted = FRAME.assign(alpha=FRAME.a * 3 + 5, b=FRAME.b * 2)
    new = Transform.from_fitted(old, keep=[("dense", 0)]).replace(rename={"a": "alpha"}).fit(shifted)
    for name, array in old.steps["dense"][0].kinds[1].arrays().items():
        np.testing.assert_array_equal(new.steps["dense"][0].kinds[1].arrays()[name], array)
    mean = new.steps["dense"][1].kinds[0].arrays()["mean"]
    np.testing.assert_allclose(mean, 2 * old.steps["dense"][1].kinds[0].arrays()["mean"])
    assert [spec.name for spec in new.inputs] == ["alpha", "b"]


def test_synthetic_golden_rows_and_bounds_stay_declared() -> None:
    """What was fitted without raw rows, or within bounds, is fitted so again."""
    base = Transform("t", {"c": [Steps(["c"], [K.OrdinalEncoder()])]}, golden="synthetic").bounded(Bounds(psi=0.05))
    again = Transform.from_fitted(FittedTransform.from_bytes(base.fit(FRAME).to_bytes())).replace(name="u")
    assert (again.golden, again.bounds) == ("synthetic", Bounds(psi=0.05))
    assert again.fit(FRAME).bounds == Bounds(psi=0.05)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda t: Transform.from_fitted(t, keep=["dence"]), errors.OutputMissingError, "Did you mean 'dense'"),
        (lambda t: Transform.from_fitted(t, keep="dense"), errors.SettingError, "a list of outputs"),
        (lambda t: Transform.from_fitted(t, keep=[("dense", 2)]), errors.SettingError, "one of the 2 steps"),
        (lambda t: Transform.from_fitted(t).replace(outputs={"x": None}), errors.OutputMissingError, "'x'"),
        (lambda t: Transform.from_fitted(t).replace(rename={"a": "b"}), errors.SettingError, "no two columns share"),
        (lambda t: Transform.from_fitted(t).replace(rename={"aa": "z"}), errors.ColumnMissingError, "'aa'"),
        (lambda t: Transform.from_fitted(t).bounded(0.1), errors.SettingError, "Bounds"),
        (lambda t: Bounds(psi=-1.0), errors.SettingError, "psi must be a number from 0"),
    ],
)
def test_changes_that_cannot_be_are_refused(change: Any, error: type[Exception], words: str) -> None:
    """Unknown outputs, steps and columns, and names that two columns would share, are refused by name."""
    with pytest.raises(error, match=words):
        change(two_steps())


def test_a_kept_step_refuses_columns_of_another_type() -> None:
    """A kept step over a column that holds another type now is refused with both types."""
    with pytest.raises(errors.StepError, match="kept as fitted"):
        Transform("t", dict(Transform.from_fitted(two_steps(), keep=["dense"]).outputs)).fit(FRAME.assign(b="text"))
