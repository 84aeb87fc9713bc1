"""Records what the original NNabla does in the cases of the parametric functions.

    python tests/reference/record_parametric.py

writes ``tests/reference/parametric.json`` (signatures; for each case the names, shapes and flags of the parameters
and the functions of the graph) and ``parametric.npz`` (first values of the parameters, outputs, gradients, and what
the forward pass left in parameters that are not trained). Inputs are drawn again from the name of the case.
"""

from __future__ import annotations

import inspect
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import nnabla as nn
import nnabla.functions as F
import nnabla.initializer as I
import nnabla.parametric_functions as PF

FOLDER = Path(__file__).parent
SEED = 412
VERSION = "1.39.0"


class Inputs:
    """Random inputs of one case, the same ones whenever it is run."""

    def __init__(self, key: str) -> None:
        self.random = np.random.RandomState(zlib.crc32(key.encode()))
        self.variables: list[Any] = []

    def __call__(self, *shape: int) -> Any:
        """A variable that wants a gradient, with values in [-1, 1)."""
        variable = nn.Variable(shape, need_grad=True)
        variable.d = self.random.uniform(-1, 1, shape)
        self.variables.append(variable)
        return variable

    def array(self, *shape: int) -> np.ndarray:
        """Values in [-1, 1)."""
        return self.random.uniform(-1, 1, shape).astype(np.float32)


def _scopes(x: Inputs) -> Any:
    with nn.parameter_scope("outer"):
        first = PF.layer_normalization(x(2, 3), name="first")
        return PF.depthwise_convolution(F.reshape(first, (1, 2, 3)), (2,), name="second")


def _twice(x: Inputs) -> Any:
    first = PF.weight_normalization(x(3, 4), name="one")
    return first + PF.weight_normalization(x(3, 4), name="one")


def _cell(x: Inputs) -> list[Any]:
    cell = PF.LSTMCell(2, 3, name="cell")
    for _ in range(3):
        output = cell(x(2, 4))
    return [output, cell.c]


def _cell_given(x: Inputs) -> list[Any]:
    cell = PF.LSTMCell(2, 3, x(2, 3), x(2, 3))
    cell(x(2, 4), w_init=I.ConstantInitializer(0.1), b_init=I.ConstantInitializer(0.2), fix_parameters=True)
    return [cell.h, cell.c]


CASES: dict[str, Callable[[Inputs], Any]] = {
    "scopes": _scopes,
    "shared": _twice,
    # Normalization
    "layer_normalization": lambda x: PF.layer_normalization(x(2, 3, 4)),
    "layer_normalization-axes": lambda x: PF.layer_normalization(x(2, 3, 4), batch_axis=[0, 1], eps=1e-3),
    "layer_normalization-stat": lambda x: PF.layer_normalization(x(2, 3, 4), output_stat=True),
    "layer_normalization-plain": lambda x: PF.layer_normalization(x(2, 3), no_scale=True, no_bias=True),
    "layer_normalization-init": lambda x: PF.layer_normalization(
        x(2, 3), param_init={"gamma": x.array(1, 3), "beta": I.ConstantInitializer(2)}
    ),
    "layer_normalization-fixed": lambda x: PF.layer_normalization(x(2, 3), fix_parameters=True),
    "instance_normalization": lambda x: PF.instance_normalization(x(2, 3, 4)),
    "instance_normalization-last": lambda x: PF.instance_normalization(x(2, 4, 3), channel_axis=2, no_bias=True),
    "instance_normalization-axes": lambda x: PF.instance_normalization(x(2, 3, 2, 4), 2, [0, 1], output_stat=True),
    "instance_normalization-fixed": lambda x: PF.instance_normalization(
        x(2, 3, 4), fix_parameters=True, param_init={"gamma": I.UniformInitializer()}
    ),
    "group_normalization": lambda x: PF.group_normalization(x(2, 4, 3), 2),
    "group_normalization-last": lambda x: PF.group_normalization(x(2, 3, 4), 2, channel_axis=2, no_scale=True),
    "group_normalization-stat": lambda x: PF.group_normalization(x(2, 4, 3), 4, eps=1e-2, output_stat=True),
    "batch_normalization-plain": lambda x: PF.batch_normalization(x(4, 3), no_scale=True, no_bias=True),
    "batch_normalization-fixed": lambda x: PF.batch_normalization(x(4, 3, 2), fix_parameters=True, decay_rate=0.5),
    "fused_batch_normalization": lambda x: PF.fused_batch_normalization(x(4, 3, 2)),
    "fused_batch_normalization-z": lambda x: PF.fused_batch_normalization(x(4, 3, 2), x(4, 3, 2), decay_rate=0.5),
    "fused_batch_normalization-running": lambda x: PF.fused_batch_normalization(
        x(4, 3, 2), batch_stat=False, param_init={"mean": I.ConstantInitializer(0.3)}
    ),
    "fused_batch_normalization-fixed": lambda x: PF.fused_batch_normalization(x(4, 3), fix_parameters=True),
    "fused_batch_normalization-no_scale": lambda x: PF.fused_batch_normalization(x(4, 3), no_scale=True),
    "mean_subtraction": lambda x: PF.mean_subtraction(x(4, 3, 2)),
    "mean_subtraction-base": lambda x: PF.mean_subtraction(x(4, 3, 2), base_axis=2, fix_parameters=True),
    "mean_subtraction-running": lambda x: PF.mean_subtraction(x(4, 3), update_running_mean=False),
    "prelu": lambda x: PF.prelu(x(2, 3, 4)),
    "prelu-channels": lambda x: PF.prelu(x(2, 3, 4), shared=False),
    "prelu-last": lambda x: PF.prelu(x(2, 3, 4), base_axis=2, shared=False, slope_init=x.array(4)),
    "prelu-fixed": lambda x: PF.prelu(x(2, 3), fix_parameters=True, slope_init=I.ConstantInitializer(-0.5)),
    # Convolutions
    "depthwise_convolution": lambda x: PF.depthwise_convolution(x(2, 3, 5, 6), (2, 3)),
    "depthwise_convolution-1d": lambda x: PF.depthwise_convolution(
        x(2, 3, 8), (3,), pad=(1,), stride=(2,), dilation=(2,), multiplier=2, with_bias=False
    ),
    "depthwise_convolution-rng": lambda x: PF.depthwise_convolution(
        x(3, 5), (2,), base_axis=0, rng=np.random.RandomState(3), fix_parameters=True
    ),
    "depthwise_deconvolution": lambda x: PF.depthwise_deconvolution(x(2, 4, 3, 2), (2, 3)),
    "depthwise_deconvolution-1d": lambda x: PF.depthwise_deconvolution(
        x(2, 4, 6), (3,), pad=(1,), stride=(2,), dilation=(2,), divisor=2, b_init=I.ConstantInitializer(0.5)
    ),
    "depthwise_deconvolution-fixed": lambda x: PF.depthwise_deconvolution(
        x(2, 4, 6), (3,), with_bias=False, fix_parameters=True
    ),
    "deformable_convolution": lambda x: PF.deformable_convolution(x(2, 4, 5, 5), 6, (3, 3), x(2, 18, 5, 5), pad=(1, 1)),
    "deformable_convolution-mask": lambda x: PF.deformable_convolution(
        x(2, 4, 5, 5),
        6,
        (3, 3),
        x(2, 36, 5, 5),
        x(2, 18, 5, 5),
        pad=(1, 1),
        group=2,
        deformable_group=2,
        with_bias=False,
    ),
    "deformable_convolution-hooks": lambda x: PF.deformable_convolution(
        x(1, 2, 4, 4), 2, (3, 3), x(1, 18, 4, 4), pad=(1, 1), apply_w=lambda w: w * 2, apply_b=lambda b: b + 1
    ),
    # Recurrent networks
    "lstm_cell": lambda x: PF.lstm_cell(x(2, 4), x(2, 3), x(2, 3), 3),
    "lstm_cell-fixed": lambda x: PF.lstm_cell(
        x(2, 4), x(2, 3), x(2, 3), 3, w_init=x.array(7, 4, 3), b_init=I.ConstantInitializer(1), fix_parameters=True
    ),
    "LSTMCell": _cell,
    "LSTMCell-given": _cell_given,
    "rnn": lambda x: PF.rnn(x(4, 2, 3), x(1, 1, 2, 5)),
    "rnn-layers": lambda x: PF.rnn(x(4, 2, 3), x(3, 2, 2, 5), num_layers=3, nonlinearity="relu", bidirectional=True),
    "rnn-plain": lambda x: PF.rnn(x(4, 2, 3), x(1, 1, 2, 5), with_bias=False, fix_parameters=True),
    "rnn-init": lambda x: PF.rnn(
        x(4, 2, 3),
        x(2, 1, 2, 5),
        num_layers=2,
        w0_init=I.ConstantInitializer(0.1),
        w_init=I.ConstantInitializer(0.2),
        b_init=I.ConstantInitializer(0.3),
    ),
    "lstm": lambda x: PF.lstm(x(4, 2, 3), x(1, 1, 2, 5), x(1, 1, 2, 5)),
    "lstm-layers": lambda x: PF.lstm(x(4, 2, 3), x(2, 2, 2, 5), x(2, 2, 2, 5), num_layers=2, bidirectional=True),
    "lstm-plain": lambda x: PF.lstm(
        x(4, 2, 3), x(2, 1, 2, 5), x(2, 1, 2, 5), num_layers=2, with_bias=False, rng=np.random.RandomState(9)
    ),
    "gru": lambda x: PF.gru(x(4, 2, 3), x(1, 1, 2, 5)),
    "gru-layers": lambda x: PF.gru(x(4, 2, 3), x(2, 2, 2, 5), num_layers=2, bidirectional=True),
    "gru-plain": lambda x: PF.gru(x(4, 2, 3), x(1, 2, 2, 5), bidirectional=True, with_bias=False, fix_parameters=True),
    # Reparameterized weights
    "spectral_norm": lambda x: PF.spectral_norm(x(3, 4)),
    "spectral_norm-dim": lambda x: PF.spectral_norm(x(3, 4, 2), dim=1, itr=3),
    "spectral_norm-init": lambda x: PF.spectral_norm(x(3, 4), u_init=x.array(3), fix_parameters=False),
    "spectral_norm-hook": lambda x: PF.affine(x(2, 4), 3, apply_w=lambda w: PF.spectral_norm(w, dim=1)),
    "weight_normalization": lambda x: PF.weight_normalization(x(3, 4)),
    "weight_normalization-dim": lambda x: PF.weight_normalization(x(3, 4, 2), dim=1, eps=1e-2),
    "weight_normalization-init": lambda x: PF.weight_normalization(
        x(3, 4), dim=-1, g_init=I.ConstantInitializer(0.7), fix_parameters=True
    ),
    "weight_normalization-array": lambda x: PF.weight_normalization(x(3, 4), g_init=x.array(3)),
    "weight_normalization-hook": lambda x: PF.convolution(x(2, 4, 5), 3, (2,), apply_w=PF.weight_normalization),
    # Attention
    "multi_head_attention": lambda x: PF.multi_head_attention(x(3, 2, 8), x(5, 2, 8), x(5, 2, 8), num_heads=2),
    "multi_head_attention-dims": lambda x: PF.multi_head_attention(
        x(3, 2, 8), x(5, 2, 6), x(5, 2, 4), num_heads=2, k_embed_dim=12, v_embed_dim=10, out_dim=6, add_attn_bias=True
    ),
    "multi_head_attention-masks": lambda x: PF.multi_head_attention(
        x(3, 2, 8), x(5, 2, 8), x(5, 2, 8), 4, with_bias=False, additive_mask=x(3, 5), key_padding_mask=_padding(2, 5)
    ),
    "multi_head_attention-init": lambda x: PF.multi_head_attention(
        x(3, 2, 4),
        x(5, 2, 4),
        x(5, 2, 4),
        2,
        fix_parameters=True,
        param_init={"q_weight": I.ConstantInitializer(0.3), "out_bias": I.ConstantInitializer(1)},
        rng=np.random.RandomState(7),
    ),
    "transformer_encode": lambda x: PF.transformer_encode(x(3, 2, 8), 8, 2, 12, dropout=0.0),
    "transformer_encode-masks": lambda x: PF.transformer_encode(
        x(3, 2, 8),
        8,
        2,
        12,
        dropout=0.0,
        activation=F.gelu,
        src_additive_mask=x(3, 3),
        src_key_padding_mask=_padding(2, 3),
        rng=np.random.RandomState(8),
        add_attn_bias=True,
    ),
    "transformer_encode-fixed": lambda x: PF.transformer_encode(x(3, 2, 8), 8, 4, 12, dropout=0.0, fix_parameters=True),
    "transformer_decode": lambda x: PF.transformer_decode(x(3, 2, 8), x(5, 2, 8), 8, 2, 12, dropout=0.0),
    "transformer_decode-masks": lambda x: PF.transformer_decode(
        x(3, 2, 8),
        x(5, 2, 8),
        8,
        2,
        12,
        dropout=0.0,
        tgt_additive_mask=x(3, 3),
        memory_additive_mask=x(3, 5),
        tgt_key_padding_mask=_padding(2, 3),
        memory_key_padding_mask=_padding(2, 5),
        add_attn_bias=True,
    ),
    "transformer_decode-fixed": lambda x: PF.transformer_decode(
        x(3, 2, 8), x(5, 2, 8), 8, 4, 12, dropout=0.0, fix_parameters=True
    ),
    "transformer": lambda x: PF.transformer(x(5, 2, 8), x(3, 2, 8), 8, 2, 2, 2, 12, dropout=0.0),
    # Quantized weights
    "binary_connect_affine": lambda x: PF.binary_connect_affine(x(2, 4), 3),
    "binary_connect_affine-zero": lambda x: PF.binary_connect_affine(
        x(2, 3, 4), (2, 3), 2, 0.0, w_init=x.array(4, 2, 3).round(), wb_init=I.ConstantInitializer(0), with_bias=False
    ),
    "binary_connect_convolution": lambda x: PF.binary_connect_convolution(x(2, 4, 5), 6, (2,)),
    "binary_connect_convolution-plain": lambda x: PF.binary_connect_convolution(
        x(2, 4, 5), 6, (3,), pad=(1,), stride=(2,), dilation=(1,), fix_parameters=True, rng=np.random.RandomState(5)
    ),
    "binary_weight_affine": lambda x: PF.binary_weight_affine(x(2, 4), 3),
    "binary_weight_affine-outmaps": lambda x: PF.binary_weight_affine(x(2, 3, 4), (2, 3), 1, b_init=x.array(2, 3)),
    "binary_weight_affine-fixed": lambda x: PF.binary_weight_affine(x(2, 4), 3, fix_parameters=True, with_bias=False),
    "binary_weight_convolution": lambda x: PF.binary_weight_convolution(x(2, 4, 5), 6, (2,)),
    "binary_weight_convolution-fixed": lambda x: PF.binary_weight_convolution(
        x(2, 4, 5), 6, (2,), wb_init=I.ConstantInitializer(0), fix_parameters=True
    ),
    "inq_affine": lambda x: PF.inq_affine(x(2, 4), 3),
    "inq_affine-fixing": lambda x: PF.inq_affine(
        x(2, 4), (3, 2), num_bits=3, i_init=I.ConstantInitializer(1), with_bias=False, selection_algorithm="largest_abs"
    ),
    "inq_convolution": lambda x: PF.inq_convolution(x(2, 4, 5), 6, (2,)),
    "inq_convolution-fixed": lambda x: PF.inq_convolution(x(2, 4, 5), 6, (2,), fix_parameters=True),
    "fixed_point_quantized_affine": lambda x: PF.fixed_point_quantized_affine(x(2, 4), 3, b_init=x.array(3)),
    "fixed_point_quantized_affine-options": lambda x: PF.fixed_point_quantized_affine(
        x(2, 3, 4),
        (3, 2),
        2,
        n_w=3,
        delta_w=0.25,
        ste_fine_grained_w=False,
        quantize_b=False,
        rng=np.random.RandomState(1),
    ),
    "fixed_point_quantized_affine-unquantized": lambda x: PF.fixed_point_quantized_affine(
        x(2, 4), 3, quantize_w=False, sign_b=False, delta_b=0.5, fix_parameters=True, b_init=x.array(3)
    ),
    "fixed_point_quantized_convolution": lambda x: PF.fixed_point_quantized_convolution(x(2, 4, 5), 6, (2,), group=2),
    "fixed_point_quantized_convolution-plain": lambda x: PF.fixed_point_quantized_convolution(
        x(2, 4, 5), 6, (2,), pad=(1,), stride=(2,), with_bias=False, sign_w=False
    ),
    "pow2_quantized_affine": lambda x: PF.pow2_quantized_affine(x(2, 4), 3, b_init=x.array(3)),
    "pow2_quantized_affine-options": lambda x: PF.pow2_quantized_affine(
        x(2, 4), 3, with_zero_w=True, n_w=4, m_w=0, ste_fine_grained_w=False, quantize_b=False, sign_w=False
    ),
    "pow2_quantized_convolution": lambda x: PF.pow2_quantized_convolution(x(2, 4, 5), 6, (2,), group=2),
    "pow2_quantized_convolution-fixed": lambda x: PF.pow2_quantized_convolution(
        x(2, 4, 5), 6, (2,), quantize_w=False, fix_parameters=True, with_zero_b=True, b_init=x.array(6)
    ),
    "pruned_affine": lambda x: PF.pruned_affine(x(2, 4), 3, rate_w=0.5, b_init=x.array(3)),
    "pruned_affine-weight": lambda x: PF.pruned_affine(x(2, 4), 3, prune_b=False, fix_parameters=True),
    "pruned_affine-bias": lambda x: PF.pruned_affine(x(2, 4), 6, prune_w=False, rate_b=0.4, b_init=x.array(6)),
    "pruned_convolution": lambda x: PF.pruned_convolution(x(2, 4, 5), 6, (2,), rate_w=0.6, group=2),
    "pruned_convolution-rng": lambda x: PF.pruned_convolution(
        x(2, 4, 5), 6, (2,), dilation=(2,), with_bias=False, rng=np.random.RandomState(4)
    ),
    "min_max_quantize": lambda x: PF.min_max_quantize(x(3, 4)),
    "min_max_quantize-x": lambda x: PF.min_max_quantize(x(3, 4), 1, 15, x_min_max=True, ste_fine_grained=False),
    "min_max_quantize-ema": lambda x: PF.min_max_quantize(x(3, 4), x_min_max=True, ema=True, decay=0.9),
    "min_max_quantize-init": lambda x: PF.min_max_quantize(
        x(3, 4), qr_min_init=I.ConstantInitializer(-0.5), qr_max_init=I.ConstantInitializer(0.5), fix_parameters=True
    ),
    "min_max_quantized_affine": lambda x: PF.min_max_quantized_affine(x(2, 4), 3, b_init=x.array(3)),
    "min_max_quantized_affine-options": lambda x: PF.min_max_quantized_affine(
        x(2, 4), 3, w_min_max=True, ql_max_w=15, ste_fine_grained_w=False, quantize_b=False
    ),
    "min_max_quantized_affine-fixed": lambda x: PF.min_max_quantized_affine(
        x(2, 4), 3, quantize_w=False, fix_parameters=True, b_init=x.array(3), qr_max_b_init=I.ConstantInitializer(0.7)
    ),
    "min_max_quantized_convolution": lambda x: PF.min_max_quantized_convolution(x(2, 4, 5), 6, (2,), group=2),
    "min_max_quantized_convolution-measured": lambda x: PF.min_max_quantized_convolution(
        x(2, 4, 5), 6, (2,), b_min_max=True, b_init=x.array(6)
    ),
    # Factorized weights
    "svd_affine": lambda x: PF.svd_affine(x(2, 4), 3, 2),
    "svd_affine-init": lambda x: PF.svd_affine(
        x(2, 3, 4), (3, 2), 2, base_axis=2, uv_init=x.array(4, 3, 2), with_bias=False, fix_parameters=True
    ),
    "svd_affine-initializer": lambda x: PF.svd_affine(x(2, 4), 3, 3, uv_init=I.NormalInitializer(0.5)),
    "svd_convolution": lambda x: PF.svd_convolution(x(2, 3, 5, 6), 4, (2, 3), 2),
    "svd_convolution-init": lambda x: PF.svd_convolution(
        x(2, 3, 6), 5, (3,), 2, pad=(1,), stride=(2,), dilation=(1,), uv_init=x.array(5, 3, 3), b_init=x.array(5)
    ),
    "cpd3_convolution": lambda x: PF.cpd3_convolution(x(2, 3, 5, 6), 4, (2, 3), 2, max_iter=5),
    "cpd3_convolution-init": lambda x: PF.cpd3_convolution(
        x(2, 3, 6), 4, (3,), 3, pad=(1,), stride=(2,), oik_init=x.array(4, 3, 3), lambda_reg=0.1, with_bias=False
    ),
    "transformer-dropout": lambda x: [
        F.constant(0, y.shape) for y in [PF.transformer_encode(x(3, 2, 8), 8, 2, 12, dropout=0.5)]
    ],
}


def _padding(batch: int, length: int) -> Any:
    mask = nn.Variable((batch, length))
    mask.d = np.arange(length) >= length - np.arange(batch)[:, None]
    return mask


def as_list(outputs: Any) -> list[Any]:
    """The outputs of a function, be it one or many."""
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def run(key: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What happens in a case: facts about parameters and graph, and arrays by name."""
    nn.clear_parameters()
    nn.seed(SEED)
    nn.random.prng = np.random.RandomState(SEED)
    inputs = Inputs(key)
    outputs = as_list(CASES[key](inputs))
    params = nn.get_parameters(grad_only=False)
    # Random weights: plain sums have no gradient below a normalization.
    weighted = [F.sum(y * nn.Variable.from_numpy_array(inputs.array(*y.shape))) for y in outputs]
    total = F.add_n(*weighted)
    types: list[str] = []
    for y in outputs:
        y.visit(lambda f: types.append(f.info.type_name))
    arrays = {f"param/{name}": p.d.copy() for name, p in params.items()}
    for variable in [*inputs.variables, *params.values()]:
        variable.grad.zero()
    total.forward()
    total.backward()
    arrays |= {f"output/{i}": y.d.copy() for i, y in enumerate(outputs)}
    arrays |= {f"dx/{i}": x.g.copy() for i, x in enumerate(inputs.variables)}
    for name, p in params.items():
        arrays[f"grad/{name}" if p.need_grad else f"after/{name}"] = (p.g if p.need_grad else p.d).copy()
    facts = {
        "parameters": [[name, list(p.shape), p.need_grad] for name, p in params.items()],
        "types": types,
    }
    nn.clear_parameters()
    return facts, arrays


def signatures() -> dict[str, str]:
    """Of everything in the module that is defined there."""
    return {
        name: str(inspect.signature(value))
        for name, value in sorted(vars(PF).items())
        if callable(value) and getattr(value, "__module__", "") == PF.__name__ and not name.startswith("_")
    }


def main() -> None:
    """Writes both files."""
    if not hasattr(nn, "_version") or nn.__version__ != VERSION:
        raise SystemExit(f"the reference is the original NNabla {VERSION}; this is {nn.__version__} at {nn.__file__}")
    facts, arrays = {}, {}
    for key in CASES:
        try:
            facts[key], found = run(key)
        except RuntimeError as error:
            raise SystemExit(f"{key}: the original refuses this case: {error}") from error
        arrays |= {f"{key}/{name}": values for name, values in found.items()}
    record = {"source": f"NNabla {nn.__version__}", "signatures": signatures(), "cases": facts}
    (FOLDER / "parametric.json").write_text(json.dumps(record, indent=1) + "\n")
    np.savez_compressed(FOLDER / "parametric.npz", **arrays)
    print(len(facts), "cases,", (FOLDER / "parametric.npz").stat().st_size, "bytes")


if __name__ == "__main__":
    main()
