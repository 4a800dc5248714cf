"""One case or more for every kind we ship."""

from likewise.transforms import kinds as K  # noqa: N812
from likewise.transforms.local_time import PARTS
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
    KindCase(K.MaxAbsScaler(), NUMBERS, inverse_within=1e-12),
    KindCase(K.RobustScaler(quantile_range=(10.0, 90.0)), NUMBERS, inverse_within=1e-12),
    KindCase(K.Winsorizer((5.0, 95.0)), NUMBERS),
    KindCase(K.Bucketizer((-1.5, 0.0, 3.0)), NUMBERS),
    KindCase(K.Bucketizer((0.0,), encode="onehot"), NUMBERS),
    KindCase(K.Normalizer(), (T.NUMBER, T.NUMBER, T.NUMBER)),
    KindCase(K.Normalizer("l1"), NUMBERS),
    KindCase(K.Normalizer("max"), NUMBERS),
    KindCase(K.PolynomialFeatures(3), NUMBERS),
    KindCase(K.PolynomialFeatures(2, interaction_only=True, include_bias=False), NUMBERS),
    KindCase(K.GroupScaler(min_count=20), (T.TEXT, T.NUMBER, T.NUMBER)),
    KindCase(K.GroupScaler(min_count=5), (T.NUMBER, T.NUMBER), values={T.NUMBER: (1.0, 2.0, 5.5)}),
    KindCase(K.MultiHotEncoder(), (T.LIST_TEXT, T.LIST_NUMBER)),
    KindCase(K.MultiHotEncoder(missing="ignore"), (T.LIST_BYTES,)),
    KindCase(K.RareGrouper(min_frequency=40), (T.TEXT, T.TEXT), then=(K.OrdinalEncoder(),)),
    KindCase(K.CountEncoder(), MIXED),
    KindCase(K.CountEncoder(normalize=True, missing="keep"), (T.TEXT,)),
    KindCase(K.FeatureHasher(16), MIXED),
    KindCase(K.FeatureCross(), (T.TEXT, T.NUMBER, T.BOOLEAN), then=(K.OrdinalEncoder(),)),
    KindCase(K.FeatureCross(missing="category"), (T.TEXT, T.BYTES), then=(K.FeatureHasher(8),)),
    KindCase(K.TextNormalizer(strip_accents=True, strip_punctuation=True), (T.TEXT,), then=(K.OrdinalEncoder(),)),
    KindCase(K.TextNormalizer(empty="missing"), (T.TEXT,), then=(K.OrdinalEncoder(),)),
    KindCase(K.TextVectorizer(3), (T.TEXT, T.TEXT)),
    KindCase(K.TextVectorizer(8, max_tokens=6, tokens="characters"), (T.TEXT,)),
    KindCase(K.CountVectorizer(ngram_range=(1, 2)), (T.TEXT,)),
    KindCase(K.CountVectorizer(tokens="spaces", binary=True, max_features=4, min_df=0.05), (T.TEXT, T.TEXT)),
    KindCase(K.TfidfVectorizer(sublinear_tf=True), (T.TEXT,)),
    KindCase(K.TfidfVectorizer(norm="l1", tokens="characters"), (T.TEXT,)),
    KindCase(K.HashingVectorizer(16), (T.TEXT, T.TEXT)),
    KindCase(K.DatetimeFeatures(zone="America/New_York"), (T.TIME, T.TIME)),
    KindCase(K.DatetimeFeatures(tuple(PARTS)), (T.TIME,)),
    KindCase(K.SequencePadder(3), (T.LIST_NUMBER, T.LIST_BOOLEAN)),
    KindCase(K.SequencePadder(2, keep="last", value=-1.0), (T.LIST_NUMBER,)),
]

# Labels know no missing value, so the general cases do not fit; their tests are in tests/transforms.
APART = {K.LabelEncoder.id}
