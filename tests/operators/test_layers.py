"""Layers where no record is a judge: memory formats, channel-last order, attention, dropout between layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla.errors import ArgumentError, ShapeError


def variable(rng: np.random.RandomState, *shape: int) -> nn.Variable:
    """Normal values, with a gradient that is wanted and 0."""
    x = nn.Variable.from_numpy_array(rng.standard_normal(shape).astype("float32"), need_grad=True)
    x.grad.zero()
    return x


def close(a: Any, b: Any, tolerance: float = 2e-5) -> bool:
    """Whether two arrays agree, relative to the largest value."""
    return bool(np.allclose(a, b, rtol=0, atol=tolerance * max(1.0, float(np.abs(b).max()))))


# ---- memory formats ----------------------------------------------------------------------------------------------

CONVOLUTIONS: dict[str, tuple[Callable[..., Any], tuple, tuple, dict]] = {
    "plain": (F.convolution, (2, 4, 6, 7), (5, 4, 3, 3), {"pad": (1, 1)}),
    "pointwise": (F.convolution, (2, 4, 6, 7), (5, 4, 1, 1), {}),
    "one channel": (F.convolution, (2, 1, 6, 7), (5, 1, 3, 3), {}),
    "one map": (F.convolution, (2, 4, 6, 7), (1, 4, 3, 3), {}),
    "large weight": (F.convolution, (1, 24, 3, 3), (32, 24, 3, 3), {"pad": (1, 1)}),
    "1 axis": (F.convolution, (2, 4, 9), (5, 4, 3), {}),
    "3 axes": (F.convolution, (2, 4, 4, 5, 6), (5, 4, 2, 3, 2), {}),
    "channel last": (F.convolution, (2, 6, 7, 4), (5, 3, 3, 4), {"channel_last": True}),
    "depthwise": (F.depthwise_convolution, (2, 4, 6, 7), (8, 3, 3), {"multiplier": 2}),
    "transposed": (F.deconvolution, (2, 4, 6, 7), (4, 5, 3, 3), {"stride": (2, 2)}),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_weight_gradients_lie_like_weights(name: str) -> None:
    """Solvers update all parameters in one kernel only if strides are the same."""
    function, x_shape, w_shape, args = CONVOLUTIONS[name]
    rng = np.random.RandomState(0)
    x, w = variable(rng, *x_shape), variable(rng, *w_shape)
    y = function(x, w, **args)
    y.forward()
    y.backward()
    assert w.grad._tensor.stride() == w.data._tensor.stride()


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("pooled", [False, True])
def test_a_chain_keeps_its_values_in_any_format(name: str, pooled: bool) -> None:
    """Convolution, activation, pooling and reshaping give in float32 what they give in float64, where no layout
    is special."""
    function, x_shape, w_shape, args = CONVOLUTIONS[name]
    found = []
    for config in ("float", "double"):
        rng = np.random.RandomState(1)
        with nn.context_scope(nn.Context([f"cpu:{config}"])):
            x, w = variable(rng, *x_shape), variable(rng, *w_shape)
            y = F.tanh(function(x, w, **args))
            if pooled and len(y.shape) > 3:
                kernel = (2,) * (len(y.shape) - 2)
                last = bool(args.get("channel_last"))
                y = F.max_pooling(y, kernel, stride=(1,) * len(kernel), channel_last=last)
                y = F.average_pooling(y, kernel, ignore_border=False, channel_last=last)
            y = F.reshape(y, (y.shape[0], -1))
            dy = variable(rng, *y.shape).d
            y.forward()
            y.backward(dy)
            found.append((y.d.copy(), x.g.copy(), w.g.copy()))
    for single, double in zip(*found, strict=True):
        assert close(single, double)


# ---- channel-last order ------------------------------------------------------------------------------------------

LAST: dict[str, tuple[Callable[..., Any], list[tuple | None], dict]] = {
    "unpooling": (F.unpooling, [(2, 3, 4, 5)], {"kernel": (2, 3)}),
    "max_pooling_backward": (F.max_pooling_backward, [(2, 3, 2, 2), (2, 3, 5, 4)], {"kernel": (2, 2)}),
    "deformable_convolution": (
        F.deformable_convolution,
        [(2, 4, 5, 6), (2, 2, 3, 3), (2, 36, 5, 6), (2, 18, 5, 6), None],
        {"pad": (1, 1), "group": 2, "deformable_group": 2},
    ),
    "fused_convolution": (
        F.fused_convolution,
        [(2, 4, 5, 6), (3, 4, 3, 3), None, None, None, None, None, (2, 3, 5, 6)],
        {"pad": (1, 1), "pad_mode": "repeat"},
    ),
}


@pytest.mark.parametrize("name", LAST)
def test_channel_last_is_the_same_function(name: str) -> None:
    """On arrays with the channel axis moved to the end: outputs and gradients move with it."""
    function, shapes, args = LAST[name]
    rng = np.random.RandomState(2)
    arrays = [None if s is None else rng.standard_normal(s).astype("float32") for s in shapes]
    found = []
    for last in (False, True):
        xs = [
            None if a is None else nn.Variable.from_numpy_array(np.moveaxis(a, 1, -1) if last else a, need_grad=True)
            for a in arrays
        ]
        y = function(*xs, **args, channel_last=last)
        y.forward()
        dy = np.random.RandomState(3).standard_normal(np.moveaxis(y.d, -1, 1).shape if last else y.shape)
        for x in xs:
            if x is not None:
                x.grad.zero()
        y.backward(np.ascontiguousarray(np.moveaxis(dy, 1, -1)) if last else dy)
        results = [y.d, *[x.g for x in xs if x is not None]]
        found.append([np.moveaxis(r, -1, 1) if last else r for r in results])
    for first, last_one in zip(*found, strict=True):
        assert close(last_one, first)


def test_roi_align_channel_last() -> None:
    """The same cells in images with channels last."""
    rng = np.random.RandomState(4)
    images = rng.standard_normal((2, 3, 6, 7)).astype("float32")
    boxes = nn.Variable.from_numpy_array(np.array([[0, 1, 1, 5, 4.5], [1, -2, 0, 3, 9]], "float32"))
    found = []
    for last in (False, True):
        source = np.ascontiguousarray(np.moveaxis(images, 1, -1)) if last else images
        x = nn.Variable.from_numpy_array(source, need_grad=True)
        y = F.roi_align(x, boxes, (2, 3), channel_last=last)
        x.grad.zero()
        y.forward()
        y.backward()
        found.append([np.moveaxis(r, -1, 1) if last else r for r in (y.d, x.g)])
    for first, last_one in zip(*found, strict=True):
        assert close(last_one, first)


# ---- attention ---------------------------------------------------------------------------------------------------


def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray, heads: int, mask: np.ndarray) -> tuple[Any, Any]:
    """Scaled dot products of projected (length, batch, size) arrays, one sample and head at a time."""
    length, batch, size = q.shape
    y = np.zeros((length, batch, v.shape[2]))
    weights = np.zeros((batch * heads, length, k.shape[0]))
    for b in range(batch):
        for h, (qs, ks, vs) in enumerate(zip(*[np.split(a[:, b], heads, axis=1) for a in (q, k, v)], strict=True)):
            scores = np.exp(qs @ ks.T / np.sqrt(size / heads) + mask[b])
            weights[b * heads + h] = scores / scores.sum(1, keepdims=True)
            y[:, b, h * vs.shape[1] : (h + 1) * vs.shape[1]] = weights[b * heads + h] @ vs
    return y, weights


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_multi_head_attention(biased: bool, masked: bool) -> None:
    """Output and weights by the definition."""
    rng = np.random.RandomState(5)
    targets, sources, batch, heads, size, value_size = 3, 4, 2, 2, 6, 4
    arrays = [rng.standard_normal((n, batch, d)) for n, d in ((targets, 5), (sources, 4), (sources, 3))]
    weights = [rng.standard_normal(s) for s in ((5, size), (4, size), (3, value_size), (value_size, 7))]
    biases = [rng.standard_normal(d) for d in (size, size, value_size, 7)]
    further = [rng.standard_normal(d) for d in (size, value_size)]
    additive = rng.standard_normal((targets, sources))
    padding = np.array([[0, 0, 1, 0], [1, 0, 0, 1]])

    def given(a: np.ndarray) -> nn.Variable:
        return nn.Variable.from_numpy_array(a.astype("float32"))

    named = {}
    if biased:
        names = ("q_bias", "k_bias", "v_bias", "out_bias", "attn_bias_k", "attn_bias_v")
        named |= {n: given(b) for n, b in zip(names, [*biases, *further], strict=True)}
    if masked:
        named |= {"additive_mask": given(additive), "key_padding_mask": given(padding)}
    y, found = F.multi_head_attention(*[given(a) for a in arrays], heads, *[given(w) for w in weights], **named)
    nn.forward_all([y, found])

    projected = [a @ w + (b if biased else 0) for a, w, b in zip(arrays, weights, biases, strict=False)]
    mask = np.zeros((batch, 1, sources))
    if masked:
        mask = additive + np.where(padding[:, None, :] == 1, -np.inf, 0.0)
    if biased:
        for i, row in enumerate(further):
            projected[i + 1] = np.concatenate([projected[i + 1], np.broadcast_to(row, (1, batch, row.size))], axis=0)
        mask = np.concatenate([mask, np.zeros((*mask.shape[:2], 1))], axis=2)
    expected, expected_weights = attention(*projected, heads, mask)
    expected = expected @ weights[3] + (biases[3] if biased else 0)
    assert close(y.d, expected) and close(found.d, expected_weights)


def test_multi_head_attention_refuses() -> None:
    """Each condition has its sentence."""
    x, w = nn.Variable((3, 2, 6)), nn.Variable((6, 6))
    with pytest.raises(ArgumentError, match="num_heads must divide 6 and 6"):
        F.multi_head_attention(x, x, x, 4, w, w, w, w)
    with pytest.raises(ArgumentError, match="attn_bias_v must be given both or neither"):
        F.multi_head_attention(x, x, x, 2, w, w, w, w, attn_bias_k=nn.Variable((6,)))
    with pytest.raises(ShapeError, match=r"additive_mask must have shape \(3, 3\)"):
        F.multi_head_attention(x, x, x, 2, w, w, w, w, additive_mask=nn.Variable((3, 2)))


# ---- recurrent layers --------------------------------------------------------------------------------------------


def two_layers(dropout: float, training: bool = True) -> tuple[nn.Variable, nn.Variable]:
    """Two layers of one unit, which pass x = 1 on unchanged; x, and what comes out."""
    x = nn.Variable.from_numpy_array(np.ones((4000, 1, 1), "float32"), need_grad=True)
    h = nn.Variable.from_numpy_array(np.zeros((2, 1, 1, 1), "float32"))
    first = nn.Variable.from_numpy_array(np.array([[[1.0, 0.0]]], "float32"))
    second = nn.Variable.from_numpy_array(np.array([[[[1.0, 0.0]]]], "float32"))
    y, _ = F.rnn(x, h, first, second, None, 2, "relu", dropout, training=training)
    return x, y


def test_dropout_between_layers() -> None:
    """A quarter is dropped between two layers, the rest is scaled; the gradient passes where values did."""
    nn.seed(1)
    x, y = two_layers(0.25)
    y.forward()
    kept = y.d[:, 0, 0] > 0
    assert close(np.unique(y.d), [0.0, 1 / 0.75])
    # Four standard deviations of the mean of 4000.
    assert abs(kept.mean() - 0.75) < 4 * np.sqrt(0.25 * 0.75 / 4000)
    x.grad.zero()
    y.backward()
    assert close(x.g[:, 0, 0], kept / 0.75)


def test_dropout_follows_the_seed() -> None:
    """The same seed, the same numbers; the next forward draws others."""
    found = []
    for _ in range(2):
        nn.seed(3)
        _, y = two_layers(0.5)
        y.forward()
        found.append(y.d.copy())
        y.forward()
        assert not np.array_equal(found[-1], y.d)
    assert np.array_equal(*found)


def test_recomputed_layers_drop_the_same() -> None:
    """A gradient that computes the layers again uses the mask that forward used."""
    nn.seed(4)
    x, y = two_layers(0.5)
    y.apply(recompute=True)
    z = F.sum(y * y)
    kept: list[np.ndarray] = []
    y.apply(persistent=False)
    z.forward(function_post_hook=lambda f: kept.append(f.outputs[0].d.copy()) if f.name == "RNN" else None)
    x.grad.zero()
    z.backward(clear_buffer=True)
    assert close(x.g, 2 * kept[0] / 0.5)


def test_no_dropout_without_training() -> None:
    """With training=False all values pass, and there is no gradient."""
    _, y = two_layers(0.5, training=False)
    y.forward()
    assert close(y.d, np.ones(y.shape))
    with pytest.raises(RuntimeError, match="training=True only"):
        y.backward()


# ---- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [-1, 4])
def test_embed_refuses_indices_out_of_range(wrong: int) -> None:
    """Nothing is read beyond the table."""
    x = nn.Variable.from_numpy_array(np.array([0, wrong]))
    y = F.embed(x, nn.Variable((4, 3)))
    with pytest.raises(ArgumentError, match=rf"embed: x0 must be in \[0, 4\), the rows of w, not {wrong}"):
        y.forward()


def test_max_pooling_refuses_windows_without_elements() -> None:
    """A window of pad only has no maximum."""
    with pytest.raises(ArgumentError, match=r"max_pooling: pad must be less than kernel \(2, 2\)"):
        F.max_pooling(nn.Variable((1, 1, 4, 4)), (2, 2), pad=(2, 0))


def test_deformable_convolution_refuses_windows_without_offsets() -> None:
    """Windows must start at pixels, for which there are offsets."""
    x, w, offset = nn.Variable((1, 1, 4, 4)), nn.Variable((1, 1, 1, 1)), nn.Variable((1, 2, 4, 4))
    with pytest.raises(ArgumentError, match=r"pad\[0\] must leave 4 windows"):
        F.deformable_convolution(x, w, offset, pad=(1, 0))


# ---- the fused convolution against its parts ---------------------------------------------------------------------


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("batch_stat", [False, True])
@pytest.mark.parametrize(
    ("nonlinearity", "args", "part"),
    [
        ("relu", (), F.relu),
        ("leaky_relu", (-0.5,), lambda y: F.leaky_relu(y, -0.5)),  # The result does not tell the input.
        ("elu", (2.0,), lambda y: F.elu(y, 2.0)),
        ("identity", (), lambda y: y),
    ],
)
def test_fused_convolution_is_its_parts(
    last: bool, batch_stat: bool, nonlinearity: str, args: tuple[float, ...], part: Callable[..., Any]
) -> None:
    """Outputs, all gradients and the running statistics."""
    shapes = [(2, 3, 6, 5), (4, 3, 3, 3), (4,), *[(1, 4, 1, 1)] * 2, (2, 4, 6, 5)]
    if last:
        shapes = [(2, 6, 5, 3), (4, 3, 3, 3), (4,), *[(1, 1, 1, 4)] * 2, (2, 6, 5, 4)]
    found = []
    for fused in (True, False):
        rng = np.random.RandomState(5)
        x, w, b, beta, gamma, z = xs = [variable(rng, *shape) for shape in shapes]
        mean = nn.Variable.from_numpy_array(rng.standard_normal(beta.shape))
        deviation = nn.Variable.from_numpy_array(1 + rng.rand(*beta.shape))
        if fused:
            y = F.fused_convolution(
                x, w, b, beta, gamma, mean, deviation, z, pad=(1, 1), channel_last=last, batch_stat=batch_stat,
                nonlinearity=nonlinearity, nonlinearity_args=args,
            )  # fmt: skip
        else:
            y = F.convolution(x, w, b, pad=(1, 1), channel_last=last)
            axes = [3 if last else 1]
            y = part(F.batch_normalization(y, beta, gamma, mean, deviation, axes, batch_stat=batch_stat) + z)
        y.forward()
        y.backward(rng.standard_normal(y.shape))
        found.append([y.d, mean.d, deviation.d, *[v.g.copy() for v in xs]])
    for a, b in zip(*found, strict=True):
        assert close(a, b)
