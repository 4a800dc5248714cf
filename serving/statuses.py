"""The one table from class of error to HTTP status."""

from collections.abc import Mapping

from likewise.serving.errors import (
    BodyTooLargeError,
    CollidingNamesError,
    DeadlineExceededError,
    MissingKeyError,
    NotFoundError,
    NothingLoadedError,
    NotJsonError,
    OnDemandViewError,
    OverloadedError,
    ReadOnlyTokenError,
    ReleaseRefusedError,
    RequestNotLoggedError,
    StaleFeaturesError,
    StoreUnavailableError,
    TokenRequiredError,
    TooManyRowsError,
    UnknownFieldError,
    UnservableViewError,
    UnsupportedEncodingError,
    UnsupportedError,
    WrongShapeError,
    WrongTypeError,
)
from likewise.stores.errors import FeatureServiceUnknownError
from likewise.stores.packed_errors import MissingColumnError, MissingJoinKeyError, OnlineStoreError, ValueMismatchError
from likewise.transforms.errors import LikewiseError
from likewise.transforms.registry.errors import (
    BlobCorruptError,
    BlobMissingError,
    BlobStoreError,
    RegistryUnavailableError,
    UnknownAliasError,
    UnknownDigestError,
    UnknownNameError,
    UnknownVersionError,
)

STATUS: Mapping[type[LikewiseError], int] = {
    NotJsonError: 400,
    TokenRequiredError: 401,
    ReadOnlyTokenError: 403,
    NotFoundError: 404,
    UnknownNameError: 404,
    UnknownVersionError: 404,
    UnknownAliasError: 404,
    UnknownDigestError: 404,
    FeatureServiceUnknownError: 404,
    RequestNotLoggedError: 404,
    StaleFeaturesError: 409,
    BodyTooLargeError: 413,
    TooManyRowsError: 413,
    UnsupportedEncodingError: 415,
    WrongShapeError: 422,
    WrongTypeError: 422,
    MissingKeyError: 422,
    UnknownFieldError: 422,
    CollidingNamesError: 422,
    OnDemandViewError: 422,
    UnservableViewError: 422,
    UnsupportedError: 422,
    ValueMismatchError: 422,
    MissingColumnError: 422,
    MissingJoinKeyError: 422,
    NothingLoadedError: 503,
    StoreUnavailableError: 503,
    OnlineStoreError: 503,  # a damaged row, an unknown schema: the caller can't mend it, the store must be
    OverloadedError: 503,
    RegistryUnavailableError: 503,
    BlobMissingError: 503,
    BlobCorruptError: 503,
    BlobStoreError: 503,
    ReleaseRefusedError: 503,
    DeadlineExceededError: 504,
}


def status_of(error: LikewiseError) -> int:
    """Return the HTTP status of an error: that of its nearest class in the table, 422 for other bad input."""
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return 422
