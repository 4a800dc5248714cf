"""Every situation in which the stores refuse; the packed online store's own are in `packed_errors`."""

from __future__ import annotations

from collections.abc import Sequence

from likewise.transforms.errors import LikewiseError, closest, listing


class StoreError(LikewiseError):
    """Base of what the offline store and the batch engine raise."""


class ClockError(StoreError):
    """A clock setting names no instant."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(
            f"clock: expected 'wall' or an ISO 8601 instant with a zone such as '2013-10-15T06:00:00Z', got {text!r}. "
            "Set LIKEWISE_CLOCK to one of the two."
        )


class SourceError(StoreError):
    """A data source is of a kind, format or place that this store cannot read."""

    def __init__(self, source: str, problem: str, advice: str) -> None:
        self.source, self.problem = source, problem
        super().__init__(f"source {source!r}: {problem}. {advice}")


class SourceColumnError(StoreError):
    """A source lacks a column that its feature view reads."""

    def __init__(self, source: str, missing: Sequence[str], present: Sequence[str]) -> None:
        self.source, self.missing, self.present = source, tuple(missing), tuple(present)
        super().__init__(
            f"source {source!r} has no column {listing(self.missing)}.{closest(self.missing[0], self.present)} "
            f"Present: {listing(self.present)}. Correct the view's schema, the source's field mapping or the data."
        )


class SourceTimeError(StoreError):
    """A time column holds something that is no time."""

    def __init__(self, source: str, column: str, got: str) -> None:
        self.source, self.column, self.got = source, column, got
        super().__init__(
            f"source {source!r}: column {column!r} must hold timestamps, dates or ISO 8601 text, got {got}. "
            "Name another column as timestamp_field or convert it."
        )


class EntityFrameError(StoreError):
    """The entity rows cannot be joined as given."""

    def __init__(self, problem: str, advice: str) -> None:
        self.problem = problem
        super().__init__(f"entity rows: {problem}. {advice}")


class FeatureReferenceError(StoreError):
    """A feature asked for is not in its view."""

    def __init__(self, view: str, feature: str, features: Sequence[str]) -> None:
        self.view, self.feature = view, feature
        super().__init__(
            f"feature view {view!r} has no feature {feature!r}.{closest(feature, features)} It has {listing(features)}."
        )


class ColumnCollisionError(StoreError):
    """Two columns of a result would have one name."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(
            f"columns {listing(self.names)} would be in the result twice. "
            "Ask with full_feature_names=True or rename the column of the entity rows."
        )


class OfflineWriteError(StoreError):
    """Rows or files cannot be written where they should go."""

    def __init__(self, target: str, problem: str, advice: str) -> None:
        self.target, self.problem = target, problem
        super().__init__(f"writing to {target!r}: {problem}. {advice}")


class OfflineQueryError(StoreError):
    """DuckDB could not carry out a join or a read."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"DuckDB could not do it: {reason}. If it ran out of memory or disk, see memory_limit, threads and "
            "spill_directory of offline_store in feature_store.yaml."
        )


class SpillFolderError(StoreError):
    """What exceeds the memory limit has nowhere to go."""

    def __init__(self, folder: str, reason: str) -> None:
        self.folder, self.reason = folder, reason
        super().__init__(
            f"spill folder {folder!r} cannot be used: {reason}. "
            "Set spill_directory of offline_store in feature_store.yaml to a folder that can be written."
        )


class RowsLostError(StoreError):
    """A join did not give back every entity row once, in order."""

    def __init__(self, expected: int, got: int) -> None:
        self.expected, self.got = expected, got
        super().__init__(
            f"the join returned entity row {got} where {expected} was due. The entity rows changed while they were "
            "read, or this is a fault of the store: run it again, and report it if it stays."
        )


class MaterializationError(StoreError):
    """A view could not be carried to the online store."""

    def __init__(self, view: str, reason: str) -> None:
        self.view, self.reason = view, reason
        super().__init__(
            f"materializing {view!r} stopped: {reason}. Nothing needs undoing: run it again, written rows are skipped."
        )


class FeatureServiceUnknownError(StoreError):
    """The Feast registry has no such feature service."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        self.name, self.known = name, tuple(known)
        super().__init__(
            f"feature service {name!r} is not in the Feast registry.{closest(name, known)} "
            f"It has {listing(self.known) or 'none'}. Declare it and run `feast apply`."
        )


class FeatureTypeError(StoreError):
    """A feature's type is none that a transform can take."""

    def __init__(self, where: str, got: str) -> None:
        self.where, self.got = where, got
        super().__init__(
            f"{where}: expected a number, boolean, text, bytes, time or a list of those, got {got}. "
            "Leave it out of the feature service, or derive such a feature from it in an on-demand view."
        )
