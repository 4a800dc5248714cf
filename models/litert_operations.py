"""The list of LiteRT operations that a model file may hold, checked before an interpreter is made."""

from __future__ import annotations

import struct
from functools import cache
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from .errors import ForbiddenPartError, ModelFileError

# Each computes its output from its inputs alone: no control flow, no state, no other subgraph, no custom code.
ALLOWED_OPERATIONS = frozenset(
    {
        "ADD", "AVERAGE_POOL_2D", "BATCH_MATMUL", "BROADCAST_TO", "CAST", "CONCATENATION", "CONV_2D",
        "DEPTHWISE_CONV_2D", "DEQUANTIZE", "DIV", "ELU", "EQUAL", "EXP", "EXPAND_DIMS", "FILL", "FLOOR",
        "FULLY_CONNECTED", "GATHER", "GATHER_ND", "GELU", "GREATER", "GREATER_EQUAL", "HARD_SWISH", "LEAKY_RELU",
        "LESS", "LESS_EQUAL", "LOG", "LOGICAL_AND", "LOGICAL_NOT", "LOGICAL_OR", "LOGISTIC", "LOG_SOFTMAX", "MAXIMUM",
        "MAX_POOL_2D", "MEAN", "MINIMUM", "MUL", "NEG", "NOT_EQUAL", "ONE_HOT", "PACK", "PAD", "PADV2", "POW", "PRELU",
        "QUANTIZE", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "RELU", "RELU6", "RELU_N1_TO_1", "RESHAPE", "RSQRT",
        "SELECT", "SELECT_V2", "SHAPE", "SLICE", "SOFTMAX", "SPLIT", "SPLIT_V", "SQRT", "SQUARE", "SQUARED_DIFFERENCE",
        "SQUEEZE", "STRIDED_SLICE", "SUB", "SUM", "TANH", "TILE", "TRANSPOSE", "UNPACK",
    }
)  # fmt: skip
_MAGIC = b"TFL3"


@cache
def _operation_names() -> dict[int, str]:
    return {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}


def check_operations(content: bytes, file: str) -> frozenset[str]:
    """Return the names of the operations in a LiteRT file, all of them allowed.

    Raises
    ------
    ModelFileError
        When the content is no LiteRT model of one graph.
    ForbiddenPartError
        When an operation is not on the list; custom ones never are.
    """
    if content[4:8] != _MAGIC:
        raise ModelFileError(file, "a LiteRT model", "other content")
    try:
        model = schema.Model.GetRootAs(content, 0)
        graphs = model.SubgraphsLength()
        found = {_name(model.OperatorCodes(position)) for position in range(model.OperatorCodesLength())}
    except (struct.error, IndexError, ValueError, TypeError, AttributeError) as error:
        raise ModelFileError(file, "a LiteRT model", f"a damaged one ({type(error).__name__})") from None
    if graphs != 1:
        raise ModelFileError(file, "a LiteRT model of one graph", f"{graphs} graphs")
    if forbidden := sorted(found - ALLOWED_OPERATIONS):
        raise ForbiddenPartError(file, forbidden, f"ALLOWED_OPERATIONS in {__name__}")
    return frozenset(found)


def _name(code: Any) -> str:
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    if code.CustomCode() is not None:
        return f"custom:{code.CustomCode().decode('utf-8', 'replace')}"
    return _operation_names().get(number, f"operation {number}")
