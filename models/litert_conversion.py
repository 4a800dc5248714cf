"""Turn a Keras model into a LiteRT flatbuffer; at publish time only, it needs TensorFlow."""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
import warnings
from typing import Any

from .errors import ConversionError
from .tensorflow_import import import_tensorflow


def convert_to_litert(model: Any) -> bytes:
    """Return the model as a LiteRT file of builtin operations in float32, its batch size left open.

    Raises
    ------
    ConversionError
        When the model needs operations that LiteRT does not have.
    """
    tensorflow = import_tensorflow()
    with tempfile.TemporaryDirectory(prefix="likewise-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside the converter; nothing a user could change
        # The converter reports on standard output, which belongs to the command line's progress bars.
        with contextlib.redirect_stdout(io.StringIO()):
            model.export(folder, format="tf_saved_model", verbose=False)
            converter = tensorflow.lite.TFLiteConverter.from_saved_model(folder)
            converter.target_spec.supported_ops = [tensorflow.lite.OpsSet.TFLITE_BUILTINS]
            try:
                return bytes(converter.convert())
            except Exception as error:  # the converter raises several private classes
                raise ConversionError(_reason(str(error))) from None


def _reason(report: str) -> str:
    """Return what matters of the converter's pages: the operations that LiteRT lacks, else its first line."""
    lacking = re.search(r"^TF Select ops: (.+)$", report, re.MULTILINE)
    return f"LiteRT lacks {lacking[1]}" if lacking else report.strip().partition("\n")[0][:200] or "no reason given"
