"""What answering a feature service takes, resolved once: pure data, no Feast, no connection."""

from dataclasses import dataclass
from datetime import timedelta

from likewise.transforms.columns import LogicalType


@dataclass(frozen=True, slots=True)
class Field:
    """One named value.

    Attributes
    ----------
    name
        The short name, as its view declares it.
    type
        Its logical type.
    feast_type
        Feast's value type (`INT64`, `FLOAT`, `STRING_LIST` ...): how Feast's JSON spells it.
    """

    name: str
    type: LogicalType
    feast_type: str


@dataclass(frozen=True, slots=True)
class KeyBinding:
    """A join key of a view and the request's name for it (they differ when a projection maps it)."""

    in_view: str
    in_request: str


@dataclass(frozen=True, slots=True)
class StoredView:
    """A view to read from the online store.

    Attributes
    ----------
    name
        The name to use in references and full names (alias and version included).
    stored_name
        The name in the store's keys.
    keys
        Its join keys, in the order of the key.
    fields
        What is read, whether served or only needed by an on-demand view.
    ttl
        How long after its event time a row may be used; None: for ever.
    version
        Feast's version number of the view; 0 when it has none.
    report_only
        Whether rows past their TTL keep their values and only say so.
    """

    name: str
    stored_name: str
    keys: tuple[KeyBinding, ...]
    fields: tuple[Field, ...]
    ttl: timedelta | None
    version: int = 0
    report_only: bool = False


@dataclass(frozen=True, slots=True)
class ComputedView:
    """An on-demand view: its values are computed at read time.

    Attributes
    ----------
    name
        The name to use in references and full names.
    fields
        Every feature it declares, in order.
    inputs
        Names its code may read: request data and `view__feature` of its sources.
    """

    name: str
    fields: tuple[Field, ...]
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Served:
    """One feature of the answer: where it comes from and what it is called."""

    view: str
    field: Field
    column: str

    @property
    def full_name(self) -> str:
        """Return Feast's full name, `view__feature`."""
        return f"{self.view}__{self.field.name}"


@dataclass(frozen=True, slots=True)
class FeaturePlan:
    """Everything a request needs that is the same for every request.

    Attributes
    ----------
    service
        The feature service, or None for a list of references.
    join_keys, request_fields
        What callers must send, by their names in the request.
    stored, computed
        The views to read and to compute, computed ones in the order of their dependence.
    served
        The features of the answer, in the order the service declares them.
    """

    service: str | None
    join_keys: tuple[Field, ...]
    request_fields: tuple[Field, ...]
    stored: tuple[StoredView, ...]
    computed: tuple[ComputedView, ...]
    served: tuple[Served, ...]

    @property
    def references(self) -> tuple[str, ...]:
        """Return `view:feature` of everything served, in order."""
        return tuple(f"{item.view}:{item.field.name}" for item in self.served)

    @property
    def schema(self) -> dict[str, LogicalType]:
        """Return name -> type of every column of an answer: join keys, request data, features."""
        columns = {field.name: field.type for field in (*self.join_keys, *self.request_fields)}
        return columns | {item.column: item.field.type for item in self.served}
