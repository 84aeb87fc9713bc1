"""NNabla has nothing public here; functions of model files are read by `nnabla.network.from_messages`."""

from ..network.from_messages import read_function

__all__ = ["read_function"]
