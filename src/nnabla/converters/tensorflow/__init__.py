"""TensorFlow's models written and read. This needs the package `tensorflow`; both ways lead over TFLite's operators."""

from .exporter import save_frozen_graph, save_saved_model
from .importer import from_checkpoint, from_frozen_graph, from_saved_model
from .optimizing import optimized

__all__ = [
    "from_checkpoint",
    "from_frozen_graph",
    "from_saved_model",
    "optimized",
    "save_frozen_graph",
    "save_saved_model",
]
