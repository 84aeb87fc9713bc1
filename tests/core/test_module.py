"""Modules against what the original does, and what it does not do: modules in lists, tuples and dicts."""

from __future__ import annotations

import copy
import gc
import io
import json
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.core.modules import ConvBn, ResUnit, complete_dims, get_conv_same_pad
from nnabla.errors import ArgumentError

from ..reference.record_modules import CASES, Dense, run, signatures
from ..reference.record_parametric import FOLDER

REFERENCE = json.loads((FOLDER / "modules.json").read_text())
LAYERS = {key for key in CASES if key[0].isupper() or key == "net"}
# The original does not tell the layers of a Sequential what they belong to.
WITHOUT_PARENTS = {"sequential", "sequential-tuple", "nested"}
WEIGHT, BIAS = "fc/affine/W", "fc/affine/b"


def without_parents(tree: list[list[Any]]) -> list[list[Any]]:
    """Facts of each module but name, path, whether it is outermost, and parent."""
    return [[fact for column, fact in enumerate(facts) if column not in (1, 2, 4, 8)] for facts in tree]


def check_case(key: str) -> None:
    """The case gives what was recorded: facts exactly, numbers to rounding."""
    with np.load(FOLDER / "modules.npz") as archive:
        expected = {name[len(key) + 1 :]: archive[name] for name in archive.files if name.startswith(f"{key}/")}
    facts, arrays = run(key)
    recorded = REFERENCE["cases"][key]
    if key in WITHOUT_PARENTS:
        facts["tree"], recorded["tree"] = without_parents(facts["tree"]), without_parents(recorded["tree"])
    assert json.loads(json.dumps(facts)) == recorded
    assert set(arrays) == set(expected)
    for name, values in arrays.items():
        # Sums over a batch in another order; first values are drawn alike.
        tolerance = 1e-6 if name.startswith("param/") else 2e-5
        scale = max(1.0, np.abs(expected[name]).max(initial=0))
        np.testing.assert_allclose(values, expected[name], rtol=0, atol=tolerance * scale, err_msg=name)


@pytest.mark.parametrize("key", sorted(set(CASES) - LAYERS))
def test_case(key: str) -> None:
    check_case(key)


def test_records_match_cases() -> None:
    assert set(REFERENCE["cases"]) == set(CASES)


def test_signatures() -> None:
    ours = signatures()
    assert {name: ours.get(name) for name in REFERENCE["signatures"]} == REFERENCE["signatures"]
    assert nn.Module is nn.core.module.Module and nn.Sequential is nn.core.sequential.Sequential


class Model(nn.Module):
    """Whatever a test needs: attributes, and a function as `call`."""

    def __init__(self, function: Callable[..., Any] | None = None, **attributes: Any) -> None:
        self.function = function
        for name, value in attributes.items():
            setattr(self, name, value)

    def call(self, *args: Any) -> Any:
        return self.function(self, *args)


def names(module: nn.Module, **options: Any) -> list[str]:
    return list(module.get_parameters(**options))


def x23() -> nn.Variable:
    return nn.Variable.from_numpy_array(np.arange(6).reshape(2, 3))


# The example of the manual


class ManualConvBn(nn.Module):
    def __init__(self, outmaps, kernel=1, stride=1, act=None):
        self.outmaps, self.kernel, self.stride, self.act = outmaps, kernel, stride, act

    def call(self, x, training=True):
        pad = (self.kernel // 2,) * 2
        h = PF.convolution(x, self.outmaps, (self.kernel,) * 2, pad, (self.stride,) * 2, with_bias=False)
        h = PF.batch_normalization(h, batch_stat=training)
        return h if self.act is None else self.act(h)


class ManualNet(nn.Module):
    def __init__(self):
        self.conv1 = ManualConvBn(4, 3, act=lambda x: F.relu(x, inplace=True))
        self.unit = ResUnit(8)
        self.conv2 = ManualConvBn(2, 3, 2)

    def call(self, x):
        h = self.conv2(self.unit(self.conv1(x, training=self.training)), training=self.training)
        return PF.affine(h, 2, name="last")


def test_training_and_testing() -> None:
    random = np.random.RandomState(0)
    images = random.randn(32, 1, 6, 6)
    labels = (np.abs(images[:, :, :3]).sum((1, 2, 3)) > np.abs(images[:, :, 3:]).sum((1, 2, 3))).reshape(-1, 1)
    x, t = nn.Variable.from_numpy_array(images), nn.Variable.from_numpy_array(labels)
    net = ManualNet()
    loss = F.mean(F.softmax_cross_entropy(net(x), t))
    solver = S.Adam(alpha=0.02)
    solver.set_parameters(net.get_parameters())
    assert not nn.get_parameters()
    losses = []
    for _ in range(30):
        loss.forward()
        losses.append(float(loss.d))
        solver.zero_grad()
        loss.backward(clear_buffer=True)
        solver.update()
    assert losses[-1] < 0.2 * losses[0]
    count = len(net.get_parameters())
    net.training = False
    y = net(x)  # another graph on the same parameters
    y.forward()
    assert (y.d.argmax(1) == labels[:, 0]).mean() > 0.9
    assert len(net.get_parameters()) == count == 32


def test_dynamic() -> None:
    net = ManualNet()
    with nn.auto_forward():
        y = net(nn.Variable.from_numpy_array(np.ones((2, 1, 6, 6))))
        assert np.isfinite(y.d).all()
    z = net(nn.Variable.from_numpy_array(np.ones((2, 1, 6, 6))))
    z.forward()
    np.testing.assert_allclose(y.d, z.d, atol=1e-6)
    dense = Dense(3)
    assert isinstance(dense(nn.NdArray.from_numpy_array(np.ones((2, 4)))), nn.NdArray)


# Attributes


def test_containers() -> None:
    model = Model(
        lambda self, x: (
            self.head(self.blocks[1](self.blocks[0](x)))
            + self.table["left"][1](x)
            + self.table["right"](x)
            + self.table[3](x)
        ),
        blocks=[Dense(4), Dense(2)],
        table={"left": (None, Dense(2)), "right": Dense(2), 3: Dense(2), "text": "x"},
        head=Dense(2),
    )
    model(x23())
    stems = ["@head", "@blocks/@0", "@blocks/@1", "@table/@left/@1", "@table/@right", "@table/@3"]
    assert names(model) == [f"{stem}/fc/affine/{w}" for stem in stems for w in "Wb"]
    assert list(model.submodules) == [stem[1:] for stem in stems]
    assert len(model) == 6
    assert names(model, recursive=False) == []
    inner = model.table["left"][1]
    assert (inner.parent, inner.name, inner.is_root()) == (model, "table/@left/@1", False)
    assert inner.get_path_name() == "@model/@table/@left/@1"
    model.training = False
    assert not any(module.training for module in model.submodules.values())
    for param in model.get_parameters().values():
        param.g = 1
    model.zero_grad()
    assert not any(param.g.any() for param in model.get_parameters().values())


def test_containers_that_change() -> None:
    model = Model(blocks=[], named={}, deep=[[], ()])
    assert len(model) == 0
    model.blocks.append(Dense(1))
    model.named["a"] = Dense(1)
    model.deep[0].append({"b": (Dense(1),)})
    assert list(model.submodules) == ["blocks/@0", "named/@a", "deep/@0/@0/@b/@0"]
    assert model.blocks[0].parent is model
    removed = model.blocks.pop()
    assert removed.parent is None and removed.name == "dense"
    model.deep.append(model.deep)  # a list in itself
    assert list(model.submodules) == ["named/@a", "deep/@0/@0/@b/@0"]


def test_containers_are_saved_and_loaded() -> None:
    def net() -> Model:
        return Model(lambda self, x: self.blocks[1]["a/b"](self.blocks[0](x)), blocks=[Dense(4), {"a/b": Dense(2)}])

    first, second = net(), net()
    y = first(x23())
    file = io.BytesIO()
    first.save_parameters(file)
    second.load_parameters(file)
    assert names(second) == names(first) == [f"@blocks/{k}/fc/affine/{w}" for k in ("@0", "@1/@a/b") for w in "Wb"]
    z = second(x23())
    nn.forward_all([y, z])
    np.testing.assert_array_equal(y.d, z.d)
    second.set_parameter("@blocks/@1/@a/b/fc/affine/b", nn.Variable((2,)), raise_if_missing=True)
    assert second.blocks[1]["a/b"].get_parameters()[BIAS].shape == (2,)


def test_an_attribute_goes_before_a_container() -> None:
    conv, other = Dense(1), Dense(1)
    model = Model(lambda self, x: [self.conv(x), self.blocks[1](x)], blocks=[conv, other], conv=conv)
    model(x23())
    assert names(model) == [f"@{stem}/fc/affine/{w}" for stem in ("conv", "blocks/@1") for w in "Wb"]
    assert conv.name == "conv"


def test_equal_names_are_refused() -> None:
    with pytest.raises(ArgumentError, match="Model: two modules have the same name 'table/@1'"):
        Model(table={1: Dense(1), "1": Dense(1)})
    assert Model(table={1: Dense(1), "1": "no module"}).submodules.keys() == {"table/@1"}


def test_replacing_and_deleting() -> None:
    model = Model(a=Dense(1), b=Dense(2))
    old = model.a
    model.a = Dense(3)
    assert list(model.submodules) == ["a", "b"] and old.parent is None and model.a.parent is model
    model.a = None
    assert model.a is None and list(model.submodules) == ["b"]
    del model.b
    assert not hasattr(model, "b") and len(model) == 0
    with pytest.raises(AttributeError, match="'Model' object has no attribute 'b'"):
        _ = model.b


def test_names_that_mean_something_else() -> None:
    for name in ("name", "call", "training", "get_parameters", "parent"):
        with pytest.raises(AttributeError, match=f"Model: '{name}' means something else in a module"):
            Model(**{name: Dense(1)})
        with pytest.raises(AttributeError, match=f"'{name}' means something else"):
            Model(**{name: [Dense(1)]})
        with pytest.raises(AttributeError, match=f"'{name}' means something else"):
            nn.Sequential((name, Dense(1)))
    model = Model(name="mine", parent=3)  # without effect, as in the original
    assert model.name == "model" and model.parent is None


def test_properties_of_derived_classes() -> None:
    class Own(nn.Module):
        name = "fixed"
        training = False

        def __init__(self) -> None:
            self.inner = Dense(1)
            self.level = 3

        @property
        def level(self) -> int:
            return self._level

        @level.setter
        def level(self, value: int) -> None:
            self._level = 2 * value

    own = Own()
    assert (own.level, own.name, own.training) == (6, "fixed", False)
    own.training, own.name = True, "changed"
    assert own.training and own.inner.training and own.name == "changed"
    own.training = False
    assert not own.inner.training


def test_two_parents() -> None:
    shared = Dense(2)
    first, second = (Model(lambda self, x: self.inner(x), inner=shared) for _ in range(2))
    y, z = first(x23()), second(x23())
    assert names(first) == names(second) == [f"@inner/{WEIGHT}", f"@inner/{BIAS}"]
    assert first.get_parameters()[f"@inner/{WEIGHT}"] is second.get_parameters()[f"@inner/{WEIGHT}"]
    assert shared.parent is second
    assert y.parent.inputs[1] == z.parent.inputs[1]


def test_circles() -> None:
    outer = Model(lambda self, x: self.inner(x), inner=Dense(1))
    outer.itself, outer.inner.owner = outer, [outer]
    outer.inner.boss = outer
    outer(x23())
    assert names(outer) == [f"@inner/{WEIGHT}", f"@inner/{BIAS}"]
    assert outer.is_root() and outer.inner.get_path_name() == "@model/@inner"
    outer.training = False
    assert not outer.inner.training


def test_training_reaches_all_levels() -> None:
    model = Model(a=Model(b=[Model(c=Dense(1))]))
    model.training = False
    assert not model.a.b[0].c.training
    model.a.training = True
    assert model.a.b[0].c.training and not model.training


def test_static_methods_and_functions_of_a_class() -> None:
    class Mixed(nn.Module):
        @staticmethod
        def static(x: Any) -> Any:
            return PF.affine(x, 1, name="static")

        def plain(x: Any) -> Any:
            return x

        def __getitem__(self, index: int) -> Any:
            return PF.affine(x23(), 1, name=f"item{index}")

    mixed = Mixed()
    mixed.static(x23())
    mixed[7]
    assert Mixed.plain(3) == 3
    assert names(mixed) == ["item7/affine/W", "item7/affine/b"]
    assert list(nn.get_parameters()) == ["static/affine/W", "static/affine/b"]


def test_other_base_classes() -> None:
    class Modules(nn.Module, list):
        def call(self, x: Any) -> Any:
            for layer in self:
                x = layer(x)
            return x

    model = Model(lambda self, x: self.layers(x), layers=Modules([Dense(2)]))
    model.layers.kept = model.layers[0]
    model(x23())
    assert names(model) == [f"@layers/@kept/{WEIGHT}", f"@layers/@kept/{BIAS}"]


def test_constructor_arguments() -> None:
    class Bare(nn.Module):
        pass

    with pytest.raises(TypeError, match=r"Bare\(\) takes no arguments"):
        Bare(3)
    with pytest.raises(NotImplementedError, match="Bare.call must be implemented"):
        Bare()(x23())


# Life and copies


def test_modules_die_without_garbage_collection() -> None:
    gc.collect()
    gc.disable()
    try:
        model = Model(lambda self, x: self.inner(x), inner=Dense(2), more=[Dense(1)])
        model(x23())
        assert len(model.submodules) == 2 and model.inner.get_path_name() == "@model/@inner"
        references = [weakref.ref(module) for module in (model, model.inner, model.more[0])]
        del model
        assert [reference() for reference in references] == [None] * 3
    finally:
        gc.enable()


def test_graphs_keep_parameters() -> None:
    def build() -> tuple[nn.Variable, np.ndarray]:
        dense = Dense(2)
        return dense(x23()), dense.get_parameters()[WEIGHT].d.copy()

    y, w = build()
    y.forward()
    np.testing.assert_allclose(y.d, x23().d @ w, rtol=1e-6)


def test_copies() -> None:
    model = Model(lambda self, x: self.blocks[0](self.inner(x)), inner=Dense(3), blocks=[Dense(2)])
    model(x23())
    same, own = copy.copy(model), copy.deepcopy(model)
    assert names(same) == names(own) == names(model)
    for name, param in model.get_parameters().items():
        assert same.get_parameters()[name] is param
        other = own.get_parameters()[name]
        np.testing.assert_array_equal(other.d, param.d)
        other.d = 7
        assert not (param.d == 7).any() and other.need_grad == param.need_grad
    assert own.inner.parent is own and own.blocks[0].get_path_name() == "@model/@blocks/@0"
    assert model.inner.parent is model
    own(x23()).forward()


def test_modules_that_were_not_called_can_be_pickled() -> None:
    unit = pickle.loads(pickle.dumps(ResUnit(8)))
    assert unit.conv1.get_path_name() == "@res_unit/@conv1"
    assert unit(nn.Variable((1, 8, 4, 4))).shape == (1, 8, 4, 4)


# Sequential and ready-made modules


def test_sequential_without_layers() -> None:
    x, y = nn.Variable((1,)), nn.Variable((2,))
    assert nn.Sequential()(x) is x
    assert nn.Sequential()(x, y) == (x, y)


def test_layers_of_a_sequential_know_their_place() -> None:
    model = Model(layers=nn.Sequential(Dense(1), ("named", Dense(1))))
    assert [m.get_path_name() for m in model.layers.submodules.values()] == [
        "@model/@layers/@dense_0",
        "@model/@layers/@named",
    ]


def test_sequential_hands_on_what_it_is_given() -> None:
    pair = Model(lambda self, *args: args)
    assert nn.Sequential(pair, pair)((1, 2)) == ((1, 2),)
    assert nn.Sequential(pair, pair)(1, 2) == (1, 2)
    assert nn.Sequential(Model(lambda self, x: [x, x]), pair)(1) == ([1, 1],)

    class Keyword(nn.Module):
        def call(self, x: list[Any], flag: bool = True) -> list[Any]:
            return [*x, flag]

    assert nn.Sequential(Keyword(), Keyword())([], flag=False) == [False, False]
    later = nn.Sequential(Keyword())
    later.second = Keyword()
    later.kept = [Keyword()]  # no layer
    assert later([]) == [True, True]


@pytest.mark.parametrize(
    "layers, error, message",
    [
        ([F.relu], TypeError, r"layer 0 must be a Module or a pair \(name, Module\), not function"),
        ([Dense(1), [Dense(1)]], TypeError, "layer 1 must be a Module or a pair .*, not list"),
        ([Dense], TypeError, "layer 0 must be a Module or a pair .*, not MetaClass"),
        ([("a",)], TypeError, "not a tuple of 1"),
        ([(3, Dense(1))], TypeError, "layer 0 must be a pair of a string and a Module, not of int and Dense"),
        ([("a", F.relu)], TypeError, "not of str and function"),
        ([("a", Dense(1)), ("a", Dense(1))], ArgumentError, "two layers have the name 'a'"),
        ([("dense_1", Dense(1)), Dense(1)], ArgumentError, "two layers have the name 'dense_1'"),
    ],
)
def test_sequential_refuses(layers: list[Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"Sequential: .*{message}"):
        nn.Sequential(*layers)


def test_sequential_refuses_layers_as_keywords() -> None:
    with pytest.raises(TypeError, match=r"give a named layer as a pair, \('a', module\)"):
        nn.Sequential(a=Dense(1))


def test_dims_and_padding() -> None:
    assert complete_dims(3, 2) == (3, 3)
    assert complete_dims(None, 2) == (None, None)
    assert complete_dims([3, 4], 2) == [3, 4]
    with pytest.raises(ArgumentError, match="complete_dims: s must have length 2, and has 3"):
        complete_dims((1, 2, 3), 2)
    assert get_conv_same_pad((1, 2, 7)) == (0, 1, 3)
    with pytest.raises(ArgumentError, match="length 2, and has 1"):
        ConvBn(4, (3,))(nn.Variable((1, 2, 4, 4)))
