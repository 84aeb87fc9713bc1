"""Door to `nnabla.data.audio.backends`."""

from ...data.audio.backends import AudioUtilsBackendManager, backend_manager

__all__ = ["AudioUtilsBackendManager", "backend_manager"]
