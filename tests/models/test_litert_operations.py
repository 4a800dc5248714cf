import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema

from likewise.models import ModelArtifact
from likewise.models.errors import ForbiddenPartError, ModelFileError
from likewise.models.litert_operations import check_operations


def litert_file(*codes: int, custom: bytes | None = None, graphs: int = 1) -> bytes:
    """Return a LiteRT file without tensors whose operator table names these operations."""
    model = schema.ModelT()
    model.version = 3
    model.subgraphs = [schema.SubGraphT() for _ in range(graphs)]
    model.operatorCodes = []
    for code in codes:
        operator = schema.OperatorCodeT()
        operator.builtinCode, operator.deprecatedBuiltinCode, operator.customCode = code, min(code, 127), custom
        model.operatorCodes.append(operator)
    builder = flatbuffers.Builder(64)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_a_real_model_holds_allowed_operations(frozen_artifact: ModelArtifact) -> None:
    """A converted wide-and-deep model passes, and its operations are named."""
    found = check_operations(frozen_artifact.files["model.tflite"], "model.tflite")
    assert {"FULLY_CONNECTED", "GATHER", "LOGISTIC"} <= found


@pytest.mark.parametrize("name", ["WHILE", "IF", "CALL_ONCE", "VAR_HANDLE", "HASHTABLE", "STABLEHLO_CUSTOM_CALL"])
def test_control_flow_state_and_calls_are_refused(name: str) -> None:
    """Operations that run other graphs or keep state are refused by name."""
    content = litert_file(schema.BuiltinOperator.ADD, getattr(schema.BuiltinOperator, name))
    with pytest.raises(ForbiddenPartError, match=name):
        check_operations(content, "model.tflite")


def test_custom_operations_are_refused() -> None:
    """A custom operation is refused by its own name, whatever its code says."""
    with pytest.raises(ForbiddenPartError, match="custom:FlexErf"):
        check_operations(litert_file(schema.BuiltinOperator.ADD, custom=b"FlexErf"), "model.tflite")


def test_second_graphs_are_refused() -> None:
    """A model of several graphs is refused: only control flow could reach the others."""
    with pytest.raises(ModelFileError, match="2 graphs"):
        check_operations(litert_file(schema.BuiltinOperator.ADD, graphs=2), "model.tflite")


@pytest.mark.parametrize("content", [b"", b"abc", b"\x00" * 64, b"\xff\xff\xff\x7fTFL3" + b"\xff" * 40])
def test_other_content_is_refused(content: bytes) -> None:
    """What is no flatbuffer of this format is an error of the file, never a crash."""
    with pytest.raises(ModelFileError):
        check_operations(content, "model.tflite")
