"""A pass for copies that several kernels would make, each for itself."""

from __future__ import annotations

from itertools import pairwise

import torch

from .program import Call, Program, Record, read_by


def copy_once(program: Program) -> Program:
    """Let a view in another order of axes be a copy where products would copy it more often: queries, keys, values.

    A product of many matrices sees its leading axes as one; where they do not lie one behind the other, it copies, and
    its gradient does so again.
    """
    order = program.order
    calls = [record for record in program.records if type(record) is Call]
    if program.way != "forward" or not any([order[record.function]._operator.joins_axes for record in calls]):
        return program
    readers: dict[int, list[Call]] = {}
    for call in calls:
        for number in read_by(call):
            readers.setdefault(number, []).append(call)

    def copies(number: int, tensor: torch.Tensor) -> list[int]:
        """The sizes of all copies that are made of a value whose memory lies as that of `tensor` does."""
        found: list[int] = []
        for reader in readers.get(number, ()):
            joined = order[reader.function]._operator.joins_axes
            if joined and not _lies_in_order(tensor, joined):
                found += [tensor.numel()] * (2 if reader.kernel.keep else 1)
            elif _is_view(program, reader):
                found += copied(reader, tensor)
        return found

    def copied(view: Call, tensor: torch.Tensor) -> list[int]:
        results = order[view.function]._operator.forward(tensor)
        results = (results,) if isinstance(results, torch.Tensor) else results
        return [size for number, part in zip(view.writes, results, strict=True) for size in copies(number, part)]

    records: list[Record] = []
    for record in program.records:
        if type(record) is Call and _is_view(program, record):
            shape = order[record.function]._inputs[0].shape
            sizes = copied(record, torch.empty(shape, device="meta"))
            if len(sizes) > 1 and sum(sizes) >= torch.Size(shape).numel():
                record = record.with_kernel(copies=True)
        records.append(record)
    return program._replace(records=records)


def _is_view(program: Program, call: Call) -> bool:
    """Whether a call returns views of its only input, and does nothing else."""
    operator, kernel = program.order[call.function]._operator, call.kernel
    plain = not (kernel.copies or kernel.writes or kernel.repeats or operator.keeps or operator.dynamic_shape)
    return plain and operator.view and operator.linked is None and len(call.reads) == 1


def _lies_in_order(tensor: torch.Tensor, count: int) -> bool:
    """Whether the first `count` axes can be seen as one."""
    axes = [(n, step) for n, step in zip(tensor.shape[:count], tensor.stride()[:count], strict=True) if n != 1]
    return all([outer == n * inner for (_, outer), (n, inner) in pairwise(axes)])
