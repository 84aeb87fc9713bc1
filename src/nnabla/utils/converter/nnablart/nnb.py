"""Door to `nnabla.converters.nnb.nnp_exporter`."""

from ....converters.nnb.nnp_exporter import NN_BINARY_FORMAT_VERSION, Nnb, NnbExporter
from ....converters.nnb.resolver import Resolver

__all__ = ["NN_BINARY_FORMAT_VERSION", "Nnb", "NnbExporter", "Resolver"]
