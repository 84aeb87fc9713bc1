"""What parameter files hold, whatever their format."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ..dtypes import torch_dtype
from ..errors import ArgumentError, FormatError, shown

LARGEST_DEPTH = 256
"""Parts that the name of a parameter may have in a file, scopes and all."""


class StoredParameter(NamedTuple):
    """A parameter in a file."""

    name: str
    values: np.ndarray
    need_grad: bool


def checked_names(names: Iterable[str]) -> list[str]:
    """`names`, each in the form in which scopes have it: parts joined by single slashes.

    Raises:
        ArgumentError: one is empty or has too many parts, or the name of a parameter is that of a scope, too.
    """
    joined = ["/".join(part for part in name.split("/") if part) for name in names]
    known = {*joined}
    for name in joined:
        if not name:
            raise ArgumentError("there is a parameter without a name")
        parts = name.count("/") + 1
        if parts > LARGEST_DEPTH:
            raise ArgumentError(f"parameter {shown(name)!r} has {parts} parts, more than the {LARGEST_DEPTH} allowed")
        # The paths of all scopes together would be many times as long as the names, so they are not stored.
        position = name.find("/")
        while position >= 0:
            if name[:position] in known:
                raise ArgumentError(f"{shown(name[:position])!r} is the name of a parameter and of a scope")
            position = name.find("/", position + 1)
    return joined


def checked(loaded: Iterable[StoredParameter], where: str) -> list[StoredParameter]:
    """Parameters as they can be registered: by normalized name, in the byte order of the machine.

    Of parameters with the same name, the last is taken, as NNabla does.

    Raises:
        FormatError: `where`, and what is wrong with them.
    """
    loaded = list(loaded)
    try:
        names = checked_names(entry.name for entry in loaded)
    except ArgumentError as error:
        raise FormatError(f"{where}: {error}") from None
    found: dict[str, StoredParameter] = {}
    for name, (_, values, need_grad) in zip(names, loaded, strict=True):
        try:
            torch_dtype(values.dtype)
        except TypeError as error:
            raise FormatError(f"{where}: parameter {shown(name)!r}: {error}") from None
        if name in found and found[name].values.shape != values.shape:
            raise FormatError(f"{where}: parameter {shown(name)!r} stands there twice, with different shapes")
        values = values.astype(values.dtype.newbyteorder("="), copy=False)
        found[name] = StoredParameter(name, values, need_grad)
    return list(found.values())
