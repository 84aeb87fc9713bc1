"""Programs that `torch.export` makes, as networks."""

from .importer import from_torch_export

__all__ = ["from_torch_export"]
