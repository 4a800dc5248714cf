"""Fitted transforms as Keras models and as SQL, proved against the transform before they are written.

Importing it loads neither TensorFlow nor DuckDB.
"""

from .errors import ExportBoundError, ExportError
from .exporter import Exporter, NotExportable
from .tables import KERAS, SQL, check_exportable

__all__ = ["KERAS", "SQL", "ExportBoundError", "ExportError", "Exporter", "NotExportable", "check_exportable"]
