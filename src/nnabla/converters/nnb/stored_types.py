"""`StoredType`: how a variable of an NNB file is stored."""

from __future__ import annotations

import dataclasses

from .model import SETTINGS, DataType


@dataclasses.dataclass(frozen=True)
class StoredType:
    """How a variable is to be stored.

    Attributes:
        type: of its numbers.
        fp_pos: fraction bits; ``None`` for those that fit the values of a parameter.
    """

    type: DataType
    fp_pos: int | None = None

    def __str__(self) -> str:
        name = SETTINGS[self.type]
        fixed = self.type in (DataType.INT16, DataType.INT8)
        return f"{name}_{self.fp_pos}" if fixed and self.fp_pos is not None else name


FLOAT = StoredType(DataType.FLOAT, 0)
