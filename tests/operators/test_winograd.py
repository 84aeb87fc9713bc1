"""Convolutions by minimal filtering compute what the usual ones do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.operators import winograd as module
from nnabla.operators.convolution_kernels import Direct, Geometry
from nnabla.operators.layout import into_contiguous


def geometry(batch: int, channels: int, maps: int, lengths: tuple[int, int], pad: tuple[int, int]) -> Geometry:
    y = [n + 2 * p - 2 for n, p in zip(lengths, pad, strict=True)]
    ones = (1, 1)
    return Geometry((batch, channels, *lengths), (maps, channels, 3, 3), (batch, maps, *y), ones, pad, ones, 1, None)


def computed(g: Geometry, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    made = module.winograd(g, Direct(g, into_contiguous(g.x)), weight, bias)
    return made(x.contiguous(memory_format=torch.channels_last))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("pad", [(0, 0), (1, 1), (2, 0)])
@pytest.mark.parametrize(
    ("batch", "channels", "maps", "lengths"),
    [(1, 1, 1, (3, 3)), (2, 3, 5, (4, 9)), (3, 16, 8, (8, 8)), (1, 7, 1, (28, 13)), (2, 4, 4, (3, 30))],
)
def test_values(
    batch: int, channels: int, maps: int, lengths: tuple[int, int], pad: tuple[int, int], bias: bool
) -> None:
    g = geometry(batch, channels, maps, lengths, pad)
    torch.manual_seed(0)
    x, weight = torch.randn(g.x), torch.randn(g.weight)
    b = torch.randn(maps) if bias else None
    expected = torch.conv2d(x.double(), weight.double(), None if b is None else b.double(), padding=pad)
    y = computed(g, x, weight, b)
    assert y.shape == g.y and y.is_contiguous(memory_format=torch.channels_last)
    assert (y - expected).abs().max() <= 5e-6 * expected.abs().max()


def test_some_images_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    g = geometry(5, 4, 4, (8, 8), (1, 1))
    torch.manual_seed(0)
    x, weight = torch.randn(g.x), torch.randn(g.weight)
    whole = computed(g, x, weight, None)
    monkeypatch.setattr(module, "_AT_A_TIME", 2 * 36 * 4 * 4)
    torch.testing.assert_close(computed(g, x, weight, None), whole)


class _Sizes(TorchDispatchMode):
    """Notes the number of elements of every tensor that is made."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[int] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.found += [t.numel() for t in torch.utils._pytree.tree_leaves(result) if isinstance(t, torch.Tensor)]
        return result


def test_a_large_image_is_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    g = geometry(1, 4, 4, (70, 33), (1, 0))
    torch.manual_seed(0)
    x, weight, bias = torch.randn(g.x), torch.randn(g.weight), torch.randn(4)
    whole = computed(g, x, weight, bias)
    # Two lines of tiles, of the 18 that there are.
    monkeypatch.setattr(module, "_AT_A_TIME", 2 * 36 * 8 * 4)
    with _Sizes() as sizes:
        parts = computed(g, x, weight, bias)
    torch.testing.assert_close(parts, whole)
    assert max(sizes.found) <= 74 * 34 * 4, "no more than x with its border"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_none_do_not_spread(value: float) -> None:
    g = geometry(2, 4, 3, (8, 8), (1, 1))
    torch.manual_seed(0)
    x, weight = torch.randn(g.x), torch.randn(g.weight)
    x[1, 2, 4, 4] = value
    expected = torch.conv2d(x, weight, padding=1)
    torch.testing.assert_close(computed(g, x, weight, None), expected, equal_nan=True)


def test_when_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    g = geometry(8, 128, 128, (28, 28), (1, 1))
    assert module.winograd_pays(g)
    few_channels, few_tiles = geometry(8, 64, 128, (28, 28), (1, 1)), geometry(1, 128, 128, (14, 14), (1, 1))
    large = geometry(8, 512, 512, (14, 14), (1, 1))
    others = [g._replace(stride=(2, 2)), g._replace(dilation=(1, 2)), g._replace(group=2), few_channels, few_tiles]
    assert not any(map(module.winograd_pays, [*others, large, g._replace(weight=(128, 128, 3, 1))]))
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    assert not module.winograd_pays(g)


def test_in_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a normalization, a sum and an activation after it. A number that is none does not spread in it."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    made = []
    original = module.winograd
    monkeypatch.setattr(
        "nnabla.operators.packed_convolution.winograd", lambda *given: made.append(given) or original(*given)
    )
    nn.clear_parameters()
    x = nn.Variable((4, 128, 10, 10))
    h = PF.convolution(x, 128, (3, 3), pad=(1, 1), with_bias=False)
    y = F.relu(PF.batch_normalization(h, batch_stat=False) + x)
    x.d = np.random.RandomState(0).uniform(-1, 1, x.shape)
    y.forward()
    expected = y.d.copy()
    for _ in range(3):
        y.forward(clear_buffer=True)
    assert len(made) == 1
    np.testing.assert_allclose(y.d, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    held = y.plan({"clear_buffer": True}, None).memory().holders
    (kept,) = [holder.bytes for holder in held if holder.what.startswith("folded")]
    assert kept == (9 + 36) * 128 * 128 * 4
    x.d[2, 3, 4, 5] = np.nan
    y.forward(clear_buffer=True)
    found = y.d.copy()
    y.forward()
    assert 0 < np.isnan(found).sum() <= 9 * 128
    np.testing.assert_allclose(found, y.d, rtol=0, atol=1e-5 * np.abs(expected).max())
