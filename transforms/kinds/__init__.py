"""The kinds: elementary transforms with a revision, one to a file, in one explicit table.

Kinds of other packages are found by entry point (group `likewise.kinds`, name `acme.my_kind/1`).
"""

from importlib.metadata import entry_points

from likewise.transforms.errors import DuplicateKindError, UnknownKindError
from likewise.transforms.kind import Kind
from likewise.transforms.kinds.clip import Clip
from likewise.transforms.kinds.cyclical_features import CyclicalFeatures
from likewise.transforms.kinds.k_bins_discretizer import KBinsDiscretizer
from likewise.transforms.kinds.log_transformer import LogTransformer
from likewise.transforms.kinds.min_max_scaler import MinMaxScaler
from likewise.transforms.kinds.missing_indicator import MissingIndicator
from likewise.transforms.kinds.one_hot_encoder import OneHotEncoder
from likewise.transforms.kinds.ordinal_encoder import OrdinalEncoder
from likewise.transforms.kinds.quantile_transformer import QuantileTransformer
from likewise.transforms.kinds.simple_imputer import SimpleImputer
from likewise.transforms.kinds.standard_scaler import StandardScaler

ENTRY_POINT_GROUP = "likewise.kinds"

_OURS: tuple[type[Kind], ...] = (
    SimpleImputer,
    MissingIndicator,
    StandardScaler,
    MinMaxScaler,
    Clip,
    LogTransformer,
    QuantileTransformer,
    KBinsDiscretizer,
    OrdinalEncoder,
    OneHotEncoder,
    CyclicalFeatures,
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
    "Clip",
    "CyclicalFeatures",
    "KBinsDiscretizer",
    "LogTransformer",
    "MinMaxScaler",
    "MissingIndicator",
    "OneHotEncoder",
    "OrdinalEncoder",
    "QuantileTransformer",
    "SimpleImputer",
    "StandardScaler",
    "find_kind",
]
