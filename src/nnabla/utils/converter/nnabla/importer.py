"""Door to `nnabla.converters.nnp.importer`."""

from ....converters.nnp.importer import NnpImporter

__all__ = [
    "NnpImporter",
]
