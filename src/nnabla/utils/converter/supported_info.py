"""Door to `nnabla.converters.formats`."""

from ...converters.formats import extensions, formats

__all__ = [
    "extensions",
    "formats",
]
