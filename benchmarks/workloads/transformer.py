"""Encoder layers of a Transformer (Vaswani et al. 2017, arXiv:1706.03762, section 3.1), no dropout: a wide one on long
sequences, and two narrow ones on short ones."""

from __future__ import annotations

from cases import Program

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from workloads.training import static_program


def attention(x: nn.Variable, heads: int, mask: nn.Variable | None = None) -> nn.Variable:
    """Multi-head self-attention, (B, T, D) to (B, T, D). The mask is added to the logits."""
    batch, tokens, width = x.shape
    head = width // heads
    qkv = PF.affine(x, 3 * width, base_axis=2, name="qkv")
    qkv = F.transpose(F.reshape(qkv, (batch, tokens, 3, heads, head)), (2, 0, 3, 1, 4))
    q, k, v = F.split(qkv, axis=0)
    logits = F.batch_matmul(q, k, transpose_b=True) * head**-0.5
    weights = F.softmax(logits if mask is None else logits + mask, axis=3)
    y = F.transpose(F.batch_matmul(weights, v), (0, 2, 1, 3))
    return PF.affine(F.reshape(y, (batch, tokens, width)), width, base_axis=2, name="projection")


def encoder_layer(
    x: nn.Variable, heads: int, inner: int, activation=F.relu, mask: nn.Variable | None = None
) -> nn.Variable:
    width = x.shape[-1]
    x = PF.layer_normalization(x + attention(x, heads, mask), batch_axis=(0, 1), name="norm1")
    h = activation(PF.affine(x, inner, base_axis=2, name="inner"))
    h = PF.affine(h, width, base_axis=2, name="outer")
    return PF.layer_normalization(x + h, batch_axis=(0, 1), name="norm2")


def training() -> Program:
    x, target = nn.Variable((8, 128, 256)), nn.Variable((8, 128, 256))
    loss = F.mean(F.squared_error(encoder_layer(x, 8, 1024), target))
    return static_program((x, target), loss, S.Adam(alpha=1e-3))


def small_training() -> Program:
    x, target = nn.Variable((2, 12, 32)), nn.Variable((2, 12, 32))
    h = x
    for i in range(2):
        with nn.parameter_scope(f"layer{i}"):
            h = encoder_layer(h, 4, 128)
    return static_program((x, target), F.mean(F.squared_error(h, target)), S.Adam(alpha=1e-3))
