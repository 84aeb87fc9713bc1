"""Door to `nnabla.converters.nnp.network_files`."""

from ..converters.nnp.network_files import NnpLoader, NnpNetwork
from ..converters.nnp.network_passes import NnpNetworkPass

__all__ = ["NnpLoader", "NnpNetwork", "NnpNetworkPass"]
