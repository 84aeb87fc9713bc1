"""Counts of operations agree with those that torch counts while the functions run."""

from __future__ import annotations

import numpy as np
import pytest
from torch.utils.flop_counter import FlopCounterMode

import nnabla as nn
import nnabla.functions as F
from nnabla.inspection.operation_counts import _RULES, backward_operations, forward_operations


def v(*shape, need_grad=True):
    values = np.random.RandomState(0).standard_normal(shape).astype(np.float32)
    return nn.Variable.from_numpy_array(values, need_grad=need_grad)


CASES = {
    "Affine": lambda: F.affine(v(4, 2, 3), v(6, 5), v(5)),
    "Convolution": lambda: F.convolution(v(2, 4, 9, 8), v(6, 2, 3, 3), v(6), pad=(1, 1), stride=(2, 2), group=2),
    "Deconvolution": lambda: F.deconvolution(v(2, 4, 5, 6), v(4, 3, 3, 3), v(6), stride=(2, 2), group=2),
    "DepthwiseConvolution": lambda: F.depthwise_convolution(v(2, 4, 9, 8), v(8, 3, 3), multiplier=2),
    "DepthwiseDeconvolution": lambda: F.depthwise_deconvolution(v(2, 4, 9, 8), v(4, 3, 3)),
    "BatchMatmul": lambda: F.batch_matmul(v(7, 4, 3), v(7, 4, 5), transpose_a=True),
    "Einsum": lambda: F.einsum(v(7, 4, 3), v(7, 3, 5), equation="bij,bjk->bik"),
    "BinaryConnectAffine": lambda: F.binary_connect_affine(v(4, 6), v(6, 5), v(6, 5)),
    "BinaryWeightConvolution": lambda: F.binary_weight_convolution(v(64, 4, 9, 8), v(6, 4, 3, 3), v(6, 4, 3, 3), v(6)),
    "FusedConvolution": lambda: F.fused_convolution(v(64, 4, 9, 8), v(6, 4, 3, 3)),
}


@pytest.mark.parametrize("name", CASES)
def test_forward(name):
    y = CASES[name]()
    assert y.parent.info.type_name == name
    with FlopCounterMode(display=False) as counted:
        y.forward()
    ours = forward_operations(y.parent)
    assert ours > 0
    # Kernels that torch does not know as products count nothing there.
    assert counted.get_total_flops() in (ours, 0)


def test_most_kernels_are_counted_by_torch():
    found = []
    for name, build in CASES.items():
        y = build()
        with FlopCounterMode(display=False) as counted:
            y.forward()
        found += [name] if counted.get_total_flops() else []
    assert {"Affine", "BatchMatmul"} <= set(found) and len(found) >= 6


def test_recurrent():
    """A layer of an LSTM multiplies x by four matrices and h by four, in each of 5 steps; so do both directions."""
    time, batch, features, hidden = 5, 2, 3, 4
    y, *_ = F.lstm(
        v(time, batch, features),
        v(1, 2, batch, hidden),
        v(1, 2, batch, hidden),
        v(2, 4, hidden, features + hidden),
        num_layers=1,
        bidirectional=True,
    )
    assert forward_operations(y.parent) == 2 * 5 * 2 * 2 * 4 * (4 * 3 + 4 * 4)


def test_each_factor_that_wants_a_gradient_counts():
    w = v(3, 5)
    both = F.affine(v(4, 3), w, v(5)).parent
    weight_only = F.affine(v(4, 3, need_grad=False), w).parent
    assert forward_operations(both) == 2 * 4 * 5 * 3
    assert backward_operations(both) == 2 * forward_operations(both)
    assert backward_operations(weight_only) == forward_operations(weight_only)


def test_other_functions_are_not_counted():
    assert forward_operations(F.relu(v(3)).parent) == 0
    assert forward_operations(F.einsum(v(2, 2), v(2, 2), v(2, 2), equation="ij,jk,kl->il").parent) == 0


def test_rules_name_functions():
    from nnabla.graph.operator import registry

    assert set(_RULES) <= set(registry)
