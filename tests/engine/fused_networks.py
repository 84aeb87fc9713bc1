"""Networks whose functions are fused for inference, and what tests of that have in common."""

from __future__ import annotations

import numpy as np

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.engine.fused_call import FusedCall
from nnabla.engine.program import Call, Fused

Network = tuple[nn.Variable, nn.Variable]
"""Input and output."""


def statistics(seed: int = 0) -> None:
    """Give all parameters values as after a training, running statistics too."""
    r = np.random.RandomState(seed)
    for name, p in nn.get_parameters(grad_only=False).items():
        kind = name.rsplit("/", 1)[-1]
        if kind == "var":
            values = r.uniform(0.5, 2, p.shape)
        elif kind in ("mean", "beta", "b"):
            values = r.uniform(-1, 1, p.shape)
        elif kind == "gamma":
            values = r.uniform(0.5, 1.5, p.shape)
        else:
            values = r.standard_normal(p.shape) / np.sqrt(max(1, np.prod(p.shape[1:])))
        p.d = values.astype(np.float32)


def of_input(x: nn.Variable, seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed).uniform(-1, 1, x.shape).astype(np.float32)


def run(y: nn.Variable, times: int = 1) -> np.ndarray:
    for _ in range(times):
        y.forward(clear_buffer=True)
    return y.d.copy()


def one_by_one(y: nn.Variable) -> np.ndarray:
    """Without clear options nothing is fused."""
    y.forward()
    return y.d.copy()


def close(ours: np.ndarray, expected: np.ndarray, rounding: float = 2e-5) -> None:
    np.testing.assert_allclose(ours, expected, rtol=rounding, atol=rounding * max(1.0, np.abs(expected).max()))


def calls(y: nn.Variable) -> list[FusedCall]:
    """What computes the fused functions of the last forward."""
    return [entry for entry in y._plans[True, False].bound.frame if isinstance(entry, FusedCall)]


def are_folded(y: nn.Variable) -> list[bool]:
    return [call._folded is not None and call._folded != call._one_by_one for call in calls(y)]


def records(y: nn.Variable, **options: bool) -> list[str]:
    """The functions of each record, fused ones joined by plus."""
    (program,) = y.plan({"clear_buffer": True, **options}, None).programs
    names = []
    for record in program.records:
        if type(record) is Fused:
            names.append("+".join([program.order[position].name for position in record.parts]))
        elif type(record) is Call:
            names.append(program.order[record.function].name)
    return names


# ---- networks ----------------------------------------------------------------------------------------------------


def conv_bn(x: nn.Variable, maps: int, kernel: int, name: str, stride: int = 1, **options: object) -> nn.Variable:
    with nn.parameter_scope(name):
        pad = (kernel // 2,) * 2
        h = PF.convolution(x, maps, (kernel,) * 2, pad=pad, stride=(stride,) * 2, with_bias=False, **options)
        return PF.batch_normalization(h, batch_stat=False)


def residual() -> Network:
    """ResNet-18, of a quarter of the width, on small images."""
    x = nn.Variable((2, 3, 32, 32))
    h = F.max_pooling(F.relu(conv_bn(x, 16, 7, "stem", 2)), (3, 3), stride=(2, 2), pad=(1, 1))
    for i, maps in enumerate((16, 32, 64, 128)):
        for j in range(2):
            stride = 2 if i and not j else 1
            y = F.relu(conv_bn(h, maps, 3, f"{i}{j}a", stride))
            y = conv_bn(y, maps, 3, f"{i}{j}b")
            h = conv_bn(h, maps, 1, f"{i}{j}c", stride) if stride > 1 else h
            h = F.relu(y + h)
    return x, PF.affine(F.global_average_pooling(h), 10)


def mobile() -> Network:
    """Inverted residual blocks with depthwise convolutions."""
    x = nn.Variable((2, 3, 24, 24))
    h = F.relu6(conv_bn(x, 8, 3, "stem", 2))
    for i, (maps, stride) in enumerate([(8, 1), (8, 1), (16, 2), (16, 1)]):
        y = F.relu6(conv_bn(h, 4 * h.shape[1], 1, f"{i}a"))
        with nn.parameter_scope(f"{i}b"):
            y = PF.depthwise_convolution(y, (3, 3), pad=(1, 1), stride=(stride, stride), with_bias=False)
            y = F.swish(PF.batch_normalization(y, batch_stat=False))
        y = conv_bn(y, maps, 1, f"{i}c")
        h = y + h if y.shape == h.shape else y
    return x, F.mean(h, axis=(2, 3))


def u_shaped() -> Network:
    """Two levels, with deconvolution and concatenation."""
    x = nn.Variable((2, 2, 16, 16))
    a = F.leaky_relu(conv_bn(x, 8, 3, "a"))
    b = F.elu(conv_bn(F.max_pooling(a, (2, 2)), 16, 3, "b"))
    with nn.parameter_scope("up"):
        u = PF.batch_normalization(PF.deconvolution(b, 8, (2, 2), stride=(2, 2)), batch_stat=False)
    h = F.tanh(conv_bn(F.concatenate(a, F.relu(u), axis=1), 8, 3, "c"))
    return x, F.sigmoid(PF.convolution(h, 1, (1, 1), name="out"))


def fully_connected() -> Network:
    x = nn.Variable((5, 3, 4))
    h = x
    for i in range(3):
        with nn.parameter_scope(str(i)):
            h = F.relu(PF.batch_normalization(PF.affine(h, 7 + i), batch_stat=False))
    return x, PF.affine(h, 4)


def scaled() -> Network:
    """All that scales output maps, one after the other."""
    x = nn.Variable((2, 3, 6, 6))
    factor = nn.parameter.get_parameter_or_create("factor", (1, 8, 1, 1))
    term = nn.parameter.get_parameter_or_create("term", (1, 8, 1, 1))
    one = nn.parameter.get_parameter_or_create("one", (1, 1, 1, 1))
    h = PF.convolution(x, 8, (3, 3), pad=(1, 1)) * factor
    h = one + F.add2(term, h * 0.5) * 3 + 1
    return x, F.gelu(PF.batch_normalization(h, batch_stat=False))


def small() -> Network:
    x = nn.Variable((2, 3, 8, 8))
    y = F.relu(PF.batch_normalization(PF.convolution(x, 8, (3, 3), name="c"), batch_stat=False, name="n"))
    y = PF.batch_normalization(PF.affine(y, 5, name="a"), batch_stat=False, name="m")
    statistics()
    x.d = of_input(x)
    return x, y
