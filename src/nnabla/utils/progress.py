"""Door to `nnabla.progress`."""

from ..progress import configure_progress, progress

__all__ = ["configure_progress", "progress"]
