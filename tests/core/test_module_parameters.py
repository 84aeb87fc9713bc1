"""Parameters of modules: set, handed over, saved and loaded."""

from __future__ import annotations

import io
import logging
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnabla as nn
import nnabla.parametric_functions as PF
from nnabla.core.module import ParamMemo, insert_parent_name
from nnabla.errors import ArgumentError, FormatError, ShapeError

from ..reference.record_modules import Dense, Everywhere, saved
from ..reference.record_parametric import FOLDER
from .test_module import BIAS, WEIGHT, Model, names, x23


def test_parameters_outlive_clear_parameters() -> None:
    dense = Dense(2)
    assert names(dense) == []
    dense(x23())
    nn.clear_parameters()
    assert names(dense) == [WEIGHT, BIAS]


def test_another_shape_is_refused() -> None:
    dense = Dense(2)
    dense(x23())
    with pytest.raises(ShapeError, match="different from the size of new parameter"):
        dense(nn.Variable((2, 5)))
    assert dense.get_parameters()[WEIGHT].shape == (3, 2)


def test_set_parameter() -> None:
    model = Model(inner=Dense(2))
    w = nn.Variable((3, 2), need_grad=True)
    model.set_parameter(f"@inner/{WEIGHT}", w)
    assert model.get_parameters()[f"@inner/{WEIGHT}"] is w is model.inner.get_parameters()[WEIGHT]
    model.set_parameter("own/w", nn.Variable((1,)), raise_if_missing=True)
    model.set_parameter("@none/w", w)  # ignored, as in the original
    assert names(model) == [f"@inner/{WEIGHT}", "own/w"]
    with pytest.raises(
        ArgumentError, match="set_parameter: Model has no submodule for @none/w; it has @inner. With raise_if_missing="
    ):
        model.set_parameter("@none/w", w, raise_if_missing=True)
    with pytest.raises(TypeError, match="set_parameter: 'q' must be a Variable, not ndarray"):
        model.set_parameter("q", np.ones(3))


def test_names_with_slashes() -> None:
    model = nn.Sequential(("a", nn.Sequential(("b", Dense(2)))), ("a/@b", Dense(3)), ("c/d", Dense(2)))
    for name in ("c/d", "a/@b"):
        model.set_parameter(f"@{name}/w", nn.Variable((2,)))
        assert names(model.submodules[name]) == ["w"]
    assert len(model.a.get_parameters()) == 0


def test_set_parameters_sets_all_or_nothing() -> None:
    model = Model(inner=Dense(2))
    model.set_parameter("own/w", nn.Variable((1,)))
    v = nn.Variable((7,))
    for wrong, error in [
        (("@none/w", v), "has no submodule for @none/w, @none/x; it has @inner"),
        (("own", v), "parameter 'own' has the name of a scope"),
        (("own/w/x", v), "'own/w/x' lies below a parameter"),
        (("new/x", v), "'new' is the name of a parameter and of a scope"),
        (("y", 3), "'y' must be a Variable, not int"),
    ]:
        params = OrderedDict([("new", v), (f"@inner/{WEIGHT}", v), wrong])
        if wrong[0] == "@none/w":
            params["@none/x"] = v
        with pytest.raises((ArgumentError, TypeError), match=f"set_parameters: .*{error}"):
            model.set_parameters(params, raise_if_missing=True)
        assert names(model) == ["own/w"]
    model.set_parameters({"new": v, f"@inner/{WEIGHT}": nn.Variable((8,)), "@none/w": v, "own/w": v})
    assert [p.shape for p in model.get_parameters().values()] == [(8,), (7,)]  # v is listed once
    assert model.parameter_scope["new"] is v is model.parameter_scope["own"]["w"]


def test_update_parameter() -> None:
    first, second = Model(lambda self, x: self.inner(x), inner=Dense(2)), Model(inner=Dense(2))
    first(x23())
    with nn.parameter_scope("", second.parameter_scope):
        for name, param in first.get_parameters().items():
            nn.parameter.set_parameter(name, param)
        nn.parameter.set_parameter("@none/w", nn.Variable((1,)))
    assert names(second.inner) == []
    second.update_parameter()
    assert names(second.inner) == [WEIGHT, BIAS]
    assert names(second) == [*names(first), "@none/w"]
    assert names(second, recursive=False) == ["@none/w"]
    assert second.get_parameters()[f"@inner/{WEIGHT}"] is first.get_parameters()[f"@inner/{WEIGHT}"]


def test_memo_and_parent_names() -> None:
    model = Model(lambda self, x: PF.affine(self.inner(x), 1), inner=Dense(2))
    model(x23())
    memo = ParamMemo()
    assert memo.filter_and_update(model.inner.get_parameters()).keys() == {WEIGHT, BIAS}
    assert names(model, memo=memo) == ["affine/W", "affine/b"]
    assert names(model, memo=memo) == []
    assert list(insert_parent_name("a", OrderedDict(b=nn.Variable(), c=nn.Variable()))) == ["@a/b", "@a/c"]


# Files


@pytest.mark.parametrize("extension", [".h5", ".protobuf"])
def test_files_of_the_original(extension: str) -> None:
    expected = saved("everywhere").get_parameters()
    for called in (False, True):
        model = Everywhere()
        if called:
            model(nn.Variable((4, 3)))
        model.load_parameters(FOLDER / "files" / f"module{extension}")
        assert set(names(model)) == set(expected)
        for name, param in model.get_parameters().items():
            np.testing.assert_array_equal(param.d, expected[name].d)
            assert param.need_grad == expected[name].need_grad
        model(nn.Variable((4, 3)))
        assert set(names(model)) == set(expected)


@pytest.mark.parametrize("extension", [".h5", ".protobuf"])
def test_save_and_load(extension: str, tmp_path: Path) -> None:
    model, other = Everywhere(), Everywhere()
    y, z = model(x := nn.Variable.from_numpy_array(np.arange(12).reshape(4, 3))), other(x)
    before = other.get_parameters()
    file = io.BytesIO()
    for target in (tmp_path / f"model{extension}", str(tmp_path / f"again{extension}"), file):
        model.save_parameters(target, extension)
        other.load_parameters(target, extension)
    assert other.get_parameters() == before  # the same variables
    nn.forward_all([y, z])
    np.testing.assert_array_equal(y.d, z.d)
    assert list(nn.get_parameters()) == []
    nn.load_parameters(tmp_path / f"model{extension}")
    assert set(nn.get_parameters(grad_only=False)) == set(names(model))


def snapshot(module: nn.Module) -> dict[str, list[Any]]:
    return {name: [param, param.d.tolist(), param.need_grad] for name, param in module.get_parameters().items()}


def file_of(**params: nn.Variable) -> io.BytesIO:
    file = io.BytesIO()
    nn.save_parameters(file, OrderedDict((name.replace("__", "/"), p) for name, p in params.items()), ".h5")
    return file


def test_loading_is_refused_as_a_whole() -> None:
    inner = Dense(2)
    model = Model(lambda self, x: self.inner(PF.affine(x, 3)), inner=inner, same=inner)
    model(x23())
    before = snapshot(model)
    good = {"affine__b": nn.Variable((3,)), "new": nn.Variable((1,))}
    good["@inner__fc__affine__b"] = nn.Variable((2,))
    for wrong, error, message in [
        (
            {"@no__w": nn.Variable((1,)), "@inner__@no__w": nn.Variable((1,))},
            ArgumentError,
            "load_parameters: Model has no submodule for @no/w, @inner/@no/w; it has @inner, @same",
        ),
        (
            {"@inner__fc__affine__W": nn.Variable((4, 2))},
            ShapeError,
            r"@model/@same: parameter 'fc/affine/W' has shape \(3, 2\), the file has \(4, 2\)",
        ),
        ({"affine__W": nn.Variable((4, 2))}, ShapeError, r"@model: parameter 'affine/W' has shape \(3, 3\)"),
        ({"affine__W__x": nn.Variable((1,))}, ArgumentError, "'affine/W/x' lies below a parameter"),
        (
            {"@inner__x": nn.Variable((1,)), "@same__x": nn.Variable((2,))},
            FormatError,
            "parameter 'x' stands there twice, with different shapes",
        ),
    ]:
        with pytest.raises(error, match=message):
            model.load_parameters(file_of(**good, **wrong))
        assert snapshot(model) == before
    model.load_parameters(file_of(**good, **{"@no__w": nn.Variable((1,))}), raise_if_missing=False)
    assert set(names(model)) == {*before, "new"}
    assert not model.get_parameters()["affine/b"].d.any()


def test_missing_parameters_are_named(caplog: pytest.LogCaptureFixture) -> None:
    model = Model(lambda self, x: self.inner(PF.affine(x, 3)), inner=Dense(2))
    model(x23())
    with caplog.at_level(logging.WARNING, nn.logger.name):
        nn.logger.addHandler(caplog.handler)
        try:
            model.load_parameters(file_of(affine__W=nn.Variable((3, 3))))
        finally:
            nn.logger.removeHandler(caplog.handler)
    assert f"not in it: @inner/{WEIGHT}, @inner/{BIAS}, affine/b" in caplog.text


def test_files_that_are_none(tmp_path: Path) -> None:
    model = Dense(2)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        model.load_parameters(tmp_path / "none.h5")
    (tmp_path / "broken.h5").write_bytes(b"\x89HDF\r\n\x1a\n and then nothing")
    with pytest.raises(FormatError):
        model.load_parameters(tmp_path / "broken.h5")
    with pytest.raises(ArgumentError, match="the extension must be one of"):
        model.save_parameters(tmp_path / "model.npz")
    assert names(model) == []
