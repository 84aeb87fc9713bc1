"""Attention, and the layers of transformers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import functions as F
from ..errors import ShapeError
from ..graph.variable import Variable
from ..initializer import ConstantInitializer
from ..parameter import get_parameter_or_create
from .layers import affine, glorot
from .normalization import Inits, layer_normalization
from .registration import parametric_function_api

Activation = Callable[[Any], Any] | None

WEIGHTS = [
    ("q_weight", "Projection of queries", "``(Dq, k_embed_dim)``", True),
    ("k_weight", "Projection of keys", "``(Dk, k_embed_dim)``", True),
    ("v_weight", "Projection of values", "``(Dv, v_embed_dim)``", True),
    ("out_weight", "Projection of the result", "``(v_embed_dim, out_dim)``", True),
    ("q_bias", "Bias", "``(k_embed_dim,)``", True),
    ("k_bias", "Bias", "``(k_embed_dim,)``", True),
    ("v_bias", "Bias", "``(v_embed_dim,)``", True),
    ("out_bias", "Bias", "``(out_dim,)``", True),
    ("attn_bias_k", "A key for all samples", "``(1, 1, k_embed_dim)``", True),
    ("attn_bias_v", "A value for all samples", "``(1, 1, v_embed_dim)``", True),
]


@parametric_function_api("multi_head_attention", WEIGHTS)
def multi_head_attention(
    query: Any,
    key: Any,
    value: Any,
    num_heads: int = 12,
    dropout: float = 0.0,
    k_embed_dim: int | None = None,
    v_embed_dim: int | None = None,
    out_dim: int | None = None,
    rng: np.random.RandomState | None = None,
    with_bias: bool = True,
    add_attn_bias: bool = False,
    additive_mask: Any = None,
    key_padding_mask: Any = None,
    fix_parameters: bool = False,
    param_init: Inits = None,
) -> tuple[Variable, Variable]:
    """Attention with several heads; see `nnabla.functions.multi_head_attention`.

    Args:
        query: shape ``(T, B, Dq)``: target length, batch size, features.
        key: shape ``(S, B, Dk)``: source length, batch size, features.
        value: shape ``(S, B, Dv)``.
        num_heads: number of heads; it divides `k_embed_dim` and `v_embed_dim`.
        dropout: probability that a weight of a value is set to 0.
        k_embed_dim: size of projected queries and keys, all heads together; default ``Dq``.
        v_embed_dim: size of projected values, all heads together; default ``Dv``.
        out_dim: size of the result; default `v_embed_dim`.
        rng: random generator of the default initializers; default nnabla's.
        with_bias: whether the projections have biases.
        add_attn_bias: whether to attend to a further key and value that are learned.
        additive_mask: added to the scores before softmax, shape ``(T, S)``.
        key_padding_mask: 1 for keys to leave out, else 0, shape ``(B, S)``.
        fix_parameters: do not train the parameters.
        param_init: initializers or arrays by name of the parameter; default Glorot's uniform distribution, and
            zeros for biases.

    Returns:
        The output, shape ``(T, B, out_dim)``, and the weights of values, shape ``(B * num_heads, T, S)``.

    Raises:
        ShapeError: an input has not three axes.

    Source: Vaswani et al., "Attention is all you need", arXiv:1706.03762.
    """
    for name, x in (("query", query), ("key", key), ("value", value)):
        if x.ndim != 3:
            raise ShapeError(f"multi_head_attention: {name} must have 3 axes (length, batch, features), not {x.shape}")
    embedding = query.shape[2] if k_embed_dim is None else k_embed_dim
    value_embedding = value.shape[2] if v_embed_dim is None else v_embed_dim
    outputs = value_embedding if out_dim is None else out_dim
    inits = param_init or {}

    def parameter(name: str, shape: tuple[int, ...], default: Any) -> Any:
        return get_parameter_or_create(name, shape, inits.get(name, default), True, not fix_parameters)

    sizes = {
        "q": (query.shape[2], embedding),
        "k": (key.shape[2], embedding),
        "v": (value.shape[2], value_embedding),
        "out": (value_embedding, outputs),
    }
    # All weights before all biases: the order in which NNabla draws and registers them.
    params = {
        f"{name}_weight": parameter(f"{name}_weight", size, glorot(None, *size, rng=rng))
        for name, size in sizes.items()
    }
    if with_bias:
        for name, (_, size) in sizes.items():
            params[f"{name}_bias"] = parameter(f"{name}_bias", (size,), ConstantInitializer(0))
    if add_attn_bias:
        for name in ("k", "v"):
            size = sizes[name][1]
            shape = (1, 1, size)
            params[f"attn_bias_{name}"] = parameter(f"attn_bias_{name}", shape, glorot(None, 1, size, rng=rng))
    return F.multi_head_attention(
        query,
        key,
        value,
        num_heads,
        **params,
        dropout=dropout,
        additive_mask=additive_mask,
        key_padding_mask=key_padding_mask,
    )


def _added_and_normalized(x: Any, branch: Any, dropout: float, fix_parameters: bool, name: str) -> Any:
    """A branch on top of `x`, and the normalization after it."""
    if dropout > 0:
        branch = F.dropout(branch, p=dropout)
    return layer_normalization(x + branch, batch_axis=[0, 1], fix_parameters=fix_parameters, name=name)


def _feed_forward(
    x: Any,
    hidden: int,
    dropout: float,
    activation: Activation,
    fix_parameters: bool,
    prefix: str,
) -> Any:
    """Two affine layers, for each position alike."""
    y = affine(x, hidden, base_axis=2, fix_parameters=fix_parameters, name=f"{prefix}_affine1")
    y = F.relu(y) if activation is None else activation(y)
    if dropout > 0:
        y = F.dropout(y, p=dropout)
    return affine(y, x.shape[2], base_axis=2, fix_parameters=fix_parameters, name=f"{prefix}_affine2")


@parametric_function_api("transformer_encode")
def transformer_encode(
    src: Any,
    embed_dim: int,
    num_heads: int,
    dim_feedforward: int = 2048,
    dropout: float = 0.1,
    activation: Activation = None,
    src_additive_mask: Any = None,
    src_key_padding_mask: Any = None,
    rng: np.random.RandomState | None = None,
    add_attn_bias: bool = False,
    fix_parameters: bool = False,
) -> Variable:
    """A layer of a transformer's encoder: self-attention, then two affine layers, each with a shortcut.

    Args:
        src: shape ``(S, B, embed_dim)``: source length, batch size, features.
        embed_dim: number of features.
        num_heads: number of heads.
        dim_feedforward: size between the affine layers.
        dropout: probability that an output of a branch is set to 0.
        activation: function between the affine layers; default `nnabla.functions.relu`.
        src_additive_mask: added to the scores before softmax, shape ``(S, S)``.
        src_key_padding_mask: 1 for positions to leave out, else 0, shape ``(B, S)``.
        rng: accepted for compatibility; the parameters are drawn from nnabla's generator.
        add_attn_bias: whether to attend to a further key and value that are learned.
        fix_parameters: do not train the parameters.

    Returns:
        Shape of `src`.

    Raises:
        ShapeError: `src` has another shape.

    Source: Vaswani et al., "Attention is all you need", arXiv:1706.03762, section 3.
    """
    _check_features("transformer_encode", embed_dim, src=src)
    attention, _ = multi_head_attention(
        src,
        src,
        src,
        num_heads,
        add_attn_bias=add_attn_bias,
        additive_mask=src_additive_mask,
        key_padding_mask=src_key_padding_mask,
        fix_parameters=fix_parameters,
        name="src_self_attn",
    )
    x = _added_and_normalized(src, attention, dropout, fix_parameters, "enc_layer_norm1")
    y = _feed_forward(x, dim_feedforward, dropout, activation, fix_parameters, "enc")
    return _added_and_normalized(x, y, dropout, fix_parameters, "enc_layer_norm2")


@parametric_function_api("transformer_decode")
def transformer_decode(
    tgt: Any,
    memory: Any,
    embed_dim: int,
    num_heads: int,
    dim_feedforward: int = 2048,
    dropout: float = 0.1,
    activation: Activation = None,
    tgt_additive_mask: Any = None,
    memory_additive_mask: Any = None,
    tgt_key_padding_mask: Any = None,
    memory_key_padding_mask: Any = None,
    rng: np.random.RandomState | None = None,
    add_attn_bias: bool = False,
    fix_parameters: bool = False,
) -> Variable:
    """A layer of a transformer's decoder: self-attention, attention to the encoder's output, two affine layers.

    Args:
        tgt: shape ``(T, B, embed_dim)``: target length, batch size, features.
        memory: output of the encoder, shape ``(S, B, embed_dim)``.
        embed_dim: number of features.
        num_heads: number of heads.
        dim_feedforward: size between the affine layers.
        dropout: probability that an output of a branch is set to 0.
        activation: function between the affine layers; default `nnabla.functions.relu`.
        tgt_additive_mask: added to the scores of self-attention before softmax, shape ``(T, T)``.
        memory_additive_mask: added to the scores of the other attention, shape ``(T, S)``.
        tgt_key_padding_mask: 1 for positions of `tgt` to leave out, else 0, shape ``(B, T)``.
        memory_key_padding_mask: 1 for positions of `memory` to leave out, else 0, shape ``(B, S)``.
        rng: accepted for compatibility; the parameters are drawn from nnabla's generator.
        add_attn_bias: whether to attend to a further key and value that are learned.
        fix_parameters: do not train the parameters.

    Returns:
        Shape of `tgt`.

    Raises:
        ShapeError: `tgt` or `memory` has another shape.

    Source: Vaswani et al., "Attention is all you need", arXiv:1706.03762, section 3.
    """
    _check_features("transformer_decode", embed_dim, tgt=tgt, memory=memory)
    attention, _ = multi_head_attention(
        tgt,
        tgt,
        tgt,
        num_heads,
        add_attn_bias=add_attn_bias,
        additive_mask=tgt_additive_mask,
        key_padding_mask=tgt_key_padding_mask,
        fix_parameters=fix_parameters,
        name="tgt_self_attn",
    )
    x = _added_and_normalized(tgt, attention, dropout, fix_parameters, "dec_layer_norm1")
    attention, _ = multi_head_attention(
        x,
        memory,
        memory,
        num_heads,
        add_attn_bias=add_attn_bias,
        additive_mask=memory_additive_mask,
        key_padding_mask=memory_key_padding_mask,
        fix_parameters=fix_parameters,
        name="tgt_memory_attn",
    )
    x = _added_and_normalized(x, attention, dropout, fix_parameters, "dec_layer_norm2")
    y = _feed_forward(x, dim_feedforward, dropout, activation, fix_parameters, "dec")
    return _added_and_normalized(x, y, dropout, fix_parameters, "dec_layer_norm3")


@parametric_function_api("transformer")
def transformer(
    src: Any,
    tgt: Any,
    embed_dim: int = 512,
    num_heads: int = 8,
    num_encoder_layers: int = 6,
    num_decoder_layers: int = 6,
    dim_feedforward: int = 2048,
    dropout: float = 0.1,
    activation: Activation = None,
    src_additive_mask: Any = None,
    tgt_additive_mask: Any = None,
    memory_additive_mask: Any = None,
    src_key_padding_mask: Any = None,
    tgt_key_padding_mask: Any = None,
    memory_key_padding_mask: Any = None,
    rng: np.random.RandomState | None = None,
    add_attn_bias: bool = False,
    fix_parameters: bool = False,
) -> Variable:
    """Transformer: layers `transformer_encode`, then layers `transformer_decode`.

    Args:
        src: shape ``(S, B, embed_dim)``: source length, batch size, features.
        tgt: shape ``(T, B, embed_dim)``: target length, batch size, features.
        embed_dim: number of features.
        num_heads: number of heads.
        num_encoder_layers: number of layers of the encoder.
        num_decoder_layers: number of layers of the decoder.
        dim_feedforward: size between the affine layers.
        dropout: probability that an output of a branch is set to 0.
        activation: function between the affine layers; default `nnabla.functions.relu`.
        src_additive_mask: added to the encoder's scores before softmax, shape ``(S, S)``.
        tgt_additive_mask: added to the decoder's scores of self-attention, shape ``(T, T)``.
        memory_additive_mask: added to the decoder's scores of attention to the encoder, shape ``(T, S)``.
        src_key_padding_mask: 1 for positions of `src` to leave out in the encoder, else 0, shape ``(B, S)``.
        tgt_key_padding_mask: 1 for positions of `tgt` to leave out, else 0, shape ``(B, T)``.
        memory_key_padding_mask: 1 for positions to leave out in attention to the encoder, shape ``(B, S)``.
        rng: accepted for compatibility; the parameters are drawn from nnabla's generator.
        add_attn_bias: whether to attend to a further key and value that are learned.
        fix_parameters: do not train the parameters.

    Returns:
        Shape of `tgt`.

    Raises:
        ShapeError: `src` or `tgt` has another shape.

    Source: Vaswani et al., "Attention is all you need", arXiv:1706.03762.
    """
    sizes = (embed_dim, num_heads, dim_feedforward, dropout, activation)
    further = dict(rng=rng, add_attn_bias=add_attn_bias, fix_parameters=fix_parameters)
    memory = src
    for layer in range(num_encoder_layers):
        memory = transformer_encode(
            memory,
            *sizes,
            src_additive_mask=src_additive_mask,
            src_key_padding_mask=src_key_padding_mask,
            **further,
            name=f"encoder{layer:02d}",
        )
    y = tgt
    for layer in range(num_decoder_layers):
        y = transformer_decode(
            y,
            memory,
            *sizes,
            tgt_additive_mask=tgt_additive_mask,
            memory_additive_mask=memory_additive_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            **further,
            name=f"decoder{layer:02d}",
        )
    return y


def _check_features(function: str, embed_dim: int, **inputs: Any) -> None:
    for name, x in inputs.items():
        if x.ndim != 3 or x.shape[2] != embed_dim:
            raise ShapeError(f"{function}: {name} must have shape (length, batch, {embed_dim}), not {x.shape}")
