"""Plans as users see them: a line for each record, and the memory that they take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import ArgumentError, GraphError
from ..graph.order import topological
from ..graph.variable import Variable
from .checking import check
from .memory import Account, Peak, name_of, peak_of, shapes_text, size_text
from .passes import improved
from .program import (
    ADD,
    ASSIGN,
    Call,
    Cast,
    Free,
    Fused,
    Gradient,
    Idle,
    JoinedCall,
    JoinedGradient,
    Link,
    Program,
    Record,
    SumCall,
    UserCall,
    UserGradient,
)
from .record_backward import record_backward
from .record_forward import record_forward
from .up_to_date import inherit_need_grad, setup_again

_FORWARD = {"clear_buffer": False, "clear_no_need_grad": False}
_BACKWARD = {"clear_buffer": False}
# How many of the values that a record frees are named.
_NAMED = 2


class PlanView:
    """What forward, or forward and backward, of a graph do; it can be printed.

    Attributes:
        programs: the records of each, in the order in which they run.
    """

    def __init__(self, programs: Sequence[Program]) -> None:
        self.programs = tuple(programs)

    def memory(self) -> Peak:
        """The most memory that is taken, when, and by what."""
        return peak_of(*self.programs)

    def check(self) -> None:
        """Prove that nothing is read that is not there.

        Raises:
            ProgramError: something is; the message says where.
        """
        check(*self.programs)

    def __str__(self) -> str:
        account = Account()
        blocks = []
        for program in self.programs:
            table = [("#", "live", "function", "kernel", program.way)]
            for number, (record, live) in enumerate(account.run(program)):
                table.append((str(number), size_text(live), *_columns(program, record)))
            widths = [max([len(line[column]) for line in table]) for column in range(4)]
            blocks.append("\n".join([_line(line, widths) for line in table]))
        return "\n\n".join(blocks)

    def __repr__(self) -> str:
        return f"<plan of {' and '.join([f'{len(p.records)} records {p.way}' for p in self.programs])}>"


def plan_of(root: Variable, forward: Mapping[str, bool], backward: Mapping[str, bool] | None) -> PlanView:
    """What is run in the graph of `root` as it is now; see `Variable.plan`."""
    if root._parent is None:
        raise GraphError("plan: the variable has no parent function, so there is nothing to compute")
    options = _FORWARD | _checked(forward, "forward", _FORWARD)
    order = topological([root])
    setup_again(order)
    inherit_need_grad(order)
    programs = [improved(record_forward(order, [root], **options))]
    if backward is not None:
        options = _BACKWARD | _checked(backward, "backward", _BACKWARD)
        programs.append(improved(record_backward(order, root, **options)))
    return PlanView(programs)


def _checked(given: Mapping[str, bool], name: str, known: Mapping[str, bool]) -> dict[str, bool]:
    for key in given:
        if key not in known:
            raise ArgumentError(f"plan: {name} has no option {key!r}; there are {', '.join(known)}")
    return {key: bool(value) for key, value in given.items()}


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    number, live, function, kernel, text = cells
    numbers = f"{number.rjust(widths[0])}  {live.rjust(widths[1])}"
    return f"{numbers}  {function.ljust(widths[2])}  {kernel.ljust(widths[3])}  {text}"


def _columns(program: Program, record: Record) -> tuple[str, str, str]:
    """Function, kernel, and what is read and written."""
    if isinstance(record, Cast):
        return "", "convert", f"{shapes_text(program, [record.source])} to {_type(record.dtype)}"
    if isinstance(record, Free):
        return "", "free", _freed(program, record)
    name = program.order[record.function].name
    if isinstance(record, Call):
        kernel = record.kernel
        words = [
            "again" if kernel.repeats else "",
            "in place" if kernel.overwrites or kernel.writes else "",
            "copied" if kernel.copies else "",
        ]
        read = [number for number in record.reads if number >= 0]
        return name, ", ".join(filter(None, words)), _arrow(program, read, record.writes)
    if isinstance(record, Fused):
        names = [program.order[position].name for position in record.parts[1:]]
        return name, " ".join(["packed" if not names else "with", *names]), _arrow(program, record.reads, record.writes)
    if isinstance(record, JoinedCall):
        shapes = _arrow(program, [record.reads[0], *[n for n in record.shared if n >= 0]], record.writes[:1])
        return name, "joined", f"{len(record.functions)} x {shapes}"
    if isinstance(record, SumCall):
        return name, f"with {program.order[record.inner].name}", _arrow(program, record.reads, record.writes)
    if isinstance(record, Link):
        return name, "linked", _arrow(program, record.reads[:1], record.writes)
    if isinstance(record, UserCall):
        return name, "user's", _arrow(program, record.reads, record.writes)
    if isinstance(record, Gradient):
        words = ["derived" if record.kernel.derived else "", "in place" if record.kernel.overwrites else ""]
        return name, ", ".join(filter(None, words)), f"{shapes_text(program, record.dys)} -> {_puts(program, record)}"
    if isinstance(record, JoinedGradient):
        dys = [number for numbers in record.dys[-1:] for number in numbers]
        each = shapes_text(program, dys)
        return name, "joined", f"{len(record.functions)} x {each} -> {_puts(program, record)}"
    if isinstance(record, UserGradient):
        return name, "user's", f"{shapes_text(program, record.dys)} -> {_puts(program, record)}"
    assert isinstance(record, Idle)
    return name, "", "no gradient"


def _arrow(program: Program, reads: Sequence[int], writes: Sequence[int]) -> str:
    return f"{shapes_text(program, reads)} -> {shapes_text(program, writes)}"


def _puts(program: Program, record: Gradient | JoinedGradient | UserGradient) -> str:
    signs = {ASSIGN: "", ADD: "+"}
    inputs = program.order[record.function]._inputs
    return ", ".join([f"{signs.get(put.how, '+=')}{inputs[put.input].shape}" for put in record.puts])


def _freed(program: Program, record: Free) -> str:
    words = [name_of(program, number) for number in record.values]
    words += [f"what {program.order[position].name} kept" for position in record.operators]
    return ", ".join(words) if len(words) <= _NAMED else f"{', '.join(words[:_NAMED])}, {len(words) - _NAMED} more"


def _type(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")
