"""Door to NNabla's own formats."""

from ....converters.nnp.exporter import NnpExporter
from ....converters.nnp.importer import NnpExpander, NnpImporter

__all__ = [
    "NnpExpander",
    "NnpExporter",
    "NnpImporter",
]
