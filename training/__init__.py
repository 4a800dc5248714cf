"""Training: from a recipe over point-in-time history to a gated, published release.

Only what a recipe file needs is here, so that reading a recipe loads neither Feast nor TensorFlow. The steps
are in their modules: `history`, `split`, `fit`, `dataset`, `train`, `evaluate`, `gates`, `publish`.
"""

from .gates import AtLeast, AtMost, BeatsBaselines, Gate, GateVerdict, NoWorseThan
from .recipe import Recipe
from .recipe_file import load_recipe
from .time_split import TimeSplit

__all__ = [
    "AtLeast",
    "AtMost",
    "BeatsBaselines",
    "Gate",
    "GateVerdict",
    "NoWorseThan",
    "Recipe",
    "TimeSplit",
    "load_recipe",
]
