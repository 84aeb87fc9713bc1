"""Door to `nnabla.converters.csrc.nnp_exporter`."""

from ....converters.csrc.nnp_exporter import CsrcExporter

__all__ = [
    "CsrcExporter",
]
