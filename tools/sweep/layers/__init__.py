"""What draws geometries; importing a module adds its layer types."""

from . import convolutions, images, inference, normalizations, poolings, products, recurrent  # noqa: F401
