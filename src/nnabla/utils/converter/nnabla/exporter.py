"""Door to `nnabla.converters.nnp.exporter`."""

from ....converters.nnp.exporter import NnpExporter
from ....converters.nnp.importer import rename_square_bracket
from ....logger import logger

__all__ = [
    "NnpExporter",
    "logger",
    "rename_square_bracket",
]
