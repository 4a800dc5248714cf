"""Open Inference Protocol V2: tensors in JSON or in binary behind it, and back."""

import base64
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from likewise.serving.bodies import member, parse_object
from likewise.serving.errors import UnknownFieldError, WrongShapeError
from likewise.serving.plan import Field
from likewise.transforms.columns import LogicalType

# The protocol's names; BYTES is handled apart: each element is its length (4 bytes, little endian) and its bytes.
DTYPES: Mapping[str, str] = {
    "BOOL": "?",
    **{f"UINT{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": f"<f{bits // 8}" for bits in (16, 32, 64)},
}
_DATATYPES = {"DOUBLE": "FP64", "FLOAT": "FP32", "INT64": "INT64", "INT32": "INT32", "BOOL": "BOOL"}
_MOST_DIMENSIONS = 2


@dataclass(frozen=True, slots=True)
class InferRequest:
    """What a client asks.

    Attributes
    ----------
    id
        The client's own, given back.
    columns
        Input name -> n JSON values.
    binary_output
        Whether the prediction is wanted in binary.
    """

    id: str | None
    columns: Mapping[str, list[Any]]
    binary_output: bool


def datatype_of(field: Field) -> str:
    """Return the protocol's datatype of a join key or request field (times are seconds since 1970)."""
    return _DATATYPES.get(field.feast_type, "INT64" if field.type is LogicalType.TIME else "BYTES")


def parse_request(body: bytes, header_length: int | None, output: str) -> InferRequest:
    """Return the request of a body.

    Parameters
    ----------
    body
        JSON, and behind it the binary tensors in the order of the inputs.
    header_length
        Bytes of the JSON (`Inference-Header-Content-Length`); None: all of the body.
    output
        The one output there is.

    Raises
    ------
    NotJsonError, WrongShapeError, UnknownFieldError
        Naming the input, what was expected and what was got.
    """
    if header_length is not None and not 0 < header_length <= len(body):
        raise WrongShapeError("Inference-Header-Content-Length", f"1 to {len(body)}", str(header_length))
    document = parse_object(body if header_length is None else body[:header_length])
    binary = memoryview(body)[len(body) if header_length is None else header_length :]
    columns: dict[str, list[Any]] = {}
    for item in member(document, "inputs", list):
        if not isinstance(item, dict):
            raise WrongShapeError("'inputs'", "a list of tensors (objects)", f"a {type(item).__name__} in it")
        size = _binary_size(item)
        if size is not None and size > len(binary):
            raise WrongShapeError("binary_data_size", f"at most {len(binary)} bytes (all that is left)", str(size))
        name = member(item, "name", str)
        if name in columns:
            raise WrongShapeError("'inputs'", "each name once", f"{name!r} twice")
        columns[name] = _values(name, item, None if size is None else binary[:size])
        binary = binary[size or 0 :]
    if len(binary):
        raise WrongShapeError("the binary part", "no bytes behind the last tensor", f"{len(binary)}")
    identifier = document.get("id")
    wants = _wants_binary(document, output)
    return InferRequest(identifier if isinstance(identifier, str) else None, columns, wants)


def _binary_size(item: Mapping[str, Any]) -> int | None:
    parameters = member(item, "parameters", dict, {})
    if "binary_data_size" not in parameters:
        return None
    size = member(parameters, "binary_data_size", int)
    if size < 0:
        raise WrongShapeError("binary_data_size", "a number of bytes", str(size))
    return int(size)


def _wants_binary(document: Mapping[str, Any], output: str) -> bool:
    wanted = bool(member(document, "parameters", dict, {}).get("binary_data_output", False))
    for item in member(document, "outputs", list, []):
        if not isinstance(item, dict) or item.get("name") != output:
            got = item.get("name") if isinstance(item, dict) else item
            raise UnknownFieldError(str(got), "outputs", [output])
        wanted = bool(member(item, "parameters", dict, {}).get("binary_data", wanted))
    return wanted


def _values(name: str, item: Mapping[str, Any], binary: memoryview | None) -> list[Any]:
    """Return the n values of a tensor of shape (n,) or (n, 1)."""
    datatype, shape = member(item, "datatype", str), member(item, "shape", list)
    if datatype != "BYTES" and datatype not in DTYPES:
        raise WrongShapeError(f"datatype of {name!r}", ", ".join([*DTYPES, "BYTES"]), repr(datatype))
    if not all(type(size) is int and size >= 0 for size in shape):
        raise WrongShapeError(f"shape of {name!r}", "a list of whole numbers", repr(shape)[:80])
    if not 1 <= len(shape) <= _MOST_DIMENSIONS or (len(shape) == _MOST_DIMENSIONS and shape[1] != 1):
        raise WrongShapeError(f"shape of {name!r}", "[n] or [n, 1]", repr(shape)[:80])
    values = _json_values(item) if binary is None else _binary_values(name, datatype, binary)
    if len(values) != shape[0]:
        raise WrongShapeError(f"data of {name!r}", f"{shape[0]} values, as its shape says", str(len(values)))
    return [None if value != value else value for value in values]


def _json_values(item: Mapping[str, Any]) -> list[Any]:
    return [value[0] if isinstance(value, list) and len(value) == 1 else value for value in member(item, "data", list)]


def _binary_values(name: str, datatype: str, binary: memoryview) -> list[Any]:
    if datatype == "BYTES":
        return _texts(name, binary)
    dtype = np.dtype(DTYPES[datatype])
    if len(binary) % dtype.itemsize:
        raise WrongShapeError(f"binary data of {name!r}", f"a multiple of {dtype.itemsize} bytes", str(len(binary)))
    values: list[Any] = np.frombuffer(binary, dtype).tolist()
    return values


def _texts(name: str, binary: memoryview) -> list[str]:
    texts, at = [], 0
    while at < len(binary):
        if at + 4 > len(binary):
            raise WrongShapeError(f"binary data of {name!r}", "4 bytes of length before each text", "fewer")
        (size,) = struct.unpack_from("<I", binary, at)
        content = bytes(binary[at + 4 : at + 4 + size])
        if len(content) != size:
            raise WrongShapeError(f"binary data of {name!r}", f"a text of {size} bytes", f"{len(content)}")
        texts.append(_text(content))
        at += 4 + size
    return texts


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return base64.b64encode(content).decode("ascii")  # fields of bytes come as base64, as in JSON


@dataclass(frozen=True, slots=True)
class InferAnswer:
    """An answer's body, and the length of its JSON where binary follows (else None)."""

    body: bytes
    header_length: int | None


def write_answer(model: Mapping[str, Any], output: str, predictions: Sequence[float], *, binary: bool) -> InferAnswer:
    """Return the answer of an inference.

    Parameters
    ----------
    model
        `model_name`, `model_version` and, if the client gave one, `id`.
    predictions
        (n,) float32.
    """
    values = np.ascontiguousarray(predictions, dtype="<f4")
    tensor: dict[str, Any] = {"name": output, "datatype": "FP32", "shape": [len(values)]}
    if not binary:
        tensor["data"] = values
        return InferAnswer(orjson.dumps({**model, "outputs": [tensor]}, option=orjson.OPT_SERIALIZE_NUMPY), None)
    tensor["parameters"] = {"binary_data_size": values.nbytes}
    header = orjson.dumps({**model, "outputs": [tensor]})
    return InferAnswer(header + values.tobytes(), len(header))
