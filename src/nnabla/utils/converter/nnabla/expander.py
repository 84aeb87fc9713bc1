"""Door to `nnabla.converters.nnp.importer`."""

from ....converters.nnp.importer import NnpExpander, rename_square_bracket
from ....logger import logger

__all__ = [
    "NnpExpander",
    "logger",
    "rename_square_bracket",
]
