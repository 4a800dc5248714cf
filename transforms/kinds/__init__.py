"""The kinds: elementary transforms with a revision, one to a file, in one explicit table.

Kinds of other packages are found by entry point (group `likewise.kinds`, name `acme.my_kind/1`).
"""

from importlib.metadata import entry_points

from likewise.transforms.errors import DuplicateKindError, UnknownKindError
from likewise.transforms.kind import Kind
from likewise.transforms.kinds.bucketizer import Bucketizer
from likewise.transforms.kinds.clip import Clip
from likewise.transforms.kinds.count_encoder import CountEncoder
from likewise.transforms.kinds.count_vectorizer import CountVectorizer
from likewise.transforms.kinds.cyclical_features import CyclicalFeatures
from likewise.transforms.kinds.datetime_features import DatetimeFeatures
from likewise.transforms.kinds.feature_cross import FeatureCross
from likewise.transforms.kinds.feature_hasher import FeatureHasher
from likewise.transforms.kinds.group_scaler import GroupScaler
from likewise.transforms.kinds.hashing_vectorizer import HashingVectorizer
from likewise.transforms.kinds.k_bins_discretizer import KBinsDiscretizer
from likewise.transforms.kinds.label_encoder import LabelEncoder
from likewise.transforms.kinds.log_transformer import LogTransformer
from likewise.transforms.kinds.max_abs_scaler import MaxAbsScaler
from likewise.transforms.kinds.min_max_scaler import MinMaxScaler
from likewise.transforms.kinds.missing_indicator import MissingIndicator
from likewise.transforms.kinds.multi_hot_encoder import MultiHotEncoder
from likewise.transforms.kinds.normalizer import Normalizer
from likewise.transforms.kinds.one_hot_encoder import OneHotEncoder
from likewise.transforms.kinds.ordinal_encoder import OrdinalEncoder
from likewise.transforms.kinds.polynomial_features import PolynomialFeatures
from likewise.transforms.kinds.quantile_transformer import QuantileTransformer
from likewise.transforms.kinds.rare_grouper import RareGrouper
from likewise.transforms.kinds.robust_scaler import RobustScaler
from likewise.transforms.kinds.sequence_padder import SequencePadder
from likewise.transforms.kinds.simple_imputer import SimpleImputer
from likewise.transforms.kinds.standard_scaler import StandardScaler
from likewise.transforms.kinds.text_normalizer import TextNormalizer
from likewise.transforms.kinds.text_vectorizer import TextVectorizer
from likewise.transforms.kinds.tfidf_vectorizer import TfidfVectorizer
from likewise.transforms.kinds.winsorizer import Winsorizer

ENTRY_POINT_GROUP = "likewise.kinds"

_OURS: tuple[type[Kind], ...] = (
    SimpleImputer,
    MissingIndicator,
    StandardScaler,
    MinMaxScaler,
    MaxAbsScaler,
    RobustScaler,
    GroupScaler,
    Clip,
    Winsorizer,
    LogTransformer,
    QuantileTransformer,
    KBinsDiscretizer,
    Bucketizer,
    Normalizer,
    PolynomialFeatures,
    CyclicalFeatures,
    OrdinalEncoder,
    OneHotEncoder,
    MultiHotEncoder,
    RareGrouper,
    CountEncoder,
    FeatureHasher,
    FeatureCross,
    LabelEncoder,
    TextNormalizer,
    TextVectorizer,
    CountVectorizer,
    TfidfVectorizer,
    HashingVectorizer,
    DatetimeFeatures,
    SequencePadder,
)
KINDS: dict[str, type[Kind]] = {kind.id: kind for kind in _OURS}


def find_kind(kind_id: str) -> type[Kind]:
    """Return the class of a kind id: ours, or of an installed package.

    Raises
    ------
    UnknownKindError, DuplicateKindError
        No package declares it; more than one does.
    """
    if kind_id in KINDS:
        return KINDS[kind_id]
    found = [point for point in entry_points(group=ENTRY_POINT_GROUP) if point.name == kind_id]
    if not found:
        others = [point.name for point in entry_points(group=ENTRY_POINT_GROUP)]
        raise UnknownKindError(kind_id, sorted({*KINDS, *others}))
    if len(found) > 1:
        raise DuplicateKindError(kind_id, found[0].value, found[1].value)
    loaded: type[Kind] = found[0].load()
    return loaded


__all__ = [
    "ENTRY_POINT_GROUP",
    "KINDS",
    "Bucketizer",
    "Clip",
    "CountEncoder",
    "CountVectorizer",
    "CyclicalFeatures",
    "DatetimeFeatures",
    "FeatureCross",
    "FeatureHasher",
    "GroupScaler",
    "HashingVectorizer",
    "KBinsDiscretizer",
    "LabelEncoder",
    "LogTransformer",
    "MaxAbsScaler",
    "MinMaxScaler",
    "MissingIndicator",
    "MultiHotEncoder",
    "Normalizer",
    "OneHotEncoder",
    "OrdinalEncoder",
    "PolynomialFeatures",
    "QuantileTransformer",
    "RareGrouper",
    "RobustScaler",
    "SequencePadder",
    "SimpleImputer",
    "StandardScaler",
    "TextNormalizer",
    "TextVectorizer",
    "TfidfVectorizer",
    "Winsorizer",
    "find_kind",
]
