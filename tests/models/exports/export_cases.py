"""Cases beyond one a kind: every policy, chains whose steps meet at edges, and columns of every type."""

from likewise.transforms import kinds as K  # noqa: N812
from likewise.transforms.local_time import PARTS
from likewise.transforms.logical_types import LogicalType as T
from likewise.transforms.testing import KindCase
from tests.conformance.kind_cases import CASES

NUMBERS = (T.NUMBER, T.NUMBER)
LONG = {T.NUMBER: (2**53 + 1, 2**53 + 2, 2**60, 7, -(2**60) - 1)}
WORDS = {T.TEXT: ("it's", 'a "b"', "x|y", "back\\slash", "", "\\N", "New\nline", "Ünï", "[UNK]", "null")}

POLICIES = [
    KindCase(K.StandardScaler(missing="error"), NUMBERS),
    KindCase(K.RobustScaler(with_centering=False, missing="error"), NUMBERS),
    KindCase(K.MinMaxScaler((-3.0, 5.5), clip=True, missing="error"), NUMBERS),
    KindCase(K.MaxAbsScaler(missing="error"), NUMBERS),
    KindCase(K.Clip(upper=2.0, missing="error"), NUMBERS),
    KindCase(K.Winsorizer(missing="error"), NUMBERS),
    KindCase(K.LogTransformer("log1p", out_of_range="error"), NUMBERS),
    KindCase(K.LogTransformer("signed_log1p", missing="error"), NUMBERS),
    KindCase(K.QuantileTransformer(20, missing="error"), NUMBERS),
    KindCase(K.KBinsDiscretizer(3, missing="error"), NUMBERS),
    KindCase(K.KBinsDiscretizer(60), NUMBERS),
    KindCase(K.Bucketizer((1.0,), encode="onehot", missing="error"), NUMBERS),
    KindCase(K.Normalizer(missing="error"), NUMBERS),
    KindCase(K.PolynomialFeatures(2, missing="error"), NUMBERS),
    KindCase(K.CyclicalFeatures(7.0, missing="error"), NUMBERS),
    KindCase(K.GroupScaler(min_count=5, unseen="error", missing="error"), (T.TEXT, T.NUMBER, T.NUMBER)),
    KindCase(K.OrdinalEncoder(unseen="error", missing="error"), (T.TEXT, T.NUMBER)),
    KindCase(K.OrdinalEncoder(missing="oov", unseen="error"), (T.TEXT,)),
    KindCase(K.OneHotEncoder(unseen="error", missing="error"), (T.TEXT, T.BOOLEAN)),
    KindCase(K.OneHotEncoder(drop="if_binary", unseen="oov", missing="ignore"), (T.BOOLEAN, T.TEXT)),
    KindCase(K.CountEncoder(unseen="error", missing="error"), (T.TEXT,)),
    KindCase(K.MultiHotEncoder(unseen="error", missing="error"), (T.LIST_TEXT, T.LIST_NUMBER)),
    KindCase(K.MultiHotEncoder(), (T.LIST_TIME, T.LIST_BOOLEAN, T.LIST_BYTES)),
    KindCase(K.SequencePadder(4, missing="error"), (T.LIST_NUMBER,)),
    KindCase(K.DatetimeFeatures(("year", "week"), missing="error"), (T.TIME,)),
    KindCase(K.FeatureHasher(12), (T.NUMBER, T.BOOLEAN)),
    KindCase(K.FeatureHasher(12, alternate_sign=False, missing="error"), (T.NUMBER, T.BOOLEAN)),
]

TYPES = [
    KindCase(K.OrdinalEncoder(), (T.NUMBER, T.NUMBER), values=LONG),
    KindCase(
        K.SimpleImputer("most_frequent", add_indicator=True), (T.NUMBER, T.TEXT), (K.OneHotEncoder(),), values=LONG
    ),
    KindCase(K.OrdinalEncoder(), (T.TEXT, T.BYTES), values={**WORDS, T.BYTES: (b"a", "é".encode(), b"", b"\x00'")}),
    KindCase(K.FeatureCross(), (T.TEXT, T.TEXT), (K.OrdinalEncoder(),), values=WORDS),
    KindCase(K.FeatureCross(missing="category"), (T.TEXT, T.TIME, T.BYTES), (K.OneHotEncoder(max_categories=9),)),
    KindCase(K.FeatureCross("+", missing="category"), (T.NUMBER, T.BOOLEAN), (K.CountEncoder(),)),
    KindCase(K.DatetimeFeatures(PARTS, zone="Australia/Lord_Howe"), (T.TIME,)),
    KindCase(K.DatetimeFeatures(("hour", "day"), zone="Africa/Casablanca"), (T.TIME,)),
]

CHAINS = [
    KindCase(K.SimpleImputer("mean"), NUMBERS, (K.StandardScaler(), K.KBinsDiscretizer(9))),
    KindCase(K.MinMaxScaler((-1.0, 3.0)), NUMBERS, (K.StandardScaler(), K.RobustScaler(), K.KBinsDiscretizer(50))),
    KindCase(K.StandardScaler(), NUMBERS, (K.PolynomialFeatures(2), K.KBinsDiscretizer(20, encode="onehot"))),
    KindCase(
        K.SimpleImputer("median", add_indicator=True), NUMBERS, (K.Winsorizer(), K.LogTransformer("signed_log1p"))
    ),
    KindCase(K.SimpleImputer("median", add_indicator=True), NUMBERS, (K.QuantileTransformer(64, "normal"),)),
    KindCase(K.MaxAbsScaler(), NUMBERS, (K.OrdinalEncoder(),)),
    KindCase(K.KBinsDiscretizer(6), NUMBERS, (K.OneHotEncoder(), K.Normalizer("l1"))),
    KindCase(K.OrdinalEncoder(), (T.TEXT, T.TIME), (K.StandardScaler(),)),
    KindCase(K.OrdinalEncoder(), (T.TEXT,), (K.FeatureHasher(5),)),
    KindCase(K.RareGrouper(min_frequency=60), (T.TEXT, T.TEXT), (K.OneHotEncoder(unseen="oov"),)),
    KindCase(K.RareGrouper(max_categories=3), (T.TEXT,), (K.FeatureHasher(9),)),
    KindCase(K.RareGrouper(max_categories=4), (T.TEXT, T.TEXT), (K.FeatureCross(), K.OrdinalEncoder())),
    KindCase(K.FeatureCross(), (T.TEXT, T.BOOLEAN), (K.RareGrouper(min_frequency=30), K.CountEncoder())),
    KindCase(K.SimpleImputer("constant", fill_value="red"), (T.TEXT,), (K.RareGrouper(), K.OrdinalEncoder())),
    KindCase(K.SimpleImputer("constant", fill_value="none"), (T.TEXT, T.TEXT), (K.MissingIndicator("all"),)),
    KindCase(K.DatetimeFeatures(("hour", "month"), zone="Europe/Berlin"), (T.TIME,), (K.CyclicalFeatures(12.0),)),
    KindCase(K.DatetimeFeatures(("day_of_week",)), (T.TIME,), (K.OneHotEncoder(),)),
    KindCase(K.SequencePadder(3), (T.LIST_NUMBER,), (K.SimpleImputer("median"), K.StandardScaler())),
    KindCase(K.MissingIndicator("all"), (T.TEXT, T.LIST_TIME), (K.OrdinalEncoder(),)),
]

# What a fit leaves when there was little to learn: one value, or none at all.
ONE = {T.NUMBER: (3.5,), T.TEXT: ("only",), T.BYTES: (b"only",)}
NONE = {T.NUMBER: (None,), T.TEXT: (None,), T.BYTES: (None,), T.TIME: (None,), T.BOOLEAN: (None,)}
DEGENERATE = [
    KindCase(K.OrdinalEncoder(), (T.TEXT, T.NUMBER, T.BYTES, T.BOOLEAN), values=NONE),
    KindCase(K.OneHotEncoder(), (T.TEXT, T.NUMBER, T.TIME), values=NONE),
    KindCase(K.OneHotEncoder(drop="first"), (T.TEXT, T.NUMBER), values=ONE),
    KindCase(K.CountEncoder(), (T.TEXT, T.NUMBER), values=NONE),
    KindCase(K.FeatureCross(missing="category"), (T.TEXT, T.NUMBER), (K.OrdinalEncoder(),), values=NONE),
    KindCase(K.RareGrouper(), (T.TEXT,), (K.OrdinalEncoder(),), values=NONE),
    KindCase(K.QuantileTransformer(10, "normal"), (T.NUMBER,), values=ONE),
    KindCase(K.KBinsDiscretizer(4), (T.NUMBER,), values=ONE),
    KindCase(K.KBinsDiscretizer(4, encode="onehot"), (T.NUMBER,), values=ONE),
    KindCase(K.StandardScaler(), (T.NUMBER,), (K.MinMaxScaler(), K.RobustScaler()), values=ONE),
    KindCase(K.GroupScaler(min_count=1), (T.TEXT, T.NUMBER), values=ONE),
    KindCase(
        K.MultiHotEncoder(), (T.LIST_TEXT, T.LIST_NUMBER), values={t: ([],) for t in (T.LIST_TEXT, T.LIST_NUMBER)}
    ),
]

EVERY = [*CASES, *POLICIES, *TYPES, *CHAINS, *DEGENERATE]


def label(case: KindCase) -> str:
    """Return a readable name of a case for pytest, the same in every process."""
    kinds = "-".join(type(kind).__name__ for kind in (case.kind, *case.then))
    return f"{EVERY.index(case)}-{kinds}"
