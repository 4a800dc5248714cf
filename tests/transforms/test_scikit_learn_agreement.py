"""Where a kind has scikit-learn's name, it has scikit-learn's numbers; the exceptions are in the docs."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn import feature_extraction, impute, preprocessing

from likewise.transforms import Steps, Transform
from likewise.transforms import kinds as K  # noqa: N812

RNG = np.random.default_rng(0)
NUMBERS = np.column_stack([RNG.normal(size=700) * 50, RNG.lognormal(size=700), RNG.integers(0, 6, 700) * 1.0])
HELD = np.column_stack([RNG.normal(size=200) * 60, RNG.lognormal(size=200), RNG.integers(0, 6, 200) * 1.0])
WORDS = ["red car", "blue bus", "a red red bus", "", "Car!", "green-ish bus"]
TEXTS = [WORDS[i] for i in RNG.integers(0, 6, 300)]


def ours(data: np.ndarray, held: np.ndarray, *kinds: Any) -> np.ndarray:
    def frame(values: np.ndarray) -> pa.Table:
        return pa.table({f"c{i}": pa.array(column, from_pandas=True) for i, column in enumerate(values.T)})

    names = [f"c{i}" for i in range(data.shape[1])]
    return Transform("t", {"o": [Steps(names, kinds)]}).fit(frame(data)).apply(frame(held))["o"]


@pytest.mark.parametrize(
    ("kind", "other"),
    [
        (K.StandardScaler(), preprocessing.StandardScaler()),
        (K.StandardScaler(with_mean=False), preprocessing.StandardScaler(with_mean=False)),
        (K.MinMaxScaler(), preprocessing.MinMaxScaler()),
        (K.MinMaxScaler((-1.0, 1.0), clip=True), preprocessing.MinMaxScaler((-1, 1), clip=True)),
        (K.MaxAbsScaler(), preprocessing.MaxAbsScaler()),
        (K.RobustScaler(), preprocessing.RobustScaler()),
        (K.RobustScaler(quantile_range=(5.0, 80.0)), preprocessing.RobustScaler(quantile_range=(5.0, 80.0))),
        (K.QuantileTransformer(100), preprocessing.QuantileTransformer(n_quantiles=100)),
        (
            K.QuantileTransformer(100, output_distribution="normal"),
            preprocessing.QuantileTransformer(n_quantiles=100, output_distribution="normal"),
        ),
        (K.KBinsDiscretizer(4), preprocessing.KBinsDiscretizer(4, encode="ordinal")),
        (
            K.KBinsDiscretizer(7, strategy="uniform"),
            preprocessing.KBinsDiscretizer(7, encode="ordinal", strategy="uniform"),
        ),
        (
            K.KBinsDiscretizer(4, quantile_method="linear"),
            preprocessing.KBinsDiscretizer(4, encode="ordinal", quantile_method="linear"),
        ),
        (K.Normalizer("l1"), preprocessing.Normalizer("l1")),
        (K.Normalizer("l2"), preprocessing.Normalizer("l2")),
        (K.Normalizer("max"), preprocessing.Normalizer("max")),
        (K.PolynomialFeatures(3), preprocessing.PolynomialFeatures(3)),
        (
            K.PolynomialFeatures(2, interaction_only=True, include_bias=False),
            preprocessing.PolynomialFeatures(2, interaction_only=True, include_bias=False),
        ),
        (K.OneHotEncoder(missing="ignore"), preprocessing.OneHotEncoder(handle_unknown="ignore", sparse_output=False)),
    ],
    ids=lambda value: repr(value)[:60],
)
@pytest.mark.filterwarnings("ignore:Bins whose width")
@pytest.mark.filterwarnings("ignore:n_quantiles")
def test_numbers_agree(kind: Any, other: Any) -> None:
    """Outputs on held-out numbers agree to float32."""
    data, held = (NUMBERS[:, 2:], HELD[:, 2:]) if isinstance(kind, K.OneHotEncoder) else (NUMBERS, HELD)
    np.testing.assert_allclose(ours(data, held, kind), other.fit(data).transform(held), rtol=1e-6, atol=2e-6)


@pytest.mark.filterwarnings("ignore:n_quantiles")
def test_quantiles_of_few_values_agree() -> None:
    """With fewer values than quantiles, every value is one; on repeated values scikit-learn's are off by rounding."""
    data, held = NUMBERS[:, :2], HELD[:, :2]
    expected = preprocessing.QuantileTransformer(n_quantiles=1000).fit(data).transform(held)
    np.testing.assert_allclose(ours(data, held, K.QuantileTransformer()), expected, rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent"])
def test_imputers_agree(strategy: Any) -> None:
    """Imputed values and indicators agree."""
    data, held = NUMBERS.copy(), HELD.copy()
    data[::7, 0] = held[::5, 0] = data[::3, 2] = np.nan
    other = impute.SimpleImputer(strategy=strategy, add_indicator=True).fit(data)
    got = ours(data, held, K.SimpleImputer(strategy, add_indicator=True))
    np.testing.assert_allclose(got, other.transform(held), rtol=1e-6)


@pytest.mark.parametrize(
    "settings", [{"min_frequency": 60}, {"min_frequency": 0.1}, {"max_categories": 3}, {"drop": "first"}]
)
def test_one_hot_settings_agree(settings: dict[str, Any]) -> None:
    """Infrequent and dropped categories are scikit-learn's."""
    labels = np.array([f"k{i}" for i in np.minimum(RNG.geometric(0.3, 500), 8)], dtype=object)[:, None]
    other = preprocessing.OneHotEncoder(sparse_output=False, handle_unknown="ignore", **settings).fit(labels)
    got = ours(labels, labels, K.OneHotEncoder(missing="ignore", **settings))
    np.testing.assert_array_equal(got, other.transform(labels))


def test_ordinal_codes_agree() -> None:
    """Codes of text are scikit-learn's."""
    labels = np.array(TEXTS, dtype=object)[:, None]
    got = ours(labels, labels, K.OrdinalEncoder())
    np.testing.assert_array_equal(got, preprocessing.OrdinalEncoder().fit_transform(labels)[:, 0])


@pytest.mark.parametrize(
    ("kind", "other"),
    [
        (K.CountVectorizer(), feature_extraction.text.CountVectorizer()),
        (
            K.CountVectorizer(ngram_range=(1, 2), min_df=20),
            feature_extraction.text.CountVectorizer(ngram_range=(1, 2), min_df=20),
        ),
        (K.TfidfVectorizer(), feature_extraction.text.TfidfVectorizer()),
        (
            K.TfidfVectorizer(sublinear_tf=True, norm="l1"),
            feature_extraction.text.TfidfVectorizer(sublinear_tf=True, norm="l1"),
        ),
        (K.HashingVectorizer(32), feature_extraction.text.HashingVectorizer(n_features=32)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_texts_agree(kind: Any, other: Any) -> None:
    """Counts, tf-idf weights and hashes of texts are scikit-learn's."""
    got = ours(np.array(TEXTS, dtype=object)[:, None], np.array(TEXTS, dtype=object)[:, None], kind)
    np.testing.assert_allclose(got, other.fit_transform(TEXTS).toarray(), rtol=1e-6)


def test_feature_hashes_agree() -> None:
    """Hashed categories and numbers land where scikit-learn's do, with its signs."""
    rows = [{"c": text, "x": float(i)} for i, text in enumerate(TEXTS)]
    expected = feature_extraction.FeatureHasher(16).transform(rows).toarray()
    table = pa.table({"c": TEXTS, "x": [row["x"] for row in rows]})
    got = Transform("t", {"o": [Steps(["c", "x"], [K.FeatureHasher(16)])]}).fit(table).apply(table)["o"]
    np.testing.assert_array_equal(got, expected)
