"""Parametric functions against what the original does: parameters, first values, outputs, gradients."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.initializer as I
import nnabla.parametric_functions as PF
from nnabla.errors import ArgumentError, ShapeError

from ..reference.record_parametric import CASES, FOLDER, run

REFERENCE = json.loads((FOLDER / "parametric.json").read_text())
# Its alternating least squares start elsewhere; see test_cpd3_error.
OTHER_FACTORS = {"cpd3_convolution", "cpd3_convolution-init"}
# The original trains their parameters in spite of fix_parameters.
FIXED_HERE = {"transformer_encode-fixed", "transformer_decode-fixed"}


@pytest.fixture(scope="module")
def recorded() -> dict[str, np.ndarray]:
    with np.load(FOLDER / "parametric.npz") as archive:
        return dict(archive)


def of_case(recorded: dict[str, np.ndarray], key: str) -> dict[str, np.ndarray]:
    return {name[len(key) + 1 :]: values for name, values in recorded.items() if name.startswith(f"{key}/")}


def plain_signature(function: Callable[..., Any]) -> str:
    signature = inspect.signature(function)
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))


@pytest.mark.parametrize("name", sorted(REFERENCE["signatures"]))
def test_signature(name: str) -> None:
    assert name in PF.__all__
    assert plain_signature(getattr(PF, name)) == REFERENCE["signatures"][name]


def test_nothing_else_is_public() -> None:
    assert set(PF.__all__) == set(REFERENCE["signatures"])


@pytest.mark.parametrize("name", ["get_parameter", "get_parameter_or_create"])
def test_parameters_by_this_modules_name(name: str) -> None:
    assert getattr(PF, name) is getattr(nn.parameter, name)


@pytest.mark.parametrize(
    "name",
    [
        "ConstantInitializer",
        "NormalInitializer",
        "UniformInitializer",
        "WeightNormalizationScaleInitializer",
        "calc_uniform_lim_glorot",
    ],
)
def test_initializers_by_this_modules_name(name: str) -> None:
    assert getattr(PF, name) is getattr(nn.initializer, name)


def test_every_function_has_a_case() -> None:
    plain = {"affine", "convolution", "deconvolution", "embed", "parametric_function_api"}
    without = plain | {"sync_batch_normalization"}
    assert {key.split("-")[0] for key in CASES} - {"scopes", "shared"} == set(PF.__all__) - without


def test_records_match_cases() -> None:
    assert set(REFERENCE["cases"]) == set(CASES)


@pytest.mark.parametrize("key", list(CASES))
def test_case(key: str, recorded: dict[str, np.ndarray]) -> None:
    facts, arrays = run(key)
    expected = of_case(recorded, key)
    assert [[n, list(s), g] for n, s, g in facts["parameters"]] == REFERENCE["cases"][key]["parameters"]
    assert facts["types"] == REFERENCE["cases"][key]["types"]
    assert set(arrays) == set(expected)
    if key in OTHER_FACTORS:
        return
    for name, values in arrays.items():
        if key in FIXED_HERE and name.startswith("grad/"):
            assert not values.any()
            continue
        # Sums over a batch in another order.
        tolerance = 1e-6 if name.startswith("param/") else 1e-5
        scale = max(1.0, np.abs(expected[name]).max(initial=0))
        np.testing.assert_allclose(values, expected[name], rtol=0, atol=2 * tolerance * scale, err_msg=name)


def relative_error(i: np.ndarray, o: np.ndarray, k: np.ndarray, full: np.ndarray) -> float:
    r = len(i)
    product = np.einsum("ri,or,rk->oik", i.reshape(r, -1), o.reshape(-1, r), k.reshape(r, -1))
    return float(np.linalg.norm(product.reshape(full.shape) - full) / np.linalg.norm(full))


# Relative errors that the original reaches for the tensors below, at 2, 4 and 8 terms.
@pytest.mark.parametrize(
    "seed, original",
    [(0, (0.8746, 0.7331, 0.4494)), (1, (0.8864, 0.7267, 0.4450)), (2, (0.8742, 0.7365, 0.4700))],
)
def test_cpd3_error(seed: int, original: tuple[float, ...]) -> None:
    full = np.random.RandomState(seed).uniform(-1, 1, (6, 5, 3, 3)).astype(np.float32)
    for r, error in zip((2, 4, 8), original, strict=True):
        PF.cpd3_convolution(nn.Variable((1, 5, 4, 4)), 6, (3, 3), r, oik_init=full, name=str(r))
        i, o, k = [nn.get_parameters()[f"{r}/cpd3_conv/{n}"].d for n in "IOK"]
        assert relative_error(i, o, k, full) < 1.05 * error


def test_cpd3_finds_factors_of_low_rank() -> None:
    random = np.random.RandomState(0)
    i, o, k = random.randn(2, 5), random.randn(6, 2), random.randn(2, 3)
    full = np.einsum("ri,or,rk->oik", i, o, k).astype(np.float32)
    x = nn.Variable.from_numpy_array(random.randn(2, 5, 8))
    y = PF.cpd3_convolution(x, 6, (3,), 2, oik_init=full, stopping_criterion=-1)
    y.forward()
    z = F.convolution(x, nn.Variable.from_numpy_array(full))
    z.forward()
    np.testing.assert_allclose(y.d, z.d, atol=1e-3)


def test_svd_of_full_rank_is_exact() -> None:
    random = np.random.RandomState(0)
    full = random.randn(4, 3, 5).astype(np.float32)
    x = nn.Variable.from_numpy_array(random.randn(2, 3, 9))
    y = PF.svd_convolution(x, 4, (5,), 4, uv_init=full)
    z = F.convolution(x, nn.Variable.from_numpy_array(full))
    nn.forward_all([y, z])
    np.testing.assert_allclose(y.d, z.d, atol=1e-4)


def test_factors_that_exist_are_kept() -> None:
    x = nn.Variable((2, 4))
    PF.svd_affine(x, 3, 2)
    before = {name: p.d.copy() for name, p in nn.get_parameters().items()}
    PF.svd_affine(x, 3, 2, uv_init=np.ones((4, 3)))
    for name, p in nn.get_parameters().items():
        np.testing.assert_array_equal(p.d, before[name])


def sequence(*shape: int) -> nn.Variable:
    return nn.Variable(shape)


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda: PF.svd_affine(sequence(2, 4), 3, 4), ArgumentError, "svd_affine: r must be in [1, 3], not 4"),
        (lambda: PF.svd_affine(sequence(2, 4), 3, 0), ArgumentError, "svd_affine: r"),
        (lambda: PF.svd_affine(sequence(2, 4), 3, 2, uv_init=np.zeros((3, 4))), ShapeError, "uv_init"),
        (lambda: PF.svd_convolution(sequence(2, 4, 5), 3, (2,), 3), ArgumentError, "svd_convolution: r"),
        (lambda: PF.cpd3_convolution(sequence(2, 4, 5), 3, (2,), 0), ArgumentError, "cpd3_convolution: r"),
        (lambda: PF.lstm_cell(sequence(2, 4), sequence(2, 3), sequence(2, 3), 5), ShapeError, "lstm_cell: x"),
        (lambda: PF.lstm(*[sequence(2, 4)] * 3, 4), ArgumentError, "one step, is lstm_cell now"),
        (lambda: PF.lstm(sequence(2, 4), *[sequence(1, 1, 2, 3)] * 2), ShapeError, "lstm: x must have 3 axes"),
        (lambda: PF.rnn(sequence(5, 2, 4), sequence(1, 1, 2, 3), bidirectional=True), ShapeError, ""),
        (lambda: PF.gru(sequence(5, 2, 4), sequence(1, 1, 2, 3), num_layers=0), ArgumentError, "num_layers"),
        (lambda: PF.spectral_norm(sequence(2, 4), dim=-1), ArgumentError, "spectral_norm: dim must be in [0, 2)"),
        (lambda: PF.weight_normalization(sequence(2, 4), dim=2), ArgumentError, "weight_normalization: dim"),
        (lambda: PF.prelu(sequence(2, 4), base_axis=2, shared=False), ArgumentError, "prelu: base_axis"),
        (lambda: PF.depthwise_convolution(sequence(2, 4, 5), (2,), multiplier=0), ArgumentError, "multiplier"),
        (lambda: PF.depthwise_deconvolution(sequence(2, 4, 5), (2,), divisor=3), ArgumentError, "divisor"),
        (lambda: PF.inq_convolution(sequence(2, 4, 5), 6, (2,), group=3), ArgumentError, "inq_convolution: group"),
        (lambda: PF.multi_head_attention(*[sequence(3, 2, 8)] * 3), ArgumentError, "num_heads"),
        (lambda: PF.multi_head_attention(*[sequence(3, 8)] * 3), ShapeError, "query must have 3 axes"),
        (lambda: PF.transformer_encode(sequence(3, 2, 6), 8, 2), ShapeError, "transformer_encode: src"),
        (lambda: PF.group_normalization(sequence(2, 4, 3), 3), ShapeError, "3 groups"),
    ],
)
def test_refusals_leave_no_parameters(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert text in str(caught.value)
    assert not nn.get_parameters(grad_only=False)


@pytest.mark.parametrize(
    "function",
    [
        PF.binary_connect_convolution,
        PF.binary_weight_convolution,
        PF.inq_convolution,
    ],
)
def test_groups(function: Callable[..., Any]) -> None:
    x = nn.Variable.from_numpy_array(np.random.randn(2, 4, 5))
    w = np.random.choice([-0.5, 0.25, 1], (6, 2, 3)).astype(np.float32)
    options = {} if function is not PF.inq_convolution else {"i_init": I.ConstantInitializer(0)}
    grouped = function(x, 6, (3,), group=2, w_init=w, **options)
    halves = [
        function(part, 3, (3,), w_init=half, name=str(i), **options)
        for i, (part, half) in enumerate(zip(F.split(F.reshape(x, (2, 2, 2, 5)), axis=1), (w[:3], w[3:]), strict=True))
    ]
    nn.forward_all([grouped, *halves])
    np.testing.assert_allclose(grouped.d, np.concatenate([y.d for y in halves], axis=1), atol=1e-5)


@pytest.mark.parametrize(
    "function",
    [PF.fixed_point_quantized_convolution, PF.pruned_convolution, PF.min_max_quantized_convolution],
)
def test_channel_last(function: Callable[..., Any]) -> None:
    x = np.random.randn(2, 4, 5, 6)
    w = np.random.randn(6, 4, 2, 3)
    first = function(nn.Variable.from_numpy_array(x), 6, (2, 3), w_init=w, name="first")
    last = function(
        nn.Variable.from_numpy_array(x.transpose(0, 2, 3, 1)),
        6,
        (2, 3),
        channel_last=True,
        w_init=w.transpose(0, 2, 3, 1),
        name="last",
    )
    nn.forward_all([first, last])
    np.testing.assert_allclose(last.d, first.d.transpose(0, 2, 3, 1), atol=1e-4)


class OneProcess:
    size = 1


def test_sync_batch_normalization_of_one_process() -> None:
    x = nn.Variable.from_numpy_array(np.random.randn(4, 3, 2))
    y = PF.sync_batch_normalization(x, OneProcess(), decay_rate=0.5, name="sync")
    z = PF.batch_normalization(x, decay_rate=0.5, name="plain")
    nn.forward_all([y, z])
    np.testing.assert_allclose(y.d, z.d, atol=1e-6)
    params = nn.get_parameters(grad_only=False)
    for name in ("beta", "gamma", "mean", "var"):
        np.testing.assert_allclose(params[f"sync/bn/{name}"].d, params[f"plain/bn/{name}"].d, atol=1e-6)
        assert params[f"sync/bn/{name}"].need_grad == params[f"plain/bn/{name}"].need_grad


def test_spectral_norm_converges_and_keeps_its_vector_in_tests() -> None:
    w = nn.Variable.from_numpy_array(np.random.randn(4, 6))
    y = PF.spectral_norm(w, itr=50)
    y.forward()
    assert np.linalg.svd(y.d)[1][0] == pytest.approx(1, abs=1e-4)
    u = nn.get_parameters(grad_only=False)["spectral-norm/u"]
    before = u.d.copy()
    w.d = np.random.randn(4, 6)
    PF.spectral_norm(w, test=True).forward()
    np.testing.assert_array_equal(u.d, before)


def test_weight_normalization_counts_from_the_last_axis() -> None:
    w = nn.Variable.from_numpy_array(np.random.randn(3, 4, 2))
    y, z = PF.weight_normalization(w, dim=-2, name="a"), PF.weight_normalization(w, dim=1, name="b")
    nn.forward_all([y, z])
    np.testing.assert_array_equal(y.d, z.d)
    np.testing.assert_allclose(y.d, w.d, atol=1e-5)


def test_dropout_in_transformers() -> None:
    def dropouts(y: nn.Variable) -> list[float]:
        found: list[float] = []
        y.visit(lambda f: found.append(f.info.args["p"]) if f.info.type_name == "Dropout" else None)
        return found

    x = sequence(3, 2, 8)
    assert dropouts(PF.transformer_encode(x, 8, 2, 4, dropout=0.25)) == [0.25] * 3
    assert dropouts(PF.transformer_decode(x, x, 8, 2, 4, dropout=0.25)) == [0.25] * 4
    assert dropouts(PF.multi_head_attention(x, x, x, 2, dropout=0.5)[0]) == [0.5]


def test_lstm_cell_forgets_on_reset() -> None:
    cell = PF.LSTMCell(2, 3)
    x = nn.Variable.from_numpy_array(np.random.randn(2, 4))
    h = cell(x)
    h.forward()
    assert h is cell.h and h.d.any()
    cell.reset_state()
    assert not cell.h.d.any() and not cell.c.d.any()


@pytest.mark.parametrize("function", [PF.fixed_point_quantized_affine, PF.pow2_quantized_affine, PF.pruned_affine])
def test_quantized_parameter_is_stored(function: Callable[..., Any]) -> None:
    y = function(nn.Variable.from_numpy_array(np.random.randn(2, 4)), 3, fix_parameters=True)
    y.forward(clear_buffer=True)
    params = nn.get_parameters(grad_only=False)
    (name,) = [n for n in params if n.endswith("W_q")]
    plain = params[name.removesuffix("_q")].d
    assert params[name].d.any()
    assert np.abs(params[name].d - plain).max() <= np.abs(plain).max()
    assert not np.array_equal(params[name].d, plain)
