"""How the process logs: lines for people or JSON for machines, one shape for all loggers, without secrets."""

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson

from likewise.serving.redaction import Redactor
from likewise.serving.settings import LogFormat

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# What every record has; anything else was given as `extra` and becomes a field.
_ORDINARY = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
# Of those, what a line of text ends with.
_SHOWN = ("problem", "release", "rows", "request_id", "trace_id")
_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY


class JsonLines(logging.Formatter):
    """One JSON object a record: time, level, logger, message, what was given as `extra`, the error taken apart."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line."""
        document: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        document |= {name: value for name, value in vars(record).items() if name not in _ORDINARY}
        if record.exc_info and record.exc_info[1] is not None:
            document |= _error(record.exc_info[1])
        if record.stack_info:
            document["stack"] = record.stack_info
        # Whole, so that no field can be forgotten; a secret never holds the quotes that JSON needs.
        return self._redact(orjson.dumps(document, default=str, option=_OPTIONS).decode())


class TextLines(logging.Formatter):
    """Lines for people, without secrets."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__(TEXT)
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as text, its traceback below it."""
        return self._redact(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's name
        """Return the line, with what the record knows of a request behind it."""
        known = [f"{name}={vars(record)[name]}" for name in _SHOWN if name in vars(record)]
        return " ".join([super().formatMessage(record), *known])


def _error(error: BaseException) -> dict[str, str]:
    return {
        "error_type": type(error).__name__,
        "error_message": str(error),
        "error_traceback": "".join(traceback.format_exception(error)),
    }


def configure_logging(format_: LogFormat, redact: Redactor, stream: TextIO | None = None) -> None:
    """Send every logger of the process to one stream (stderr) in one format, warnings included.

    Handlers that were there before are taken away: a second format in one log is of no use to a machine.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines(redact) if format_ == "json" else TextLines(redact))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    logging.getLogger("feast").setLevel(logging.WARNING)  # it tells of every look at its registry
