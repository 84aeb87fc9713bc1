"""Passes for inference: functions that nobody sees are computed together with the layer before them.

A function may be fused with the one that reads its output where that array is freed anyway (`liveness.py` says which
may be), nothing else reads it, and no gradient is asked for. Then it need not exist: batch normalization by running
statistics becomes a part of a layer's parameters, and sums and activations are applied while the layer writes its
result. `fused_call.py` does the work, and sees to it that parameters may change at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from .._nd_array import NdArray
from ..graph.function import Function
from ..graph.operator import Kind
from .frame import LEAF
from .liveness import block_of
from .program import NOTHING, THROUGH, Call, Fused, Program, Record, UserCall, array_of, may_write, read_by, written_by


def may_fuse(program: Program) -> bool:
    """Whether there is a layer that runs without a gradient."""
    return any([type(r) is Call and not r.kernel.keep and _is_layer(program, r) for r in program.records])


def fold_scales(program: Program) -> Program:
    """Fold what multiplies each output map of a layer by a constant, or adds one, into the layer's parameters."""
    return _fused(program, _Fusing.scale)


def fuse_sums(program: Program) -> Program:
    """Let convolutions add another array to their result."""
    return _fused(program, _Fusing.sum)


def fuse_activations(program: Program) -> Program:
    """Let convolutions apply the activation to their result."""
    return _fused(program, _Fusing.activation)


def pack_weights(program: Program) -> Program:
    """Bring the weights of the remaining convolutions into the layout of their kernel once, not in each replay."""
    fusing = _Fusing(program)
    records: list[Record] = []
    for record in program.records:
        layer = fusing.begun(record)
        packs = type(record) is Call and layer is not None and program.order[record.function]._operator.packs
        records.append(layer if packs and layer is not None else record)
    return program._replace(records=records)


def _fused(program: Program, joined: Callable[[_Fusing, Fused, Call], Fused | None]) -> Program:
    """Fuse every layer with the functions that follow it.

    Args:
        joined: what becomes of a layer and a function that reads its output; None where they stay apart.
    """
    fusing = _Fusing(program)
    records: list[Record | None] = list(program.records)
    for start, record in enumerate(program.records):
        layer, place = fusing.begun(record), start
        while layer is not None and (there := fusing.only_reader(layer.writes[0])) is not None:
            reader = records[there]
            layer = joined(fusing, layer, reader) if type(reader) is Call and fusing.is_plain(reader) else None
            if layer is None:
                break
            # What is added may be computed between the two.
            later = any([fusing.written.get(number, -1) > place for number in layer.arguments[-1]])
            if later and any([may_write(program, records[n]) for n in range(place + 1, there)]):
                break
            records[place] = records[there] = None
            place = there if later else place
            records[place] = layer
            fusing.note(layer, place)
    return program._replace(records=[record for record in records if record is not None])


class _Fusing:
    """What can be fused in a program.

    Attributes:
        written: the place of the record that writes a value.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.written: dict[int, int] = {}
        self._readers: dict[int, list[int]] = {}
        # What nobody sees: where memory has several arrays, some other may be read.
        self._hidden = {numbers[0] for numbers in program.mortal.values() if len(numbers) == 1}
        # Arrays that functions change.
        self._changed: set[int] = set()
        for place, record in enumerate(program.records):
            self.written.update(dict.fromkeys(written_by(record), place))
            for number in read_by(record):
                self._readers.setdefault(number, []).append(place)
            if isinstance(record, (Call, UserCall)) and may_write(program, record):
                inputs = program.order[record.function]._inputs
                self._changed.update([block_of(v._buffers.data) for v in inputs])

    def note(self, record: Fused, place: int) -> None:
        """Note where a record is now."""
        self.written[record.writes[0]] = place
        for number in record.reads:
            readers = self._readers[number]
            # Only of what is read once it matters where.
            if len(readers) == 1:
                readers[0] = place

    def is_plain(self, record: Call) -> bool:
        """Whether a record computes one array on the CPU, in single precision, and does nothing else."""
        return _is_plain(self.program.order[record.function], record)

    def begun(self, record: Record) -> Fused | None:
        """A layer without a gradient that others may be fused with: its parameters do not change meanwhile."""
        if type(record) is Fused:
            return record
        if type(record) is not Call or not _is_layer(self.program, record) or not self._are_fixed(record.reads[1:]):
            return None
        return Fused((record.function,), (record.reads,), record.writes)

    def only_reader(self, number: int) -> int | None:
        """The place of the only record that reads a value that nobody sees."""
        readers = self._readers.get(number, ())
        if number not in self._hidden or len(readers) != 1 or type(array_of(self.program, number)) is not NdArray:
            return None
        return readers[0]

    def _are_fixed(self, numbers: Sequence[int]) -> bool:
        """Whether values are parameters that no function in the graph changes, or are not given."""
        return all(map(self._is_fixed, numbers))

    def _is_fixed(self, number: int) -> bool:
        if number == NOTHING:
            return True
        value = self.program.values[number]
        if value.source != LEAF or value.more[2] not in (Kind.COMPUTE, Kind.UPDATED):
            return False
        array = array_of(self.program, number)
        return type(array) is NdArray and id(array) not in self._changed

    # ---- what is fused with a layer ------------------------------------------------------------------------

    def _joined(self, layer: Fused, reader: Call) -> Fused:
        arguments = tuple([THROUGH if number == layer.writes[0] else number for number in reader.reads])
        return layer._replace(
            parts=(*layer.parts, reader.function), arguments=(*layer.arguments, arguments), writes=reader.writes
        )

    def scale(self, layer: Fused, reader: Call) -> Fused | None:
        """With what scales the output maps: before all else."""
        if len(layer.parts) > 1 + layer.scales:
            return None
        function = self.program.order[reader.function]
        scales, axis = function._operator.scales, self.program.order[layer.function]._operator.map_axis
        others = [number for number in reader.reads if number != layer.writes[0]]
        if scales is None or not self._are_fixed(others):
            return None
        i = [number for number in reader.reads if number != NOTHING].index(layer.writes[0])
        fits = scales(i, axis, [v.shape for v in function._inputs])
        return self._joined(layer, reader)._replace(scales=layer.scales + 1) if fits else None

    def sum(self, layer: Fused, reader: Call) -> Fused | None:
        """With a sum: before the activation."""
        if len(layer.parts) > 1 + layer.scales or not self.program.order[layer.function]._operator.packs:
            return None
        function = self.program.order[reader.function]
        fits = function._operator.is_sum and len({v.shape for v in function._inputs}) == 1
        return self._joined(layer, reader)._replace(adds=True) if fits else None

    def activation(self, layer: Fused, reader: Call) -> Fused | None:
        """With an activation: one, the last."""
        if len(layer.parts) > 1 + layer.scales + layer.adds or not self.program.order[layer.function]._operator.packs:
            return None
        fits = self.program.order[reader.function]._operator.post_op is not None
        return self._joined(layer, reader) if fits else None


def _is_plain(function: Function, record: Call) -> bool:
    operator, kernel = function._operator, record.kernel
    return (
        operator.compute_dtype is torch.float32
        and operator.device.type == "cpu"
        and len(record.writes) == 1
        and not (kernel.keep or kernel.repeats or kernel.writes or kernel.copies)
    )


def _is_layer(program: Program, record: Call) -> bool:
    function = program.order[record.function]
    operator = function._operator
    return operator.folded is not None and operator.map_axis is not None and _is_plain(function, record)
