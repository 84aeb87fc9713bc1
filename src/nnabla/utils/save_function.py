"""NNabla has nothing public here; functions of model files are written by `nnabla.network.to_messages`."""

from ..network.to_messages import put_function

__all__ = ["put_function"]
