"""Layer classes against what the original does, and what its reference says where it fails."""

from __future__ import annotations

import importlib
import io
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnabla as nn
import nnabla.experimental.parametric_function_classes as PFC
import nnabla.initializer as I
import nnabla.parametric_functions as PF
from nnabla.errors import ArgumentError, ShapeError

from ..core.test_module import LAYERS, check_case
from ..reference.record_modules import Net, parameters_of, saved
from ..reference.record_parametric import FOLDER


@pytest.mark.parametrize("key", sorted(LAYERS))
def test_case(key: str) -> None:
    check_case(key)


def test_all_classes_in_one_place() -> None:
    package = "nnabla.experimental.parametric_function_class"
    signatures = json.loads((FOLDER / "modules.json").read_text())["signatures"]
    public = {tuple(name.rsplit(".", 1)) for name in signatures if name.startswith(package) and name.count(".") == 4}
    assert {name for _, name in public} == set(PFC.__all__)
    for module, name in public:
        assert getattr(importlib.import_module(module), name) is getattr(PFC, name)
    assert PFC.Linear is PFC.Affine
    assert {PFC.Conv1d, PFC.Conv2d, PFC.Conv3d, PFC.ConvNd} == {PFC.Convolution}
    assert {PFC.Deconv1d, PFC.Deconv2d, PFC.Deconv3d, PFC.DeconvNd} == {PFC.Deconvolution}


@pytest.mark.parametrize(
    "layer, function, x",
    [
        (lambda: PFC.Affine(12, 5), lambda x: PF.affine(x, 5), (2, 3, 4)),
        (
            lambda: PFC.Convolution(4, 6, (2, 3), (1, 0), (2, 1), (1, 2), 2),
            lambda x: PF.convolution(x, 6, (2, 3), (1, 0), (2, 1), (1, 2), 2),
            (2, 4, 7, 8),
        ),
        (
            lambda: PFC.Deconvolution(4, 6, (2, 3), (1, 0), (2, 1), (1, 2), 2),
            lambda x: PF.deconvolution(x, 6, (2, 3), (1, 0), (2, 1), (1, 2), 2),
            (2, 4, 3, 4),
        ),
        (lambda: PFC.BatchNorm2d(3), PF.batch_normalization, (4, 3, 2, 2)),
        (lambda: PFC.Embed(5, 3), lambda x: PF.embed(x, 5, 3), (2, 4)),
    ],
)
def test_like_parametric_functions(layer: Callable[..., Any], function: Callable[..., Any], x: tuple[int, ...]) -> None:
    inp = nn.Variable.from_numpy_array(np.arange(np.prod(x)).reshape(x) % 5)
    nn.seed(5)
    y = layer()(inp)
    assert not nn.get_parameters(grad_only=False)
    nn.seed(5)
    z = function(inp)
    nn.forward_all([y, z])
    np.testing.assert_array_equal(y.d, z.d)


def test_embed() -> None:
    embed = PFC.Embed(6, 3)
    assert embed.W.shape == (6, 3) and embed.W.need_grad
    assert np.abs(embed.W.d).max() <= np.sqrt(3)
    y = embed(nn.Variable.from_numpy_array([[5, 0], [1, 5]]))
    y.forward()
    np.testing.assert_array_equal(y.d, embed.W.d[[[5, 0], [1, 5]]])
    assert list(PFC.Embed(6, 3, fix_parameters=True).get_parameters()) == []
    np.testing.assert_array_equal(PFC.Embed(2, 2, w_init=np.eye(2)).W.d, np.eye(2))


def test_deconvolution_of_unequal_maps() -> None:
    layer = PFC.Deconvolution(3, 4, (3, 3))
    assert (layer.W.shape, layer.b.shape) == ((3, 4, 3, 3), (4,))
    assert layer(nn.Variable((2, 3, 5, 5))).shape == (2, 4, 7, 7)


def test_arrays_and_initializers() -> None:
    affine = PFC.Affine(2, 3, w_init=np.full((2, 3), 4), b_init=I.ConstantInitializer(5))
    assert (affine.W.d == 4).all() and (affine.b.d == 5).all()
    norm = PFC.BatchNorm1d(3, param_init={"gamma": np.full((1, 3, 1), 2), "mean": I.ConstantInitializer(7)})
    assert (norm.gamma.d == 2).all() and (norm.mean.d == 7).all() and (norm.var.d == 1).all()


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: PFC.Affine((3, 2), 4), ArgumentError, r"Affine: n_inmaps must be an integer .*, not \(3, 2\)"),
        (lambda: PFC.Affine(3, (2, 0)), ArgumentError, "Affine: n_outmaps must be an integer of at least 1, not 0"),
        (lambda: PFC.Affine(3, 2, w_init=np.ones((2, 2))), ShapeError, r"'W' must have shape \(3, 2\), not \(2, 2\)"),
        (lambda: PFC.Embed(0, 4), ArgumentError, "Embed: n_inputs must be an integer of at least 1, not 0"),
        (lambda: PFC.Convolution(3, 4, (3,), group=2), ArgumentError, "Convolution: group 2 must divide inmaps 3 and"),
        (lambda: PFC.Deconvolution(4, 3, (3,), group=2), ArgumentError, "Deconvolution: group 2 must divide"),
        (lambda: PFC.BatchNorm2d(3, axes=[1, 2]), ArgumentError, r"BatchNorm2d: axes must be a single axis, not \[1"),
        (lambda: PFC.BatchNorm1d(3, axes=[3]), ArgumentError, "BatchNorm1d"),
        (lambda: PFC.BatchNorm1d(3)(nn.Variable((2, 3, 4, 4))), ShapeError, "beta must have shape"),
    ],
)
def test_refused(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_batch_stat_has_no_effect_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    nn.logger.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.WARNING, nn.logger.name):
            layer = PFC.BatchNorm1d(3, batch_stat=False)
    finally:
        nn.logger.removeHandler(caplog.handler)
    assert "BatchNorm1d: batch_stat=False has no effect" in caplog.text
    assert layer(nn.Variable((2, 3, 4))).parent.info.args["batch_stat"]
    assert not layer(nn.Variable((2, 3, 4)), test=True).parent.info.args["batch_stat"]


def test_modules() -> None:
    net = Net()
    assert [prefix for prefix, _ in net.get_modules()] == ["", "conv", "bn", "head", "head/fc"]
    assert [prefix for prefix, _ in net.head.get_modules(prefix="net")] == ["net", "net/fc"]
    memo = {net.head}
    assert [prefix for prefix, _ in net.get_modules(memo)] == ["", "conv", "bn"]
    assert net.bn in memo
    net.conv.owner = net  # a circle
    assert len(net.get_parameters(grad_only=False)) == 10
    assert list(PFC.Affine(2, 2).get_parameters()) == ["/W", "/b"]


def test_files_of_the_original() -> None:
    expected = parameters_of(saved("net"))
    net = Net()
    before = parameters_of(net)
    net.load_parameters(FOLDER / "files" / "layers.h5")
    assert list(parameters_of(net)) == list(expected)
    for name, param in parameters_of(net).items():
        assert param is before[name]
        np.testing.assert_array_equal(param.d, expected[name].d)


@pytest.mark.parametrize("extension", [".h5", ".protobuf"])
def test_save_and_load(extension: str, tmp_path: Path) -> None:
    first, second = Net(), Net()
    first.save_parameters(tmp_path / f"all{extension}")
    second.load_parameters(tmp_path / f"all{extension}")
    for name, param in parameters_of(first).items():
        np.testing.assert_array_equal(param.d, parameters_of(second)[name].d)
    affine = PFC.Affine(2, 2)
    affine.save_parameters(str(tmp_path / f"one{extension}"))
    PFC.Affine(2, 2).load_parameters(str(tmp_path / f"one{extension}"))
    assert not nn.get_parameters(grad_only=False)


def test_loading_is_refused_as_a_whole(tmp_path: Path) -> None:
    net = Net()
    net.save_parameters(tmp_path / "some.h5", grad_only=True)
    net.save_parameters(tmp_path / "all.h5")
    other = Net()
    other.conv = other.again = PFC.Convolution(2, 5, (3, 3))
    before = {name: param.d.copy() for name, param in parameters_of(other).items()}
    with pytest.raises(
        ArgumentError, match="load_parameters: the file lacks parameters of Net: bn/mean, bn/var, head/constant"
    ):
        other.load_parameters(tmp_path / "some.h5")
    shapes = r"conv/W \(5, 2, 3, 3\), in the file \(4, 2, 3, 3\), conv/b"
    with pytest.raises(ShapeError, match=f"of Net have other shapes: {shapes}"):
        other.load_parameters(tmp_path / "all.h5")
    with pytest.raises(ArgumentError, match="the extension must be one of"):
        other.load_parameters(io.BytesIO())
    for name, param in parameters_of(other).items():
        np.testing.assert_array_equal(param.d, before[name])
