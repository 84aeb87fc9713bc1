"""The networks of `workloads/` as functions of a dict of parameters under NNabla's names.

Images are laid out (N, H, W, C) and convolution weights (H, W, I, O), JAX's usual layout; `import_parameters`
brings NNabla's (N, C, H, W) and (O, I, H, W) there. Functions with batch normalization return the new running
statistics beside their output.
"""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

Params = dict[str, Array]


def is_statistic(name: str) -> bool:
    """Whether a parameter is a running mean or variance, which no gradient updates."""
    return name.endswith(("bn/mean", "bn/var"))


def import_parameters(arrays: Mapping[str, np.ndarray]) -> Params:
    def convert(name: str, array: np.ndarray) -> np.ndarray:
        if name.endswith("conv/W"):
            return array.transpose(2, 3, 1, 0)
        if "/bn/" in name:
            return array.reshape(-1)
        return array

    return {name: jnp.asarray(convert(name, array)) for name, array in arrays.items()}


def affine(p: Params, scope: str, x: Array) -> Array:
    y = x @ p[f"{scope}/affine/W"]
    return y + p[f"{scope}/affine/b"] if f"{scope}/affine/b" in p else y


def convolution(p: Params, scope: str, x: Array, stride: int = 1, pad: int = 0) -> Array:
    y = lax.conv_general_dilated(
        x,
        p[f"{scope}/conv/W"],
        window_strides=(stride, stride),
        padding=((pad, pad), (pad, pad)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return y + p[f"{scope}/conv/b"] if f"{scope}/conv/b" in p else y


def max_pooling_2x2(x: Array) -> Array:
    """Windows do not overlap, so a reshaped array serves; its gradient is faster than `reduce_window`'s."""
    n, height, width, channels = x.shape
    return x.reshape(n, height // 2, 2, width // 2, 2, channels).max((2, 4))


def flatten_channels_first(x: Array) -> Array:
    """To a matrix in NNabla's order of features, (C, H, W)."""
    return x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)


class BatchNormalization:
    """Normalizes, and in training collects the new running statistics in `statistics`."""

    def __init__(self, p: Params, training: bool) -> None:
        self.p, self.training = p, training
        self.statistics: Params = {}

    def __call__(self, scope: str, x: Array) -> Array:
        names = {key: f"{scope}/bn/{key}" for key in ("beta", "gamma", "mean", "var")}
        mean, var = self.p[names["mean"]], self.p[names["var"]]
        if self.training:
            batch_mean, batch_var = jnp.mean(x, (0, 1, 2)), jnp.var(x, (0, 1, 2))
            size = x.size // x.shape[-1]
            self.statistics[names["mean"]] = 0.9 * mean + 0.1 * batch_mean
            self.statistics[names["var"]] = 0.9 * var + 0.1 * batch_var * (size / (size - 1))
            mean, var = batch_mean, batch_var
        scale = self.p[names["gamma"]] * lax.rsqrt(var + 1e-5)
        return (x - mean) * scale + self.p[names["beta"]]


def mlp(p: Params, x: Array) -> Array:
    for i in range(4):
        x = jnp.tanh(affine(p, f"fc{i}", x))
    return affine(p, "fc", x)


def lenet(p: Params, x: Array) -> Array:
    h = x.transpose(0, 2, 3, 1)
    h = jax.nn.relu(max_pooling_2x2(convolution(p, "conv1", h)))
    h = jax.nn.relu(max_pooling_2x2(convolution(p, "conv2", h)))
    h = jax.nn.relu(affine(p, "fc3", flatten_channels_first(h)))
    return affine(p, "fc4", h)


def cnn12(p: Params, x: Array) -> tuple[Array, Params]:
    norm = BatchNormalization(p, training=True)
    h = x.transpose(0, 2, 3, 1)
    for scope in (*(f"cnn/conv{i}" for i in range(1, 12)), "cnn/conv_last"):
        h = jnp.tanh(norm(scope, convolution(p, scope, h, pad=1)))
    n, height, width, channels = h.shape
    h = h.reshape(n, height // 2, 2, width // 2, 2, channels).mean((2, 4))
    h = jnp.tanh(affine(p, "cnn/fc", flatten_channels_first(h)))
    return affine(p, "cnn/classifier", h), norm.statistics


def resnet18(p: Params, x: Array, training: bool = True) -> tuple[Array, Params]:
    norm = BatchNormalization(p, training)

    def conv_bn(scope: str, x: Array, stride: int, pad: int) -> Array:
        return norm(scope, convolution(p, scope, x, stride, pad))

    h = jax.nn.relu(conv_bn("stem", x.transpose(0, 2, 3, 1), 2, 3))
    padding = ((0, 0), (1, 1), (1, 1), (0, 0))
    h = lax.reduce_window(h, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), padding)
    for i in range(4):
        for j in range(2):
            scope = f"stage{i}/block{j}"
            stride = 2 if i > 0 and j == 0 else 1
            y = jax.nn.relu(conv_bn(f"{scope}/conv1", h, stride, 1))
            y = conv_bn(f"{scope}/conv2", y, 1, 1)
            if f"{scope}/shortcut/conv/W" in p:
                h = conv_bn(f"{scope}/shortcut", h, stride, 0)
            h = jax.nn.relu(h + y)
    return affine(p, "fc", h.mean((1, 2))), norm.statistics


def elman(p: Params, image: Array) -> Array:
    h = jnp.zeros((image.shape[0], 32))
    for i in (0, 4):
        for j in (0, 4):
            quarter = image[..., i : i + 4, j : j + 4].reshape(image.shape[0], -1)
            h = jnp.tanh(affine(p, "rnn/x2h", quarter) + affine(p, "rnn/h2h", h))
    return affine(p, "rnn/classifier", h)


def lstm(p: Params, sequence: Array) -> Array:
    weight = p["lstm/affine/W"].reshape(512, -1)
    bias = p["lstm/affine/b"].reshape(-1)

    def cell(state: tuple[Array, Array], x: Array) -> tuple[tuple[Array, Array], None]:
        h, c = state
        i, o, f, u = jnp.split(jnp.concatenate((x, h), 1) @ weight + bias, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(u)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    zeros = jnp.zeros((sequence.shape[1], 256))
    (h, _), _ = lax.scan(cell, (zeros, zeros), sequence)
    return affine(p, "classifier", h)


def gru(p: Params, sequence: Array) -> Array:
    def cell(h: Array, x: Array) -> tuple[Array, None]:
        def gate(name: str) -> tuple[Array, Array]:
            return affine(p, f"gru/{name}/x", x), affine(p, f"gru/{name}/h", h)

        update = jax.nn.sigmoid(sum(gate("update")))
        reset = jax.nn.sigmoid(sum(gate("reset")))
        of_x, of_h = gate("candidate")
        return update * h + (1 - update) * jnp.tanh(of_x + reset * of_h), None

    h, _ = lax.scan(cell, jnp.zeros((sequence.shape[1], 32)), sequence)
    return affine(p, "classifier", h)


def small_transformer(p: Params, x: Array) -> Array:
    for i in range(2):
        x = encoder_layer(p, x, 4, f"layer{i}/")
    return x


def encoder_layer(p: Params, x: Array, heads: int = 8, scope: str = "") -> Array:
    p = {name.removeprefix(scope): value for name, value in p.items() if name.startswith(scope)}

    def norm(scope: str, x: Array) -> Array:
        scope = f"{scope}/layer_normalization"
        mean, var = jnp.mean(x, -1, keepdims=True), jnp.var(x, -1, keepdims=True)
        return (x - mean) * lax.rsqrt(var + 1e-5) * p[f"{scope}/gamma"] + p[f"{scope}/beta"]

    batch, tokens, width = x.shape
    qkv = affine(p, "qkv", x).reshape(batch, tokens, 3, heads, width // heads)
    y = jax.nn.dot_product_attention(qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2]).reshape(x.shape)
    x = norm("norm1", x + affine(p, "projection", y))
    h = jax.nn.relu(affine(p, "inner", x))
    return norm("norm2", x + affine(p, "outer", h))
