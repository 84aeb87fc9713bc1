"""Door to `nnabla.converters.nnb.nnp_exporter`."""

from ....converters.nnb.nnp_exporter import NN_BINARY_FORMAT_VERSION, Nnb, NnbExporter

__all__ = ["NN_BINARY_FORMAT_VERSION", "Nnb", "NnbExporter"]
