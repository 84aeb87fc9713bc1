"""A network cut into pieces at functions that a target does not have."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection

from ...errors import FormatError
from ...network import ProtoNetwork
from .executed import Executed, functions_to


@dataclasses.dataclass
class Piece(Executed):
    """A part of a network.

    Attributes:
        first, last: numbers of its first and last function in the whole network, from 0.
    """

    first: int = 0
    last: int = 0


def pieces(whole: Executed, supported: Collection[str]) -> list[Piece]:
    """The parts of a network between the functions that are not in `supported`.

    Functions are numbered from 0 in the order in which they run, and a part's network is called
    ``<network>_<first>_<last>``. Its inputs are what it reads of other parts, its outputs what others read of it. A
    network of which all functions are supported is one part.

    Raises:
        FormatError: no function is supported.
    """
    network = whole.network.expand_loop_control()
    functions = functions_to(network, whole.outputs)
    runs: list[list[int]] = []
    for number, f in enumerate(functions):
        if f.type not in supported:
            continue
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    if not runs:
        raise FormatError(f"network {network.name!r}: none of its functions is in the list")
    found = []
    for run in runs:
        inside = [functions[n] for n in run]
        made = [name for f in inside for name in f.outputs]
        read = [name for f in inside for name in f.inputs]
        elsewhere = {name for n, f in enumerate(functions) if n not in set(run) for name in f.inputs}
        inputs = [
            n for n in dict.fromkeys(read) if n not in made and n not in network.parameters and n not in whole.generated
        ]
        outputs = [name for name in made if name in elsewhere or name in whole.outputs]
        part = network.promote(_only({str(f.name) for f in inside}, {*made, *read}))
        part.name = f"{network.name}_{run[0]}_{run[-1]}"
        generated = {name: how for name, how in whole.generated.items() if name in read}
        found.append(Piece(part, inputs, outputs, whole.order, generated, run[0], run[-1]))
    return found


def _only(functions: set[str], variables: set[str]) -> Callable[[ProtoNetwork], None]:
    """What removes all other functions and variables of a network."""

    def cut(network: ProtoNetwork) -> None:
        for name in [name for name in network.functions if name not in functions]:
            del network.functions[name]
        for table in (network.variables, network.parameters):
            for name in [name for name in table if name not in variables]:
                del table[name]

    return cut
