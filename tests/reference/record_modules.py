"""Records what modules and layer classes of the original NNabla do.

    python -m tests.reference.record_modules

run from the repository's root writes ``modules.json`` and ``modules.npz`` (signatures; for each case names, shapes,
flags and first values of parameters, the tree of modules, outputs, gradients, and three steps of training), and the
parameter files ``files/module.h5``, ``files/module.protobuf`` and ``files/layers.h5``. Only the public API is used.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.core.modules import ConvBn, ResUnit
from nnabla.experimental.parametric_function_class.affine import Affine
from nnabla.experimental.parametric_function_class.batch_normalization import BatchNorm1d, BatchNorm2d, BatchNorm3d
from nnabla.experimental.parametric_function_class.batch_normalization import BatchNormalization as Normalization
from nnabla.experimental.parametric_function_class.convolution import Convolution
from nnabla.experimental.parametric_function_class.deconvolution import Deconvolution
from nnabla.experimental.parametric_function_class.module import Module as Layer

from .record_parametric import FOLDER, SEED, VERSION, Inputs, as_list

PUBLIC = {
    "nnabla.core.module": ["Module", "ParamMemo", "insert_parent_name"],
    "nnabla.core.sequential": ["Sequential"],
    "nnabla.core.modules": ["ConvBn", "ResUnit", "complete_dims", "get_conv_same_pad"],
    "nnabla.experimental.parametric_function_class.affine": ["Affine", "Linear"],
    "nnabla.experimental.parametric_function_class.batch_normalization": [
        "BatchNorm1d",
        "BatchNorm2d",
        "BatchNorm3d",
        "BatchNormalization",
    ],
    "nnabla.experimental.parametric_function_class.convolution": [
        "Conv1d",
        "Conv2d",
        "Conv3d",
        "ConvNd",
        "Convolution",
    ],
    "nnabla.experimental.parametric_function_class.deconvolution": [
        "Deconv1d",
        "Deconv2d",
        "Deconv3d",
        "DeconvNd",
        "Deconvolution",
    ],
    "nnabla.experimental.parametric_function_class.embed": ["Embed"],
    "nnabla.experimental.parametric_function_class.module": ["Module"],
}


class Dense(nn.Module):
    """One affine layer."""

    def __init__(self, n: int, act: Any = None) -> None:
        self.n = n
        self.act = act

    def call(self, x: Any) -> Any:
        h = PF.affine(x, self.n, name="fc")
        return h if self.act is None else self.act(h)


class Everywhere(nn.Module):
    """Parameters made in the constructor, in `call`, in other methods, in scopes, and in a property (not its own)."""

    def __init__(self) -> None:
        self.last = Dense(2)
        self.shift = nn.parameter.get_parameter_or_create("shift", (1, 3))
        self.first = Dense(3, act=lambda x: F.tanh(x))

    def _helped(self, x: Any) -> Any:
        return PF.affine(x, 3, name="helped")

    def call(self, x: Any) -> Any:
        h = self.first(x) + F.broadcast(self.shift, (x.shape[0], 3))
        with nn.parameter_scope("inner"):
            h = PF.batch_normalization(PF.affine(h, 3))
            h = self._helped(h)
        return self.last(PF.affine(h, 3, fix_parameters=True, name="fixed"))


class Derived(Everywhere):
    """Calls its base class in a scope."""

    def __init__(self) -> None:
        self.before = Dense(3)
        super().__init__()

    def call(self, x: Any) -> Any:
        with nn.parameter_scope("derived"):
            return super().call(self.before(PF.affine(x, 3)))


class Sharing(nn.Module):
    """The same module by two names, and called twice."""

    def __init__(self) -> None:
        self.a = Dense(4)
        self.other = Dense(4)
        self.b = self.a

    def call(self, x: Any) -> Any:
        return self.b(self.other(self.a(x)))


class Nested(nn.Module):
    """Three levels; one module is made in `call`."""

    def __init__(self) -> None:
        self.units = nn.Sequential(("unit", Sharing()), Dense(3))
        self.tail = Dense(1)

    def call(self, x: Any) -> Any:
        if not hasattr(self, "made"):
            self.made = Dense(4)
        return self.tail(self.units(self.made(x)))


class Dropping(nn.Module):
    """Asks for `training`."""

    def __init__(self) -> None:
        self.block = Dense(3)

    def call(self, x: Any) -> Any:
        h = self.block(x)
        return PF.batch_normalization(h, batch_stat=self.training) if self.block.training else h


class Pair(nn.Module):
    """Two inputs, two outputs."""

    def call(self, x: Any, y: Any) -> Any:
        return PF.affine(x, 3, name="x"), y


class Sum(nn.Module):
    """Two inputs, one output."""

    def call(self, x: Any, y: Any) -> Any:
        return x + PF.affine(y, 3, name="y")


class Net(Layer):
    """A model of layer classes."""

    def __init__(self) -> None:
        self.conv = Convolution(2, 4, (3, 3), pad=(1, 1))
        self.bn = BatchNorm2d(4)
        self.head = Head()
        self.again = self.conv

    def __call__(self, x: Any, test: bool = False) -> Any:
        return self.head(F.relu(self.bn(self.conv(x), test)))


class Head(Layer):
    """Layers, a parameter and a constant of its own."""

    def __init__(self) -> None:
        self.scale = nn.Variable.from_numpy_array(np.full((1, 3), 2.0))
        self.scale.need_grad = True
        self.constant = nn.Variable.from_numpy_array(np.ones((1, 3)))
        self.fc = Affine(64, 3)

    def __call__(self, x: Any) -> Any:
        return self.fc(x) * self.scale + self.constant


def _twice(module: Any, *inputs: Any) -> list[Any]:
    return [*as_list(module(*inputs)), *as_list(module(*inputs))]


def _training(x: Inputs, before: bool, after: bool) -> tuple[Any, Any]:
    module = Dropping()
    module.training = before
    module.later = Dense(2)
    if after != before:
        module.training = after
    return module, module(x(4, 3))


def _called(module: Any, *inputs: Any, **kwargs: Any) -> tuple[Any, Any]:
    return module, module(*inputs, **kwargs)


def _scoped(x: Inputs) -> tuple[Any, Any]:
    with nn.parameter_scope("outside"):
        return _called(Dense(2), x(2, 3))


CASES: dict[str, Callable[[Inputs], tuple[Any, Any]]] = {
    "dense": lambda x: _called(Dense(2), x(3, 4)),
    "everywhere": lambda x: _called(Everywhere(), x(4, 3)),
    "derived": lambda x: _called(Derived(), x(4, 3)),
    "sharing": lambda x: _called(Sharing(), x(2, 4)),
    "nested": lambda x: _called(Nested(), x(2, 3)),
    "scoped": _scoped,
    "twice": lambda x: (lambda module, inp: (module, _twice(module, inp)))(Everywhere(), x(4, 3)),
    "training-off": lambda x: _training(x, False, False),
    "training-on": lambda x: _training(x, False, True),
    "sequential": lambda x: _called(nn.Sequential(Dense(3), ("named", Dense(4)), Dense(2)), x(2, 3)),
    "sequential-tuple": lambda x: _called(nn.Sequential(Pair(), Sum(), Dense(2)), x(2, 3), x(2, 3)),
    "conv_bn": lambda x: _called(ConvBn(4, kernel=3, stride=2, act=F.tanh), x(2, 3, 6, 6)),
    "conv_bn-pair": lambda x: _called(ConvBn(4, (1, 3), (2, 1)), x(2, 3, 6, 6), training=False),
    "res_unit": lambda x: _called(ResUnit(8, stride=2), x(2, 3, 6, 6)),
    "res_unit-skip": lambda x: _called(ResUnit(8, skip_by_conv=False), x(2, 8, 4, 4), training=False),
    "Affine": lambda x: _called(Affine(4, 3), x(2, 4)),
    "Affine-options": lambda x: _called(
        Affine(4, (3, 2), base_axis=2, fix_parameters=True, rng=np.random.RandomState(2), with_bias=False), x(2, 3, 4)
    ),
    "Convolution": lambda x: _called(Convolution(3, 4, (2, 3)), x(2, 3, 5, 6)),
    "Convolution-options": lambda x: _called(
        Convolution(4, 6, (3,), pad=(2,), stride=(2,), dilation=(2,), group=2, rng=np.random.RandomState(2)), x(2, 4, 9)
    ),
    "Convolution-fixed": lambda x: _called(
        Convolution(2, 4, (1, 2, 2), fix_parameters=True, with_bias=False, base_axis=0), x(2, 2, 3, 3)
    ),
    "Deconvolution": lambda x: _called(Deconvolution(4, 4, (2, 3)), x(2, 4, 3, 3)),
    "Deconvolution-options": lambda x: _called(
        Deconvolution(4, 4, (3,), pad=(1,), stride=(2,), dilation=(2,), group=2, rng=np.random.RandomState(2)),
        x(2, 4, 5),
    ),
    "BatchNormalization": lambda x: _called(Normalization(3, 4, axes=[2], decay_rate=0.5, eps=1e-3), x(2, 2, 3, 2)),
    "BatchNormalization-last": lambda x: _called(Normalization(2, 3, axes=[-1], fix_parameters=True), x(2, 3, 2)),
    "BatchNorm1d": lambda x: _called(BatchNorm1d(3), x(4, 3, 2)),
    "BatchNorm1d-test": lambda x: _called(BatchNorm1d(3), x(4, 3, 2), test=True),
    "BatchNorm1d-batch_stat": lambda x: _called(BatchNorm1d(3, batch_stat=False), x(4, 3, 2)),
    "BatchNorm2d": lambda x: _called(BatchNorm2d(3, output_stat=True), x(4, 3, 2, 2)),
    "BatchNorm3d": lambda x: _called(BatchNorm3d(2), x(3, 2, 2, 1, 2)),
    "net": lambda x: _called(Net(), x(2, 2, 4, 4)),
}


def parameters_of(model: Any, grad_only: bool = False) -> dict[str, Any]:
    """All parameters of a module or layer."""
    return dict(model.get_parameters(grad_only=grad_only))


def tree(model: Any) -> list[Any]:
    """What modules say of themselves, from the outermost on; names of layers."""
    if isinstance(model, Layer):
        return [[prefix, type(module).__name__] for prefix, module in model.get_modules()]
    facts = [
        repr(model),
        model.name,
        model.get_path_name(),
        model.get_scope_name(),
        model.is_root(),
        len(model),
        bool(model),
        model.training,
        None if model.parent is None else repr(model.parent),
        list(model.get_parameters(recursive=False)),
    ]
    return [facts, *(entry for below in model.submodules.values() for entry in tree(below))]


def run(key: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What happens in a case: facts, and arrays by name."""
    nn.clear_parameters()
    nn.seed(SEED)
    nn.random.prng = np.random.RandomState(SEED)
    inputs = Inputs(key)
    model, outputs = CASES[key](inputs)
    outputs = as_list(outputs)
    params = parameters_of(model)
    weighted = [F.sum(y * nn.Variable.from_numpy_array(inputs.array(*y.shape))) for y in outputs]
    total = F.add_n(*weighted)
    arrays = {f"param/{name}": p.d.copy() for name, p in params.items()}
    for variable in [*inputs.variables, *params.values()]:
        variable.grad.zero()
    total.forward()
    total.backward()
    arrays.update({f"output/{i}": y.d.copy() for i, y in enumerate(outputs)})
    arrays.update({f"dx/{i}": x.g.copy() for i, x in enumerate(inputs.variables)})
    for name, p in params.items():
        arrays[f"grad/{name}" if p.need_grad else f"after/{name}"] = (p.g if p.need_grad else p.d).copy()
    solver = S.Sgd(lr=0.05)
    solver.set_parameters(model.get_parameters())
    losses = []
    for _ in range(3):
        total.forward()
        losses.append(float(total.d))
        if isinstance(model, nn.Module):
            model.zero_grad()
        else:
            solver.zero_grad()
        total.backward()
        solver.update()
    arrays["losses"] = np.array(losses)
    facts = {
        "parameters": [[name, list(p.shape), p.need_grad] for name, p in params.items()],
        "trained": list(parameters_of(model, grad_only=True)),
        "elsewhere": list(nn.get_parameters(grad_only=False)),
        "tree": tree(model),
    }
    nn.clear_parameters()
    return facts, arrays


def signatures() -> dict[str, str]:
    """Of public functions, classes, and methods that a class defines itself."""
    found = {}
    for path, names in PUBLIC.items():
        module = import_module(path)
        for name in names:
            value = getattr(module, name)
            found[f"{path}.{name}"] = plain_signature(value)
            for method, function in vars(value).items() if isinstance(value, type) else ():
                public = not method.startswith("_") or method == "__call__"
                if public and callable(function):
                    found[f"{path}.{name}.{method}"] = plain_signature(function)
                elif public and isinstance(function, property):
                    found[f"{path}.{name}.{method}"] = "property"
    return found


def plain_signature(function: Any) -> str:
    """Without annotations."""
    signature = inspect.signature(function)
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def saved(key: str) -> Any:
    """The model that the files come from, with other values than its first ones."""
    nn.seed(SEED + 1)
    nn.random.prng = np.random.RandomState(SEED + 1)
    model, _ = CASES[key](Inputs(key))
    for index, param in enumerate(parameters_of(model).values()):
        param.d = (np.linspace(-1, 1, param.d.size).reshape(param.shape) + index).astype(np.float32)
    return model


def main() -> None:
    """Writes all files."""
    if not hasattr(nn, "_version") or nn.__version__ != VERSION:
        raise SystemExit(f"the reference is the original NNabla {VERSION}; this is {nn.__version__} at {nn.__file__}")
    facts, arrays = {}, {}
    for key in CASES:
        facts[key], found = run(key)
        arrays.update({f"{key}/{name}": values for name, values in found.items()})
    record = {"source": f"NNabla {nn.__version__}", "signatures": signatures(), "cases": facts}
    (FOLDER / "modules.json").write_text(json.dumps(record, indent=1) + "\n")
    np.savez_compressed(FOLDER / "modules.npz", **arrays)
    for extension in (".h5", ".protobuf"):
        saved("everywhere").save_parameters(str(FOLDER / "files" / f"module{extension}"))
    saved("net").save_parameters(str(FOLDER / "files" / "layers.h5"))
    print(len(facts), "cases,", (FOLDER / "modules.npz").stat().st_size, "bytes")


if __name__ == "__main__":
    main()
