"""Whether a network fits a device with the C runtime: its functions, their API level, memory and flash."""

from __future__ import annotations

import dataclasses
from collections import Counter

from ...errors import ArgumentError, FormatError
from .executed import Executed, functions_to
from .function_ids import RUNTIME_LEVEL, numbers
from .kernels import KERNELS
from .lowering import lower
from .model import Model
from .settings import Settings
from .typed_models import typed
from .writer import to_bytes


@dataclasses.dataclass(frozen=True)
class Board:
    """A device.

    Attributes:
        name: what messages call it.
        ram, flash: bytes, or ``None`` where nothing is known.
        in_ram: whether the file is loaded into memory, and not read where it lies in flash.
    """

    name: str
    ram: int | None = None
    flash: int | None = None
    in_ram: bool = False


BOARDS = {
    "nnb": Board("the C runtime"),
    # CXD5602: 1.5 MB of memory, 8 MB of flash on the main board; its runtime loads files into memory.
    "spresense": Board("Spresense", 1536 * 1024, 8 * 1024 * 1024, True),
}
"""By the words that ``nnabla_cli check --target`` takes."""


@dataclasses.dataclass
class Findings:
    """What the linter says.

    Attributes:
        lines: facts, in order.
        problems: what keeps the network from running.
    """

    lines: list[str] = dataclasses.field(default_factory=list)
    problems: list[str] = dataclasses.field(default_factory=list)


def board(target: str) -> Board:
    """The device of a word.

    Raises:
        ArgumentError: there is none.
    """
    if target not in BOARDS:
        raise ArgumentError(f"check: --target must be one of {', '.join(BOARDS)}, not {target!r}")
    return BOARDS[target]


def check_network(source: Executed, target: Board, settings: Settings | None = None) -> Findings:
    """Look at a network that is to be written as NNB.

    Args:
        source: the network.
        target: the device.
        settings: types of variables.
    """
    findings = Findings()
    try:
        g = lower(source.network, None, source.inputs, source.outputs, source.order, (), source.drawn(None))
        model = typed(g, settings)
    except (FormatError, ArgumentError, ValueError) as error:
        head, *lines = str(error).split("\n")
        findings.problems += [line.strip() for line in lines] or [head]
        return findings
    written = Counter(f.type for f in functions_to(source.network.expand_loop_control(), source.outputs))
    needed = Counter(f.type for f in model.functions)
    composed = sorted(set(written) - set(needed))
    if composed:
        findings.lines.append(f"composed of other functions: {', '.join(composed)}")
    return _check(model, target, findings)


def check_model(model: Model, target: Board) -> Findings:
    """Look at what an NNB file holds."""
    return _check(model, target, Findings())


def _check(model: Model, target: Board, findings: Findings) -> Findings:
    counts = Counter(f.type for f in model.functions)
    levels = {name: _level(name, {f.number for f in model.functions if f.type == name}) for name in counts}
    for name, count in counts.most_common():
        kernel = "" if name in KERNELS else ", no kernel"
        findings.lines.append(f"{name} x {count}: from API level {levels[name]}{kernel}")
    findings.problems += [
        f"{name}: the runtime has no kernel for it, only a callback of yours can compute it"
        for name in counts
        if name not in KERNELS
    ]
    if model.api_level > RUNTIME_LEVEL:
        findings.problems.append(
            f"API level {model.api_level}: the released runtime has {RUNTIME_LEVEL} and refuses the file; "
            f"convert with --api {RUNTIME_LEVEL}"
        )
    size = len(to_bytes(model))
    work = sum(model.buffer_bytes)
    ram = work + (size if target.in_ram else 0)
    findings.lines += [
        f"API level needed: {max(levels.values(), default=1)}, of the file: {model.api_level}",
        f"work buffers: {len(model.buffers)}, {work} bytes",
        f"file: {size} bytes",
    ]
    where = "work buffers and file" if target.in_ram else "work buffers"
    findings.lines.append(f"memory needed: {ram} bytes ({where}), and what the runtime itself takes")
    for what, need, there in (("memory", ram, target.ram), ("flash", size, target.flash)):
        if there is not None:
            findings.lines.append(f"{what} of {target.name}: {there} bytes")
            if need > there:
                findings.problems.append(f"{what}: {need} bytes are needed, {target.name} has {there}")
    return findings


def _level(name: str, used: set[int]) -> int:
    return max([each.level or 1 for each in numbers()[name] if each.id in used], default=1)
