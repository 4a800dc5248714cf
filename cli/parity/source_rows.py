"""Rows of a view's batch source, read straight from its files: the check's own eyes, apart from the stores."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
from feast import FeatureView, FileSource

from likewise.cli.errors import SourceNotFileError
from likewise.cli.parity.cadence import EPOCH

EVENT, CREATED = "__event", "__created"


@dataclass(frozen=True, slots=True)
class SourceRows:
    """The batch source of one view as a relation: its files and the names of its times."""

    view: str
    path: str
    event: str
    created: str
    keys: tuple[str, ...]
    features: tuple[str, ...]

    def newest(self, run: datetime, since: datetime = EPOCH, oldest: datetime = EPOCH) -> pa.Table:
        """Return for every key the newest row that was known at `run`.

        Parameters
        ----------
        run
            Rows with an event time or a created time after it are left out.
        since
            Also leave out rows created at or before it.
        oldest
            Also leave out rows of an earlier event time.

        Returns
        -------
        pa.Table
            Join keys, features, `__event` and `__created` (microseconds, UTC); of rows with equal event times
            the one created last.
        """
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.execute(self.newest_sql(), [self.path, oldest, run, since, run]).to_arrow_table()

    def newest_sql(self, where: str = "TRUE") -> str:
        """Return the query behind `newest`: its values are path, oldest, run, since, run; `where` narrows the rows."""
        columns = ", ".join(f'"{name}"' for name in (*self.keys, *self.features))
        keys = ", ".join(f'"{name}"' for name in self.keys) or "1"
        return f"""
            SELECT {columns}, "{self.event}" AS {EVENT}, "{self.created}" AS {CREATED}
            FROM read_parquet(?)
            WHERE "{self.event}" BETWEEN ? AND ? AND "{self.created}" > ? AND "{self.created}" <= ? AND {where}
            QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY "{self.event}" DESC, "{self.created}" DESC) = 1
        """  # noqa: S608  # names come from the Feast registry, values are bound


def source_rows(view: FeatureView, repo: Path) -> SourceRows:
    """Return the batch source of a view whose columns carry the names of its features.

    Raises
    ------
    SourceNotFileError
        The source is no Parquet file.
    """
    source = view.batch_source
    if not isinstance(source, FileSource):
        raise SourceNotFileError(view.name, type(source).__name__)
    path = Path(source.path)
    return SourceRows(
        view=view.name,
        path=str(path if path.is_absolute() else repo / path),
        event=source.timestamp_field,
        created=source.created_timestamp_column or source.timestamp_field,
        keys=tuple(sorted(field.name for field in view.entity_columns)),
        features=tuple(field.name for field in view.features),
    )
