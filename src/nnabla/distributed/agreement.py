"""Whether all processes are about to exchange the same: what torch does not ask, and computes nonsense otherwise."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import torch
from torch import Tensor

from ..config import nnabla_config
from ..errors import CommunicationError
from .transport import Group, finish, start_sum


def is_wanted() -> bool:
    """Whether the configuration asks for it: ``check_collectives`` in section ``MULTINODE``."""
    return nnabla_config.getboolean("MULTINODE", "check_collectives")


def check_agreement(function: str, tensors: Sequence[Tensor], group: Group, rank: int) -> None:
    """Compare what this process is about to exchange with what the others are.

    Raises:
        CommunicationError: they are about to do something else, or with arrays of other shapes or types.
    """
    described = ", ".join(f"{tuple(t.shape)} {str(t.dtype).removeprefix('torch.')}" for t in tensors)
    mine = [
        zlib.crc32(function.encode()),
        len(tensors),
        sum(t.numel() for t in tensors),
        zlib.crc32(described.encode()),
    ]
    everyones = torch.zeros(len(group.ranks), len(mine), dtype=torch.int64)
    everyones[group.ranks.index(rank)] = torch.tensor(mine)
    finish(start_sum(everyones, group), lambda: f"the check of {function}")
    rows = everyones.tolist()
    others = [group.ranks[i] for i, row in enumerate(rows) if row != mine]
    if not others:
        return
    other = rows[group.ranks.index(others[0])]
    if other[0] != mine[0]:
        found = "calls another function"
    elif other[1:3] != mine[1:3]:
        found = f"has {other[1]} arrays with {other[2]} elements"
    else:
        found = "has arrays of other shapes or types"
    raise CommunicationError(
        f"{function}: processes do not do the same: process {rank} has {mine[1]} arrays with {mine[2]} elements "
        f"({described}), process {others[0]} {found}"
    )
