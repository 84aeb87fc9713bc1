"""Door to `nnabla.files.model_messages`: a class for each message of NNabla's model files."""

from typing import Any

from ..files.model_messages import MODEL, message_class

__all__ = list(MODEL.tables)


def __getattr__(name: str) -> Any:
    return message_class(name)
