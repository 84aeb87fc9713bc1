"""Networks that tell the category of each pixel."""

from .deeplabv3plus import DeepLabV3plus

__all__ = ["DeepLabV3plus"]
