"""Door to the formats of the C runtime."""

from ....converters.csrc.nnp_exporter import CsrcExporter
from ....converters.nnb.nnp_exporter import NnbExporter

__all__ = [
    "CsrcExporter",
    "NnbExporter",
]
