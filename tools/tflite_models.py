"""Sound TFLite models, and changes at random of them: what `fuzz_readers` reads as kind ``tflite``."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import tflite

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.converters.tflite import from_tflite, to_tflite


def _network(y: nn.Variable, **names: nn.Variable) -> nn.graph_def.ProtoNetwork:
    return nn.graph_def.create_graph_from_variable("net", y, names=names)["net"]


def _images() -> nn.graph_def.ProtoNetwork:
    nn.clear_parameters()
    x = nn.Variable((1, 2, 6, 6))
    h = F.max_pooling(F.relu(PF.convolution(x, 4, (3, 3), pad=(1, 1))), (2, 2))
    h = PF.depthwise_convolution(F.pad(h, (1, 1)), (3, 3))
    h = PF.deconvolution(F.average_pooling(h, (3, 3), pad=(1, 1)), 2, (2, 2))
    return _network(F.softmax(PF.affine(F.transpose(h, (0, 2, 3, 1)), 4)), x=x)


def _rows() -> nn.graph_def.ProtoNetwork:
    x, i = nn.Variable((3, 5)), nn.Variable((4,))
    h = F.concatenate(F.where(F.greater_scalar(x, 0.0), x, F.exp(x)), F.cumsum(x, axis=1), axis=1)
    h = F.reshape(F.gather(h, i, axis=1), (1, 3, 4))
    h = F.layer_normalization(F.batch_matmul(h, h, transpose_b=True), None, None, batch_axis=0)
    top = F.sort(F.max(h[:, ::2], axis=2, keepdims=True), axis=1)
    return _network(F.one_hot(F.abs(top), (7,)), x=x, i=i)


@cache
def sound() -> list[bytes]:
    """Models to damage."""
    data = np.random.RandomState(0).randn(4, 2, 6, 6).astype(np.float32)
    images = _images()
    return [to_tflite(images), to_tflite(images, dataset=data), to_tflite(images, weights="float16"),
            to_tflite(_rows())]  # fmt: skip


def _places(data: bytes) -> list[int]:
    """Where the numbers of tables, rows and shapes stand, beside arrays: those that say how a file hangs together."""
    model = tflite.Model.GetRootAs(bytearray(data), 0)
    inside = np.zeros(len(data), bool)
    for b in range(model.BuffersLength()):
        buffer = model.Buffers(b)
        size = buffer.DataLength()
        if size > 16:
            field = buffer._tab.Offset(4)
            start = buffer._tab.Vector(field)
            inside[start : start + size] = True
    return [int(place) for place in np.flatnonzero(~inside[: len(data) // 4 * 4].reshape(-1, 4).any(1)) * 4]


@cache
def _of(which: int) -> list[int]:
    return _places(sound()[which])


def changed(number: int, rng: np.random.RandomState, damaged: Callable[..., bytes]) -> tuple[bytes, bool]:
    """A model after changes, and whether these are numbers of its structure, as four fifths are."""
    which = number % len(sound())
    data = sound()[which]
    if number % 5 == 4:
        return damaged(data, rng), False
    found = bytearray(data)
    places = _of(which)
    for _ in range(rng.randint(1, 4)):
        place = places[rng.randint(len(places))]
        before = int.from_bytes(found[place : place + 4], "little")
        kind = rng.randint(5)
        if kind == 0:
            after = before ^ (1 << rng.randint(32))
        elif kind == 1:
            after = before + rng.randint(-8, 9)
        elif kind == 2:
            after = rng.randint(0, 64)
        elif kind == 3:
            after = (0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 1 << 16, len(data), len(data) - place)[rng.randint(6)]
        else:
            other = places[rng.randint(len(places))]
            after = int.from_bytes(found[other : other + 4], "little")
        found[place : place + 4] = (after & 0xFFFFFFFF).to_bytes(4, "little")
    return bytes(found), True


def load_model(path: str) -> None:
    """Read a model, and look at all that was read."""
    nn.clear_parameters()
    graph = from_tflite(path)
    for network in graph.networks.values():
        network.as_proto(False)
