"""A pass for what is the same in every run."""

from __future__ import annotations

from .program import ASSIGN, Gradient, Program, Record


def keep_first_gradients(program: Program) -> Program:
    """Let the gradient of the mean, or sum, that a loss most often is be computed once.

    It follows from the gradient to start from alone, and that is 1 unless a user gives another one.
    """
    if program.way != "backward":
        return program
    # Where the gradient to start from is, the very tensor.
    same = set(program.roots)
    records: list[Record] = []
    for place, record in enumerate(program.records):
        if not isinstance(record, Gradient) or not same.issuperset(record.dys):
            records.append(record)
            continue
        operator = program.order[record.function]._operator
        if operator.grad_aliases and record.arguments == record.dys and not any([put.own for put in record.puts]):
            if operator.spreads:
                record = record.with_kernel(remembers=True)
            elif operator.is_sum:
                same.update([p.value for p in record.puts if p.how == ASSIGN and p.sum_to is None and p.dtype is None])
        records.append(record)
        if len(same) == 1:
            return program._replace(records=[*records, *program.records[place + 1 :]])
    return program._replace(records=records)
