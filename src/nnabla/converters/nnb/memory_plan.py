"""Work buffers of the C runtime: which variables share memory."""

from __future__ import annotations

from .model import DataType, Model, Variable


def lifetimes(model: Model) -> dict[int, tuple[int, int]]:
    """For each variable in a work buffer the first and last function that needs it.

    Inputs of the network live from the first function on, outputs to the last one. What no function reads or computes
    has no entry.
    """
    last = max(len(model.functions) - 1, 0)
    found: dict[int, tuple[int, int]] = {}
    uses = [(i, v) for i, f in enumerate(model.functions) for v in (*f.inputs, *f.outputs)]
    uses = [(0, v) for v in model.inputs] + uses + [(last, v) for v in model.outputs]
    for at, v in uses:
        if model.variables[v].data is None:
            first, end = found.get(v, (at, at))
            found[v] = (min(first, at), max(end, at))
    return found


def plan(model: Model) -> None:
    """Give variables without data work buffers, as NNabla 1.39 does.

    There are as many as variables are alive at one function. Their first sizes are those of the variables at each
    function in ascending order, the largest at every place from the end. A variable that begins to live takes the first
    free buffer that is large enough; where there is none, the first free one becomes larger.
    """
    spans = lifetimes(model)
    born: dict[int, list[int]] = {}
    dying: dict[int, list[int]] = {}
    for v, (first, last) in spans.items():
        born.setdefault(first, []).append(v)
        dying.setdefault(last, []).append(v)
    needs = {v: _size(model, model.variables[v]) for v in spans}
    sizes: list[int] = []
    alive: set[int] = set()
    steps = range(max(len(model.functions), 1))
    for at in steps:
        alive.update(born.get(at, ()))
        living = sorted([needs[v] for v in alive])
        sizes = [0] * (len(living) - len(sizes)) + sizes
        for place in range(1, len(living) + 1):
            sizes[-place] = max(sizes[-place], living[-place])
        alive.difference_update(dying.get(at, ()))
    free = list(range(len(sizes)))
    for at in steps:
        for v in born.get(at, ()):
            buffer = next((b for b in free if sizes[b] >= needs[v]), free[0])
            free.remove(buffer)
            sizes[buffer] = max(sizes[buffer], needs[v])
            model.variables[v].buffer = buffer
        free = sorted([*free, *[model.variables[v].buffer for v in dying.get(at, ())]])
    model.buffers = sizes


def _size(model: Model, variable: Variable) -> int:
    """What a variable needs of a buffer, in the unit of the file."""
    return variable.size if model.version == 2 else variable.nbytes


def arena(model: Model, type: DataType) -> tuple[int, dict[int, int]]:
    """One block of memory for all variables of a type without data: its size, and where each begins, in elements.

    Unlike the runtime's buffers, a variable may lie across the places of several others. Variables that lie at the same
    place at different times have the same type, so that a C compiler may not confuse their order.
    """
    spans = {v: span for v, span in lifetimes(model).items() if model.variables[v].type == type}
    placed: list[tuple[int, int, int, int]] = []
    offsets: dict[int, int] = {}
    for v in sorted(spans, key=lambda v: (-model.variables[v].size, v)):
        first, end = spans[v]
        start = 0
        for begin, stop, a, b in sorted(placed):
            if a <= end and first <= b:
                if begin - start >= model.variables[v].size:
                    break
                start = max(start, stop)
        offsets[v] = start
        placed.append((start, start + model.variables[v].size, first, end))
    return max((stop for _, stop, _, _ in placed), default=0), offsets
