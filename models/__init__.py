"""Model families, model artifacts, their runtimes and golden predictions. Importing it loads no runtime."""

from .artifact import ModelArtifact
from .errors import ModelError, ModelGoldenError
from .family import Family, KerasFunction
from .predictor import Predictor, load_predictor
from .tensors import TensorSpec
from .wide_and_deep import WideAndDeep

__all__ = [
    "Family",
    "KerasFunction",
    "ModelArtifact",
    "ModelError",
    "ModelGoldenError",
    "Predictor",
    "TensorSpec",
    "WideAndDeep",
    "load_predictor",
]
