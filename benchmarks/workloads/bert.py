"""BERT (Devlin et al. 2018, arXiv:1810.04805) in miniature: two layers of width 32 that classify; no dropout."""

from __future__ import annotations

from cases import Program

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from workloads.training import static_program
from workloads.transformer import encoder_layer

BATCH, TOKENS, WORDS, WIDTH, HEADS, LAYERS, CLASSES = 4, 16, 1000, 32, 4, 2, 2


def bert(words: nn.Variable, mask: nn.Variable) -> nn.Variable:
    """Word numbers (B, T) and what is added to the logits of attention (B, 1, 1, T), to (B, classes)."""
    h = PF.embed(words, WORDS, WIDTH, name="words")
    drawn = nn.initializer.NormalInitializer(0.02)
    h = h + nn.parameter.get_parameter_or_create("positions/W", (1, TOKENS, WIDTH), drawn)
    h = PF.layer_normalization(h, batch_axis=(0, 1), name="norm")
    for i in range(LAYERS):
        with nn.parameter_scope(f"layer{i}"):
            h = encoder_layer(h, HEADS, 4 * WIDTH, F.gelu, mask)
    first = F.reshape(F.slice(h, start=(0, 0, 0), stop=(BATCH, 1, WIDTH)), (BATCH, WIDTH))
    return PF.affine(F.tanh(PF.affine(first, WIDTH, name="pooler")), CLASSES, name="classifier")


def training() -> Program:
    words, mask, label = nn.Variable((BATCH, TOKENS)), nn.Variable((BATCH, 1, 1, TOKENS)), nn.Variable((BATCH, 1))
    loss = F.mean(F.softmax_cross_entropy(bert(words, mask), label))
    return static_program((words, mask, label), loss, S.Adam(alpha=1e-3))
