"""Statistics of a batch that several processes have parts of, as `SyncBatchNormalization` needs them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..graph.tracing import refuse_tracing


class Processes:
    """The processes of a group.

    Args:
        comm: their communicator.
        group: name of the group.
    """

    def __init__(self, comm: Any, group: str) -> None:
        self._comm = comm
        self._group = group
        ranks = comm.find_group(group) if comm.size > 1 else [0]
        # Where this process has its place among them. One that is no member is alone.
        self.number = ranks.index(comm.rank) if comm.size > 1 and comm.rank in ranks else 0
        self.count = len(ranks) if comm.size > 1 and comm.rank in ranks else 1

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes, which can be differentiated."""
        if self.count == 1:
            return values
        if torch.is_grad_enabled() and values.requires_grad:
            total: Tensor = _Sum.apply(values, self)
            return total
        return self._sum(values)

    def _sum(self, values: Tensor) -> Tensor:
        refuse_tracing("exchanges values with other processes")
        total: Tensor = self._comm.sum_tensor(values.clone(memory_format=torch.contiguous_format), self._group)
        return total


class _Sum(torch.autograd.Function):
    """What a process adds to a sum goes to all, so their gradients come back as a sum."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, processes: Processes) -> Tensor:
        ctx.processes = processes
        return processes._sum(values)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return ctx.processes.sum(dy), None


def moments(x: Tensor, processes: Processes) -> tuple[Tensor, Tensor, float]:
    """Mean and variance of each channel over the batches of all processes, which may have different sizes.

    Each process works out its own, and tells all others: sums of squares of all samples would lose digits where means
    are large.

    Args:
        x: samples, channels, and what is within a channel.

    Returns:
        Mean, variance (divided by the number of samples), and that number.
    """
    channels = x.shape[1]
    own_variance, own_mean = torch.var_mean(x, (0, 2), correction=0)
    count = x.new_full((1,), x.shape[0] * x.shape[2])
    # Each has a row of its own in a sum over processes: adding zeros is exact.
    before = x.new_zeros(processes.number, 2 * channels + 1)
    after = x.new_zeros(processes.count - processes.number - 1, 2 * channels + 1)
    row = torch.cat((count, own_mean, own_variance))[None]
    rows = processes.sum(torch.cat((before, row, after)))
    counts, means, variances = rows[:, :1], rows[:, 1 : channels + 1], rows[:, channels + 1 :]
    total = counts.detach().sum().item()
    shares = counts.detach() / total
    mean = (means * shares).sum(0)
    variance = ((variances + (means - mean).square()) * shares).sum(0)
    return mean, variance, total
