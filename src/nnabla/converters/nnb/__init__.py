"""NNB, the files of NNabla's C runtime: networks are written, read and computed."""

from .exporter import save, to_nnb
from .interpreter import run
from .model import Model
from .reader import from_bytes, load
from .writer import to_bytes

__all__ = ["Model", "from_bytes", "load", "run", "save", "to_bytes", "to_nnb"]
