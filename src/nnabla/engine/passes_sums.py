"""A pass for sums of what functions compute.

It saves calls, which is what networks of small arrays spend their time on.
"""

from __future__ import annotations

from bisect import bisect
from collections import Counter

from .kernel_choice import SumKernel
from .program import Call, Program, SumCall, array_of, read_by, writers


def add_products(program: Program) -> Program:
    """Compute a product together with the sum that alone reads it, where nothing else will want it."""
    if program.way != "forward":
        return program
    order, records = program.order, program.records
    # By the value that it writes: the place of a function that can add what it computes to something.
    parts: dict[int, int] = {}
    sums: list[int] = []
    for place, record in enumerate(records):
        if isinstance(record, Call):
            operator = order[record.function]._operator
            if operator.add_to is not None and _is_plain(record):
                parts[record.writes[0]] = place
            elif operator.is_sum and not parts.keys().isdisjoint(record.reads) and _is_plain(record):
                sums.append(place)
    if not sums:
        return program
    writing = writers(program)
    reads = Counter([number for record in records for number in read_by(record) if number in parts])
    found = list(records)
    gone: set[int] = set()
    for place in sums:
        record = records[place]
        assert isinstance(record, Call)
        for i, number in enumerate(record.reads):
            if reads[number] == 1 and _is_unseen(program, number):
                # The product will read its operands later.
                if bisect(writing, parts[number]) < bisect(writing, place):
                    continue
                inner = found[parts[number]]
                assert isinstance(inner, Call)
                operands = (record.reads[1 - i], *inner.reads)
                found[place] = SumCall(record.function, inner.function, SumKernel(), operands, record.writes)
                gone.add(parts[number])
                break
    return program._replace(records=[r for place, r in enumerate(found) if place not in gone]) if gone else program


def _is_plain(record: Call) -> bool:
    kernel = record.kernel
    return not (kernel.repeats or kernel.writes or kernel.copies or kernel.overwrites)


def _is_unseen(program: Program, number: int) -> bool:
    """Whether the values of an array are given up as soon as they were used."""
    return program.mortal.get(id(array_of(program, number))) == [number]
