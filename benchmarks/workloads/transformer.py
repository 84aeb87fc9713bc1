"""One encoder layer of a Transformer (Vaswani et al. 2017, arXiv:1706.03762, section 3.1), no dropout."""

from __future__ import annotations

from cases import Program

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from workloads.training import static_program

BATCH, TOKENS, WIDTH, HEADS, INNER = 8, 128, 256, 8, 1024


def attention(x: nn.Variable) -> nn.Variable:
    """Multi-head self-attention, (B, T, D) to (B, T, D)."""
    head = WIDTH // HEADS
    qkv = PF.affine(x, 3 * WIDTH, base_axis=2, name="qkv")
    qkv = F.transpose(F.reshape(qkv, (BATCH, TOKENS, 3, HEADS, head)), (2, 0, 3, 1, 4))
    q, k, v = F.split(qkv, axis=0)
    weights = F.softmax(F.batch_matmul(q, k, transpose_b=True) * head**-0.5, axis=3)
    y = F.transpose(F.batch_matmul(weights, v), (0, 2, 1, 3))
    return PF.affine(F.reshape(y, (BATCH, TOKENS, WIDTH)), WIDTH, base_axis=2, name="projection")


def encoder_layer(x: nn.Variable) -> nn.Variable:
    x = PF.layer_normalization(x + attention(x), batch_axis=(0, 1), name="norm1")
    h = F.relu(PF.affine(x, INNER, base_axis=2, name="inner"))
    h = PF.affine(h, WIDTH, base_axis=2, name="outer")
    return PF.layer_normalization(x + h, batch_axis=(0, 1), name="norm2")


def training() -> Program:
    x, target = nn.Variable((BATCH, TOKENS, WIDTH)), nn.Variable((BATCH, TOKENS, WIDTH))
    loss = F.mean(F.squared_error(encoder_layer(x), target))
    return static_program((x, target), loss, S.Adam(alpha=1e-3))
