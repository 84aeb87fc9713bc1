"""Doors to the backends in `nnabla.data.images`."""
