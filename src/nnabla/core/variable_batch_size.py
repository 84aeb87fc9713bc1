"""Door to `nnabla.network.variable_batch`."""

from ..network.variable_batch import variable_batch_size

__all__ = ["variable_batch_size"]
