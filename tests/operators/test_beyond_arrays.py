"""Array functions where the original has no kernel, no gradient or a wrong one: judged by NumPy, by differences, and
by identities. And what it cannot be asked: data-dependent shapes, errors, memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla.errors import ArgumentError, ShapeError
from nnabla.ext_utils import get_extension_context

from .check_vjp import check_vjp

rng = np.random.RandomState


def array(values: Any) -> nn.NdArray:
    """An NdArray with these values."""
    return nn.NdArray.from_numpy_array(np.asarray(values, np.float32))


def variable(values: Any, need_grad: bool = False) -> nn.Variable:
    """A Variable with these values."""
    return nn.Variable.from_numpy_array(np.asarray(values, np.float32), need_grad=need_grad)


def assert_gradient(function: Callable[..., Any], *arrays: np.ndarray, grad: tuple[int, ...] = (0,)) -> None:
    """Backward is the derivative, in double precision."""

    def call(xs: Any) -> list[nn.Variable]:
        ys = function(*xs)
        return list(ys) if isinstance(ys, tuple) else [ys]

    with nn.context_scope(get_extension_context("cpu", type_config="double")):
        check_vjp(call, arrays, grad, rng(81))


# ---- gradients ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("args", [{}, {"axis": 0}, {"reverse": True}, {"with_index": True}])
def test_sort_has_the_gradient_of_its_permutation(args: dict[str, Any]) -> None:
    """Each element receives the gradient of the place it went to."""
    values = rng(82).permutation(30).reshape(3, 10) / 7
    assert_gradient(lambda x: (lambda y: y[0] if isinstance(y, tuple) else y)(F.sort(x, **args)), values)


@pytest.mark.parametrize("y,axis", [((3,), -1), ((2, 3), 0), ((3, 4), 1), ((), None), ((2, 3, 4), None)])
def test_broadcast_to_has_a_gradient(y: tuple[int, ...], axis: int | None) -> None:
    """It is summed over the axes that were repeated; the first input has none."""
    x = (2, 3, 4) if y != (3,) else (2, 3)
    assert_gradient(lambda a, b: F.broadcast_to(a, b, axis), np.zeros(x), rng(83).standard_normal(y), grad=(1,))


@pytest.mark.parametrize("padding_mode", ["zero", "repeat", "reflect"])
def test_warp_by_grid_to_the_nearest_has_a_gradient(padding_mode: str) -> None:
    """That of the image; the grid's is zero."""
    grid = rng(84).uniform(-1.3, 1.3, (2, 4, 3, 2))
    assert_gradient(
        lambda x, g: F.warp_by_grid(x, g, "nearest", padding_mode),
        rng(85).standard_normal((2, 3, 5, 4)),
        grid,
        grad=(0, 1),
    )


@pytest.mark.parametrize(
    "args",
    [
        {"scales": (1, 2, 1.5), "mode": "linear"},
        {"scales": (1, 2, 1.5), "mode": "cubic", "exclude_outside": 1},
        {"sizes": (2, 5, 3), "mode": "cubic", "coordinate_transformation_mode": "asymmetric"},
        {"scales": (1, 2, 2), "coordinate_transformation_mode": "align_corners"},
        {
            "scales": (1, 1, 2),
            "roi": (0, 0, -0.3, 1, 1, 1.3),
            "mode": "linear",
            "coordinate_transformation_mode": "tf_crop_and_resize",
            "extrapolation_value": 3.0,
        },
    ],
)
def test_onnx_resize_has_a_gradient(args: dict[str, Any]) -> None:
    """In every mode."""
    assert_gradient(lambda x: F.onnx_resize(x, **args), rng(86).standard_normal((2, 3, 4)))


@pytest.mark.parametrize("add", [False, True])
def test_scatter_nd_into_an_array_has_a_gradient(add: bool) -> None:
    """What is replaced has none, what is added to has all."""
    indices = [[0, 1, 1], [2, 0, 1]]
    data, out = rng(87).standard_normal(3), rng(88).standard_normal((2, 3))
    assert_gradient(lambda d, o: F.scatter_nd(d, indices, out=o, add=add), data, out, grad=(0, 1))


def test_gradients_of_a_partial_bool_scatter() -> None:
    """Elements that found no place have the gradient zero."""
    mask = variable([[1, 0, 1], [0, 0, 1]])
    assert_gradient(lambda x, y: F.bool_scatter(x, mask, y), rng(89).standard_normal(5), np.ones((2, 3)), grad=(0, 1))


# ---- Fourier -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ndim,shape", [(1, (5,)), (1, (2, 3, 4)), (2, (3, 4)), (2, (2, 3, 5)), (3, (2, 2, 3, 4))])
@pytest.mark.parametrize("normalized", [False, True])
def test_fourier_transforms(ndim: int, shape: tuple[int, ...], normalized: bool) -> None:
    """NumPy's transforms of the last axes; the inverse restores; gradients by differences."""
    z = rng(90).standard_normal((*shape, 2)).astype(np.float32)
    numbers = z[..., 0] + 1j * z[..., 1]
    axes = tuple(range(-ndim, 0))
    norm = "ortho" if normalized else None
    for ours, numpys in ((F.fft, np.fft.fftn), (F.ifft, np.fft.ifftn)):
        wanted = numpys(numbers, axes=axes, norm=norm)
        y = ours(array(z), ndim, normalized).data
        np.testing.assert_allclose(y[..., 0] + 1j * y[..., 1], wanted, rtol=1e-4, atol=1e-4)
        assert_gradient(lambda x, f=ours: f(x, ndim, normalized), z.astype(np.float64))
    restored = F.ifft(F.fft(array(z), ndim, normalized), ndim, normalized)
    np.testing.assert_allclose(restored.data, z, atol=1e-5)


def test_fourier_refuses() -> None:
    """Arrays that are not complex, and too few axes."""
    for shape, ndim in (((4, 3), 1), ((3, 2), 2)):
        with pytest.raises(ShapeError, match="the last of length 2"):
            F.fft(nn.Variable(shape), ndim)
    with pytest.raises(ArgumentError, match="signal_ndim must be 1, 2 or 3"):
        F.ifft(nn.Variable((3, 2)), 4)


@pytest.mark.parametrize("window,stride", [("hanning", 2), ("hamming", 4), ("rectangular", 4), (None, 8)])
@pytest.mark.parametrize("pad_mode", ["reflect", "constant"])
def test_istft_restores(window: str | None, stride: int, pad_mode: str) -> None:
    """The inverse of the transform, whatever it was padded with."""
    x = rng(91).standard_normal((3, 40)).astype(np.float32)
    spectrum = F.stft(array(x), 8, stride, 8, window, True, pad_mode)
    restored = F.istft(*spectrum, 8, stride, 8, window, True, pad_mode)
    np.testing.assert_allclose(restored.data, x, atol=1e-5)


def test_istft_needs_every_sample() -> None:
    """Where all windows are zero, nothing can be restored."""
    words = r"istft: the NOLA \(nonzero overlap-add\) condition is not met: sample {} cannot be restored"
    with pytest.raises(ArgumentError, match=words.format(0)):
        F.istft(nn.Variable((1, 5, 4)), nn.Variable((1, 5, 4)), 8, 2, 8, center=False)
    with pytest.raises(ArgumentError, match=words.format(4)):
        F.istft(nn.Variable((1, 5, 6)), nn.Variable((1, 5, 6)), 8, 8, 8)


# ---- unique ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("in_order", [True, False])
def test_unique(axis: int | None, in_order: bool) -> None:
    """NumPy's, in its order or in that of first occurrence; in all modes."""
    values = rng(92).randint(0, 3, (6, 2)).astype(np.float32)
    wanted, index, inverse, counts = np.unique(
        values, return_index=True, return_inverse=True, return_counts=True, axis=axis
    )
    inverse = inverse.reshape(-1)
    if not in_order:
        order = np.argsort(index)
        wanted = np.take(wanted, order, axis or 0)
        index, counts, inverse = index[order], counts[order], np.argsort(order)[inverse]
    args = {"flatten": axis is None, "axis": axis, "sorted": in_order}
    flags = {"with_index": True, "with_inverse": True, "with_counts": True}

    def found(x: Any) -> list[np.ndarray]:
        ys = F.unique(x, **args, **flags)
        if isinstance(x, nn.Variable):
            nn.forward_all(ys)
        return [np.array(y.d if isinstance(y, nn.Variable) else y.data) for y in ys]

    for results in (found(array(values)), found(variable(values))):
        assert all(np.array_equal(a, b) for a, b in zip(results, (wanted, index, inverse, counts), strict=True))
        assert [a.dtype.kind for a in results] == ["f", "i", "i", "i"]
    with nn.auto_forward():
        only = F.unique(variable(values), **args)
        assert only.shape == wanted.shape and np.array_equal(only.d, wanted)


def test_unique_of_nan_and_without_axis() -> None:
    """NaN differs from NaN; an axis is needed for slices."""
    y, counts = F.unique(array([np.nan, 1, np.nan]), with_counts=True)
    assert np.array_equal(y.data, [1, np.nan, np.nan], equal_nan=True) and counts.data.tolist() == [1, 1, 1]
    with pytest.raises(ArgumentError, match="axis must be given"):
        F.unique(nn.Variable((2, 3)), flatten=False)


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("special", [0.0, float("nan"), float("inf")])
def test_top_k_of_equal_elements(largest: bool, special: float) -> None:
    """Those in front come first, as in a stable sort; NaN is greater than all."""
    values = rng(100).randint(0, 3, (20, 15)).astype(np.float32)
    values[rng(101).uniform(size=values.shape) < 0.2] = special
    keys = np.where(np.isnan(values), 1e9, values)
    wanted = np.argsort(-keys if largest else keys, axis=1, kind="stable")
    for k in (1, 4, 15):
        y, index = F.top_k_data(array(values), k, largest=largest, with_index=True)
        assert np.array_equal(index.data, wanted[:, :k])
        assert np.array_equal(y.data, np.take_along_axis(values, wanted[:, :k], 1), equal_nan=True)
        for row, places in zip(values, wanted[:, :k], strict=True):
            y, index = F.top_k_data(array(row[None]), k, largest=largest, with_index=True)
            assert np.array_equal(index.data[0], places) and np.array_equal(y.data[0], row[places], equal_nan=True)


@pytest.mark.parametrize("k", [1, 4])
def test_top_k_of_a_batch_that_is_one_sample(k: int) -> None:
    """Its elements make one row, as the array does, but there is no axis for the sample."""
    x = variable([[1.0, 4.0, 2.0, 3.0]], need_grad=True)
    x.grad.zero()
    y, index = F.top_k_data(x, k, base_axis=0, with_index=True)
    nn.forward_all([y, index])
    y.backward(np.arange(1, k + 1))
    assert y.d.tolist() == [4, 3, 2, 1][:k] and index.d.tolist() == [1, 3, 2, 0][:k]
    assert x.g.tolist() == [[4, 1, 3, 2] if k == 4 else [0, 1, 0, 0]]


# ---- shapes that depend on data ----------------------------------------------------------------------------------


def test_shapes_follow_the_mask() -> None:
    """Known from the values at the time of the call, and again after each forward."""
    mask = variable([1, 0, 1])
    x = variable(np.arange(6).reshape(3, 2), need_grad=True)
    y, z = F.bool_gather(x, mask), F.nonzero(mask)
    assert y.shape == (2, 2) and z.shape == (1, 2)
    for values, rows in (([1, 0, 1], [0, 2]), ([0, 1, 0], [1]), ([0, 0, 0], []), ([2, -1, 3], [0, 1, 2])):
        mask.d = values
        nn.forward_all([y, z])
        assert y.shape == (len(rows), 2) and np.array_equal(y.d, x.d[rows])
        assert z.shape == (1, len(rows)) and z.d.tolist() == [rows]
        x.grad.zero()
        y.backward(2)
        assert x.g[:, 0].tolist() == [2 * (i in rows) for i in range(3)]


def test_shapes_of_packed_sequences_are_known() -> None:
    """From lengths that hold values when the graph is built; the way back after forward."""
    x = variable(np.arange(8).reshape(4, 2))
    packed, sizes = F.pack_padded_sequence(x, variable([3, 1]))
    assert packed.shape == (4,) and sizes.shape == (4,)
    padded, lengths = F.pad_packed_sequence(packed, sizes, padding_value=-1)
    nn.forward_all([padded, lengths])
    assert padded.shape == (4, 2) and lengths.shape == (2,)
    assert padded.d.tolist() == [[0, 1], [2, -1], [4, -1], [-1, -1]]
    assert lengths.d.tolist() == [3, 1]


@pytest.mark.parametrize("batch_first", [False, True])
def test_padding_value(batch_first: bool) -> None:
    """What stands after the end of each sequence."""
    y, _ = F.pad_packed_sequence(array([1, 4, 2, 3]), array([2, 1, 1]), batch_first, 7.5, 4)
    wanted = np.array([[1, 2, 3, 7.5], [4, 7.5, 7.5, 7.5]])
    assert np.array_equal(y.data, wanted if batch_first else wanted.T)


# ---- layouts and sizes that the original lacks -------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["linear", "nearest"])
@pytest.mark.parametrize("flags", [{}, {"align_corners": True}, {"half_pixel": True}])
def test_interpolate_with_channels_last(mode: str, flags: dict[str, bool]) -> None:
    """The same as with channels first."""
    x = rng(93).standard_normal((2, 3, 4, 5))
    first = F.interpolate(array(x), output_size=(6, 7), mode=mode, **flags)
    last = F.interpolate(array(np.moveaxis(x, 1, -1)), output_size=(6, 7), mode=mode, channel_last=True, **flags)
    np.testing.assert_allclose(np.moveaxis(last.data, -1, 1), first.data, rtol=1e-5, atol=1e-6)
    assert_gradient(
        lambda v: F.interpolate(v, output_size=(6, 7), mode=mode, channel_last=True, **flags), np.moveaxis(x, 1, -1)
    )


def test_interpolate_to_the_same_size_gives_a_copy() -> None:
    """Nothing changes, but the memory is another."""
    x = array(np.arange(6).reshape(2, 3))
    y = F.interpolate(x, output_size=(2, 3), mode="nearest")
    y.data[...] = 0
    assert x.data.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("n", [2, 3])
def test_warp_by_grid_with_channels_last(n: int) -> None:
    """The same as with channels first."""
    x, grid = rng(94).standard_normal((2, 3, 4, 5, 6)[: n + 2]), rng(95).uniform(-1, 1, (2, *[3] * n, n))
    first = F.warp_by_grid(array(x), array(grid))
    last = F.warp_by_grid(array(np.moveaxis(x, 1, -1)), array(grid), channel_last=True)
    np.testing.assert_allclose(np.moveaxis(last.data, -1, 1), first.data, rtol=1e-5, atol=1e-6)
    assert_gradient(lambda v, g: F.warp_by_grid(v, g, channel_last=True), np.moveaxis(x, 1, -1), grid, grad=(0, 1))


@pytest.mark.parametrize("align_corners", [False, True])
def test_a_single_point_is_in_the_middle(align_corners: bool) -> None:
    """An axis of length one has the coordinate zero."""
    theta = rng(96).standard_normal((2, 2, 3))
    grid = F.affine_grid(array(theta), (1, 1), align_corners)
    np.testing.assert_allclose(grid.data.reshape(2, 2), theta[:, :, 2], rtol=1e-6)


@pytest.mark.parametrize("align_corners", [False, True])
def test_the_identity_map_warps_nothing(align_corners: bool) -> None:
    """The grid's points are the pixels, in both conventions."""
    x = rng(97).standard_normal((1, 2, 5, 4))
    grid = F.affine_grid(array([[[1, 0, 0], [0, 1, 0]]]), (5, 4), align_corners)
    y = F.warp_by_grid(array(x), grid, align_corners=align_corners)
    np.testing.assert_allclose(y.data, x, atol=1e-5)


@pytest.mark.parametrize(
    "args,wanted",
    [
        ((0, 1, 1e-3), np.arange(1000) * 1e-3),
        ((0, 2.1, 0.3), np.arange(7) * 0.3),
        ((0, 1.2, 0.4), np.arange(3) * 0.4),
        ((10, 0, -0.1), 10 - np.arange(100) * 0.1),
        ((0, 100, 0.01), np.arange(10000) * 0.01),
    ],
)
def test_arange_does_not_drift(args: tuple[float, ...], wanted: np.ndarray) -> None:
    """As many numbers as fit, each as exact as single precision allows."""
    y = F.arange(*args)
    y.forward()
    np.testing.assert_allclose(y.d, wanted, rtol=3e-7, atol=1e-7)


def test_einsum_of_more_than_the_original_takes() -> None:
    """Scalars, and '...' with other places for letters."""
    x, y = rng(98).standard_normal((2, 3)), rng(99).standard_normal((4, 3))
    np.testing.assert_allclose(F.einsum(array(x), array(2.0), equation="ij,->ij").data, 2 * x, rtol=1e-6)
    batch = F.einsum(array(x), array(y), equation="b...i,a...i->...ab").data
    np.testing.assert_allclose(batch, y @ x.T, rtol=1e-5)
    total = F.einsum(array(x), equation="...i->")
    np.testing.assert_allclose(total.data, x.sum(), rtol=1e-5)
    for equation, message in (("ij->ii", "each letter once"), ("ij->ik", "no input has"), ("ij,k->i", "names 2")):
        with pytest.raises(ArgumentError, match=message):
            F.einsum(nn.Variable((2, 3)), equation=equation)


@pytest.mark.parametrize(
    ("equation", "composed"),
    [
        ("ij,jk->k", lambda x, y: F.sum(F.batch_matmul(F.reshape(x, (1, 3, 3)), F.reshape(y, (1, 3, 3))), (0, 1))),
        ("ii,ij->j", lambda x, y: F.sum(F.matrix_diag_part(x).reshape((3, 1)) * y, 0)),
        ("ij,kj->ik", lambda x, y: F.affine(x, F.transpose(y, (1, 0)))),
        ("ij,ik->", lambda x, y: F.sum(F.sum(x, 1) * F.sum(y, 1))),
    ],
)
def test_einsum_has_the_gradients_of_what_it_stands_for(equation: str, composed: Callable[..., nn.Variable]) -> None:
    """Where they are products, and where letters of one array alone are summed or stand twice."""
    found = []
    for call in (lambda x, y: F.einsum(x, y, equation=equation), composed):
        x, y = [nn.Variable.from_numpy_array(rng(seed).standard_normal((3, 3)), need_grad=True) for seed in (7, 8)]
        z = call(x, y)
        z.forward()
        x.grad.zero()
        y.grad.zero()
        z.backward(rng(9).standard_normal(z.shape))
        found.append((z.d, x.g, y.g))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: F.constant(1e30, (2,)),
        lambda x: F.bool_fill(x, variable([1, 1]), 1e30),
        lambda x: F.pad(x, (2, 0), constant_value=1e30)[:2],
        lambda x: F.random_shift(F.reshape(x, (2, 1)), (5000,), "constant", 1e30, seed=1),
    ],
)
def test_numbers_beyond_the_range_of_half_precision(call: Callable[[nn.Variable], nn.Variable]) -> None:
    """They are infinite."""
    with nn.context_scope(get_extension_context("cpu", type_config="half")):
        y = call(variable([1, 2]))
        y.forward()
    assert y.d.dtype == np.float16 and np.isinf(y.d).all()


# ---- memory ------------------------------------------------------------------------------------------------------


def test_reshape_shares_memory() -> None:
    """With the input, after forward and for NdArrays; a copy with inplace=False."""
    x = variable(np.arange(6))
    shared, own = F.reshape(x, (2, 3)), F.reshape(x, (3, 2), inplace=False)
    nn.forward_all([shared, own])
    assert np.shares_memory(shared.d, x.d) and not np.shares_memory(own.d, x.d)
    shared.d[0, 0] = 5
    assert x.d[0] == 5 and own.d[0, 0] == 0
    assert (shared.parent.inplace_data(0), own.parent.inplace_data(0)) == (1, 0)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: F.transpose(x, (1, 0)),
        lambda x: F.slice(x, (0, 0), (2, 2), (1, 1)),
        lambda x: F.slice(x),
        lambda x: F.broadcast(x, (2, 3)),
        lambda x: F.split(x, 1)[0],
        lambda x: F.matrix_diag_part(F.broadcast(F.reshape(x, (1, 2, 3)), (2, 2, 3)).view((2, 3, 2))),
        lambda x: F.identity(x),
        lambda x: F.top_k_grad(x, 1),
        lambda x: F.shift(x, (0,)),
        lambda x: F.einsum(x, equation="ij->ji"),
        lambda x: F.gather_nd(x, np.zeros((0, 1))),
        lambda x: F.meshgrid(x[0], x[1])[0],
    ],
)
def test_results_have_memory_of_their_own(call: Callable[[Any], Any]) -> None:
    """Writing to the result of a view writes to no input."""
    x = array(np.arange(6).reshape(2, 3))
    call(x).data[...] = -1
    assert np.array_equal(x.data, np.arange(6).reshape(2, 3))


def test_scatter_nd_writes_to_an_array() -> None:
    """Given as `out`, whatever it is."""
    out = array(np.zeros((2, 2)))
    y = F.scatter_nd(array([5.0]), [[1], [0]], out=out)
    assert y.data.tolist() == out.data.tolist() == [[0, 0], [5, 0]]
    held = variable(np.zeros((2, 2)))
    F.scatter_nd(variable([5.0]), [[1], [0]], out=held).forward()
    assert held.d.tolist() == [[0, 0], [5, 0]]


def test_assign_passes_the_gradient_to_its_target() -> None:
    """The source has none."""
    target, source = variable([1, 2], need_grad=True), variable([3, 4], need_grad=True)
    y = F.assign(target, source)
    assert target.d.tolist() == [1, 2]
    y.forward()
    assert target.d.tolist() == y.d.tolist() == [3, 4]
    for x in (target, source):
        x.grad.zero()
    y.backward(np.array([5.0, 6.0]))
    assert target.g.tolist() == [5, 6] and source.g.tolist() == [0, 0]


# ---- errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call,message",
    [
        (lambda: F.gather(array([1, 2]), array([2])), r"gather: Indices must be in \[0, 2\)"),
        (lambda: F.gather(array([1, 2]), array([-1])), r"gather: Indices must be in \[0, 2\)"),
        (
            lambda: F.gather(array(np.zeros((2, 2))), array([[0], [2]]), 1, 1),
            r"gather: Indices must be in \[0, 2\)",
        ),
        (lambda: F.gather_nd(array([1, 2]), [[0, 2]]), r"axis 0 must be in \[-2, 2\), not 2"),
        (lambda: F.scatter_nd(array([1]), [[-3]], shape=(2,)), r"axis 0 must be in \[-2, 2\), not -3"),
        (lambda: F.scatter_add(array([1, 2]), array([2]), array([1])), r"indices must be in \[0, 2\)"),
        (lambda: F.pack_padded_sequence(array(np.zeros((3, 2))), array([1, 2])), "lengths must fall"),
        (lambda: F.pack_padded_sequence(array(np.zeros((3, 2))), array([4, 2])), "lengths must fall"),
        (lambda: F.pad_packed_sequence(array([1, 2]), array([2, 1])), "sum of batch_sizes"),
        (lambda: F.batch_cholesky(array([[[1, 2], [2, 1]]])), "positive definite"),
        (lambda: F.one_hot(array([[1]]), (0,)), "shape must be positive lengths"),
        (lambda: F.random_choice(array([1, 2]), array([1, -1]), (1,)), "not negative"),
        (lambda: F.random_choice(array([1, 2]), array([0, 0]), (1,)), "at least 1 positive"),
        (lambda: F.random_choice(array([1, 2]), array([0, 1]), (2,), False), "at least 2 positive"),
        (lambda: F.dropout(array([1]), 1.0), r"p must be in \[0, 1\)"),
    ],
)
def test_messages(call: Callable[[], Any], message: str) -> None:
    """They name the function, the argument and what is allowed."""
    with pytest.raises(ArgumentError, match=message):
        call()


def test_bool_scatter_needs_enough_elements() -> None:
    """One for every place in the mask."""
    with pytest.raises(ShapeError, match="mask chooses 2 elements, input has 1"):
        F.bool_scatter(array([1]), array([1, 1]))
