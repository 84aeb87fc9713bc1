"""Attention with several heads, composed of other functions."""

from __future__ import annotations

import math
from typing import Any

from ..errors import ArgumentError, ShapeError
from ..graph.call import invoke, public
from .activations import Softmax
from .arithmetic import Add2, MulScalar
from .arrays import Broadcast, Reshape, Transpose
from .constants import Array
from .creation import Constant
from .indexing import Where
from .joining import Concatenate
from .layers import Affine
from .linalg import BatchMatmul
from .shapes import refuse_empty
from .slicing import Pad
from .stochastic import Dropout


@public
def multi_head_attention(
    query: Array,
    key: Array,
    value: Array,
    num_heads: int,
    q_weight: Array,
    k_weight: Array,
    v_weight: Array,
    out_weight: Array,
    q_bias: Array | None = None,
    k_bias: Array | None = None,
    v_bias: Array | None = None,
    out_bias: Array | None = None,
    attn_bias_k: Array | None = None,
    attn_bias_v: Array | None = None,
    dropout: float = 0.0,
    additive_mask: Array | None = None,
    key_padding_mask: Array | None = None,
) -> Any:
    r"""Attention with several heads: for each target position a mean of values, weighted by how keys fit.

    For each head :math:`\mathrm{softmax}(Q K^T / \sqrt{E / H}) V` with :math:`Q, K, V` linear in `query`,
    `key` and `value`; the results of all heads, side by side, are mapped by `out_weight`.

    Inputs:
        query: shape ``(T, B, Dq)``: target length, batch size, features.
        key: shape ``(S, B, Dk)``: source length, batch size, features.
        value: shape ``(S, B, Dv)``.
        q_weight: shape ``(Dq, E)``.
        k_weight: shape ``(Dk, E)``.
        v_weight: shape ``(Dv, Ev)``.
        out_weight: shape ``(Ev, Eout)``.
        q_bias: shape ``(E,)``, or ``None``.
        k_bias: shape ``(E,)``, or ``None``.
        v_bias: shape ``(Ev,)``, or ``None``.
        out_bias: shape ``(Eout,)``, or ``None``.
        attn_bias_k: a further key after the last one, for all samples, ``E`` elements, or ``None``.
        attn_bias_v: the value of that key, ``Ev`` elements; given if, and only if, `attn_bias_k` is.
        additive_mask: added to the scores before softmax, shape ``(T, S)``, or ``None``.
        key_padding_mask: 1 for keys to leave out, else 0, shape ``(B, S)``, or ``None``.
    Args:
        num_heads: number of heads; it divides ``E`` and ``Ev``.
        dropout: probability in [0, 1) that a weight of a value is set to 0.
    Returns:
        The output, shape ``(T, B, Eout)``, and the weights of values for each head, after dropout, shape
        ``(B * num_heads, T, S)``; ``S + 1`` with `attn_bias_k`.
    Raises:
        ArgumentError: `num_heads` does not divide the sizes, or one of `attn_bias_k` and `attn_bias_v` is
            missing.
        ShapeError: shapes do not fit together.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.Variable((5, 2, 8))
        >>> w = [nn.Variable((8, 8)) for _ in range(4)]
        >>> y, weights = F.multi_head_attention(x, x, x, 4, *w)
        >>> y.shape, weights.shape
        ((5, 2, 8), (8, 5, 5))

    Source: NNabla function reference, ``multi_head_attention``; Vaswani et al., "Attention is all you need"
    (arXiv:1706.03762), section 3.2.
    """
    for name, x in (("query", query), ("key", key), ("value", value)):
        if len(x.shape) != 3:
            raise ShapeError(f"multi_head_attention: {name} must have 3 axes (length, batch, features), not {x.shape}")
        refuse_empty(x.shape, "multi_head_attention", name)
    for name, w in (("q_weight", q_weight), ("k_weight", k_weight), ("v_weight", v_weight), ("out_weight", out_weight)):
        if len(w.shape) != 2:
            raise ShapeError(f"multi_head_attention: {name} must have 2 axes, not {w.shape}")
        refuse_empty(w.shape, "multi_head_attention", name)
    targets, batch = query.shape[:2]
    sources = key.shape[0]
    embedding, value_embedding = q_weight.shape[1], v_weight.shape[1]
    if num_heads < 1 or embedding % num_heads or value_embedding % num_heads:
        raise ArgumentError(
            f"multi_head_attention: num_heads must divide {embedding} and {value_embedding}, the sizes of "
            f"q_weight and v_weight, not be {num_heads}"
        )
    if (attn_bias_k is None) != (attn_bias_v is None):
        raise ArgumentError("multi_head_attention: attn_bias_k and attn_bias_v must be given both or neither")
    for name, mask, expected in (
        ("additive_mask", additive_mask, (targets, sources)),
        ("key_padding_mask", key_padding_mask, (batch, sources)),
    ):
        if mask is not None and mask.shape != expected:
            raise ShapeError(f"multi_head_attention: {name} must have shape {expected}, not {mask.shape}")
    head, value_head = embedding // num_heads, value_embedding // num_heads

    def heads(x: Any, length: int, size: int) -> Any:
        """From (length, B, E) to (B * heads, length, E / heads)."""
        return invoke(Transpose, ((1, 0, 2),), (invoke(Reshape, ((length, batch * num_heads, size),), (x,)),))

    def projected(x: Any, weight: Any, bias: Any, further: Any, size: int) -> Any:
        y = invoke(Affine, (2,), (x, weight, bias))
        if further is not None:
            row = invoke(Reshape, ((1, 1, weight.shape[1]),), (further,))
            row = invoke(Broadcast, ((1, batch, weight.shape[1]),), (row,))
            y = invoke(Concatenate, (0,), (y, row))
        return heads(y, -1, size)

    def extended(mask: Any) -> Any:
        """No key is masked that `attn_bias_k` adds."""
        return mask if attn_bias_k is None else invoke(Pad, ((0, 1), "constant", 0.0), (mask,))

    q = invoke(MulScalar, (head**-0.5,), (invoke(Affine, (2,), (query, q_weight, q_bias)),))
    q = heads(q, targets, head)
    k = projected(key, k_weight, k_bias, attn_bias_k, head)
    v = projected(value, v_weight, v_bias, attn_bias_v, value_head)
    length = k.shape[1]

    scores = invoke(BatchMatmul, (False, True), (q, k))
    if additive_mask is not None:
        mask = invoke(Reshape, ((1, targets, length),), (extended(additive_mask),))
        scores = invoke(Add2, (), (scores, mask))
    if key_padding_mask is not None:
        shape = (batch, num_heads, targets, length)
        mask = invoke(Reshape, ((batch, 1, 1, length),), (extended(key_padding_mask),))
        mask = invoke(Broadcast, (shape,), (mask,))
        excluded = invoke(Constant, (-math.inf, shape), ())
        scores = invoke(Where, (), (mask, excluded, invoke(Reshape, (shape,), (scores,))))
        scores = invoke(Reshape, ((batch * num_heads, targets, length),), (scores,))
    weights = invoke(Softmax, (2,), (scores,))
    if dropout > 0:
        weights = invoke(Dropout, (dropout,), (weights,))
    y = invoke(Transpose, ((1, 0, 2),), (invoke(BatchMatmul, (False, False), (weights, v)),))
    y = invoke(Reshape, ((targets, batch, value_embedding),), (y,))
    return invoke(Affine, (2,), (y, out_weight, out_bias)), weights
