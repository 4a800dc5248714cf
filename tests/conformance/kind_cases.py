"""One case or more for every kind we ship."""

from likewise.transforms import kinds as K  # noqa: N812
from likewise.transforms.logical_types import LogicalType as T
from likewise.transforms.testing import KindCase

NUMBERS = (T.NUMBER, T.NUMBER)
MIXED = (T.TEXT, T.NUMBER, T.BOOLEAN, T.BYTES, T.TIME)

CASES = [
    KindCase(K.SimpleImputer("mean"), NUMBERS),
    KindCase(K.SimpleImputer("median", add_indicator=True), NUMBERS),
    KindCase(K.SimpleImputer("most_frequent"), (T.NUMBER, T.BOOLEAN)),
    KindCase(K.SimpleImputer("constant", fill_value=-1.0, add_indicator=True), NUMBERS),
    KindCase(K.SimpleImputer("most_frequent"), MIXED, then=(K.OrdinalEncoder(),)),
    KindCase(K.SimpleImputer("constant", fill_value="none"), (T.TEXT,), then=(K.OrdinalEncoder(),)),
    KindCase(K.MissingIndicator(), MIXED),
    KindCase(K.MissingIndicator(features="all"), (T.LIST_NUMBER, T.LIST_TEXT)),
    KindCase(K.StandardScaler(), (T.NUMBER, T.BOOLEAN), inverse_within=1e-12),
    KindCase(K.StandardScaler(with_mean=False), NUMBERS, inverse_within=1e-12),
    KindCase(K.MinMaxScaler((-1.0, 2.0)), NUMBERS, inverse_within=1e-12),
    KindCase(K.MinMaxScaler(clip=True), NUMBERS),
    KindCase(K.Clip(-3.0, 4.0), NUMBERS),
    KindCase(K.LogTransformer("signed_log1p"), NUMBERS, inverse_within=1e-12),
    KindCase(K.LogTransformer("log1p"), NUMBERS),
    KindCase(K.LogTransformer("log"), NUMBERS),
    KindCase(K.QuantileTransformer(50), NUMBERS),
    KindCase(K.QuantileTransformer(1000, output_distribution="normal"), NUMBERS),
    KindCase(K.KBinsDiscretizer(7), NUMBERS),
    KindCase(K.KBinsDiscretizer(4, encode="onehot", strategy="uniform"), NUMBERS),
    KindCase(K.KBinsDiscretizer(4, quantile_method="linear"), NUMBERS),
    KindCase(K.OrdinalEncoder(), MIXED),
    KindCase(K.OrdinalEncoder(missing="oov"), (T.TEXT,)),
    KindCase(K.OneHotEncoder(), MIXED),
    KindCase(K.OneHotEncoder(unseen="infrequent", min_frequency=0.1), (T.TEXT, T.TEXT)),
    KindCase(K.OneHotEncoder(unseen="oov", drop="first", max_categories=3, missing="ignore"), (T.TEXT,)),
    KindCase(K.CyclicalFeatures(24.0), NUMBERS),
]
