"""Passes for sums: of gradients that reach one variable from several functions, and of what functions compute.

They save calls, which is what networks of small arrays spend their time on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain

from .kernel_choice import SumKernel
from .program import ADD, Call, Gradient, Program, Put, Record, SumCall, array_of, read_by


def add_to_gradients(program: Program) -> Program:
    """Let kernels that can do so add to the gradient that has reached an intermediate variable before."""
    if program.way != "backward":
        return program
    records: list[Record] = []
    for record in program.records:
        if isinstance(record, Gradient) and program.order[record.function]._operator.grad_plus is not None:
            kernel = record.kernel
            further = {put.input for put in record.puts if put.how == ADD and _is_further(put, record.puts)}
            if further and not kernel.derived and not kernel.adds and not kernel.overwrites:
                count = len(program.order[record.function]._inputs)
                record = record._replace(kernel=kernel._replace(takes=tuple([i in further for i in range(count)])))
        records.append(record)
    return program._replace(records=records)


def _is_further(put: Put, puts: Sequence[Put]) -> bool:
    """Whether a put that adds does so as it is, and to what was there before the kernel was called."""
    return (
        put.sum_to is None
        and put.dtype is None
        and not put.shares
        and [one.value for one in puts].count(put.value) == 1
    )


def add_products(program: Program) -> Program:
    """Compute a product together with the sum that alone reads it, where nothing else will want it."""
    if program.way != "forward":
        return program
    order, records = program.order, program.records
    # By the value that it writes: the place of a function that can add what it computes to something.
    parts = {
        record.writes[0]: place
        for place, record in enumerate(records)
        if isinstance(record, Call) and order[record.function]._operator.add_to is not None and _is_plain(record)
    }
    if not parts or any([isinstance(r, Call) and r.kernel.writes for r in records]):
        return program
    reads = Counter(chain.from_iterable(map(read_by, records)))
    found = list(records)
    gone: set[int] = set()
    for place, record in enumerate(records):
        if isinstance(record, Call) and order[record.function]._operator.is_sum and _is_plain(record):
            for i, number in enumerate(record.reads):
                part = parts.get(number)
                if part is None or reads[number] > 1 or not _is_unseen(program, number):
                    continue
                inner = found[part]
                if isinstance(inner, Call):
                    operands = (record.reads[1 - i], *inner.reads)
                    found[place] = SumCall(record.function, inner.function, SumKernel(), operands, record.writes)
                    gone.add(part)
                    break
    return program._replace(records=[r for place, r in enumerate(found) if place not in gone]) if gone else program


def _is_plain(record: Call) -> bool:
    kernel = record.kernel
    return not (kernel.repeats or kernel.writes or kernel.copies or kernel.overwrites)


def _is_unseen(program: Program, number: int) -> bool:
    """Whether the values of an array are given up as soon as they were used."""
    return program.mortal.get(id(array_of(program, number))) == [number]
