"""What the ready-made networks of the original NNabla ask for, for each option: files, names of what they change.

    python tests/reference/record_models.py

writes ``tests/reference/models.json``. Nothing is downloaded: the class that loads model files and the one that changes
networks are replaced by some that note what they are called with. `tests/models/test_recorded_models.py` notes the same
of this package. Only what a program sees of the classes at run time is used here.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import inspect
import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import nnabla as nn
import nnabla.functions as F
import nnabla.models.imagenet as imagenet
from nnabla.models.utils import get_model_home
from nnabla.utils.nnp_graph import NnpLoader, NnpNetworkPass
from nnabla.utils.save import save

RECORD = Path(__file__).resolve().with_name("models.json")
IMAGENET = sorted(name for name, found in vars(imagenet).items() if inspect.isclass(found))
MODELS = [("nnabla.models.imagenet", name, ()) for name in IMAGENET]
MODELS += [("nnabla.models.object_detection", "YoloV2", (dataset,)) for dataset in ("voc", "coco")]
MODELS += [
    ("nnabla.models.semantic_segmentation", "DeepLabV3plus", (dataset, stride))
    for dataset in ("voc", "voc-coco")
    for stride in (8, 16)
]
SIDES = {"YoloV2": 416, "DeepLabV3plus": 513}
# By the shape of the image: for functions of the file, the shape of their input, and their arguments in the file.
Functions = Callable[[list[int]], dict[str, tuple[list[int], list[float]]]]


def functions_of_yolo(image: list[int]) -> dict[str, tuple[list[int], list[float]]]:
    """With 20 categories, for 13 x 13 cells."""
    n, h, w = image[0], image[2] // 32, image[3] // 32
    return {
        "Reshape": ([n, 64, 2 * h, 2 * w], [1, 16, 26, 2, 26, 2]),
        "Reshape_2": ([n, 2, 2, 16, 2 * h, 2 * w], [1, 256, 13, 13]),
        "Reshape_3": ([n, 125, h, w], [1, 5, 25, 13, 13]),
        "Slice": ([n, 5, 25, h, w], [1, 5, 2, 13, 13]),
        "Slice_2": ([n, 5, 25, h, w], [1, 5, 4, 13, 13]),
        "Slice_3": ([n, 5, 25, h, w], [1, 5, 5, 13, 13]),
        "Slice_4": ([n, 5, 25, h, w], [1, 5, 25, 13, 13]),
        "Arange": ([], [13]),
        "Arange_2": ([], [13]),
        "Reshape_4": ([w], [1, 1, 1, 13]),
        "Reshape_5": ([n, 5, h, w], [1, 5, 1, 13, 13]),
        "Reshape_6": ([h], [1, 1, 13, 1]),
        "Reshape_7": ([n, 5, h, w], [1, 5, 1, 13, 13]),
        "Reshape_8": ([n, 5, h, w, 25], [1, 845, 25]),
        "MulScalar_2": ([n, 5, 1, h, w], [1 / 13]),
        "MulScalar_3": ([n, 5, 1, h, w], [1 / 13]),
    }


def functions_of_deeplab(image: list[int], stride: int) -> dict[str, tuple[list[int], list[float]]]:
    """Features are so many times smaller than the image, and are interpolated to a quarter of it, and to all of it."""
    n, height, width = image[0], *image[2:]
    features = [n, 256, -(-height // stride), -(-width // stride)]
    side = 512 // stride + 1
    return {
        "AveragePooling": (features, [side, side]),
        # The original has a sixteenth of the image here, whatever the network is called.
        "Interpolate": ([n, 256, 1, 1], [33, 33]),
        "Interpolate_2": (features, [129, 129]),
        "Interpolate_3": ([n, 21, -(-height // 4), -(-width // 4)], [513, 513]),
    }


# Images of other sizes than those of training.
OTHER_SIZES = {"YoloV2": [(416, 416), (320, 608)], "DeepLabV3plus": [(513, 513), (257, 385), (400, 640)]}


def plain(value: Any) -> Any:
    """A value as JSON has it; of a Variable its shape."""
    if isinstance(value, nn.Variable):
        return {"shape": list(value.shape)}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


class Note:
    """Stands for `NnpNetworkPass`: notes the calls, and what functions become that a callback changes."""

    def __init__(self, verbose: int = 0) -> None:
        self.calls: list[list[Any]] = [["verbose", int(verbose)]]
        self.callbacks: list[tuple[str, Any]] = []

    def __getattr__(self, method: str) -> Any:
        signature = inspect.signature(getattr(NnpNetworkPass, method))

        def note(*args: Any, **options: Any) -> Any:
            bound = signature.bind(self, *args, **options)
            bound.apply_defaults()
            several = [p.name for p in signature.parameters.values() if p.kind is p.VAR_POSITIONAL]
            values = {k: v for k, v in list(bound.arguments.items())[1:] if k not in several}
            if method in ("on_generate_function_by_name", "on_function_pass_by_name"):
                # A function as it is made, or with the variables around it.
                more = () if method == "on_generate_function_by_name" else ({}, {})
                return lambda callback: self.callbacks.append((args[0], lambda f: callback(f, *more))) or callback
            if method.startswith("on_"):
                raise TypeError(f"{method}: not foreseen")
            # A call with several names is as many calls.
            for name in bound.arguments[several[0]] if several else [None]:
                each = {**values, **({} if name is None else {"name": name})}
                self.calls.append([method, {k: plain(v) for k, v in sorted(each.items())}])
            return None

        return note

    def changed(self, functions: Functions) -> None:
        """Run the callbacks on functions of the file, and note what their arguments are then."""
        image = next(args["input_var"]["shape"] for name, args in self.calls if name == "set_variable")
        for name, callback in self.callbacks:
            if name == "Mul2":  # scales the anchors
                continue
            shape, numbers = functions(image)[name]
            proto = SimpleNamespace(
                reshape_param=SimpleNamespace(shape=SimpleNamespace(dim=list(numbers))),
                slice_param=SimpleNamespace(stop=list(numbers)),
                interpolate_param=SimpleNamespace(output_size=list(numbers)),
                arange_param=SimpleNamespace(start=0, stop=numbers[0], step=1),
                mul_scalar_param=SimpleNamespace(val=numbers[0]),
                average_pooling_param=SimpleNamespace(
                    kernel=SimpleNamespace(dim=list(numbers)), stride=SimpleNamespace(dim=list(numbers))
                ),
            )
            read = SimpleNamespace(name="x", proto=SimpleNamespace(name="x", shape=SimpleNamespace(dim=list(shape))))
            callback(SimpleNamespace(name=name, inputs=[read, read], proto=proto))
            if name == "AveragePooling":
                assert proto.average_pooling_param.kernel.dim == proto.average_pooling_param.stride.dim == shape[2:]
                self.calls.append(["force_average_pooling_global", {"by_type": False, "name": name}])
                continue
            found = {
                "Reshape": proto.reshape_param.shape.dim,
                "Slice": proto.slice_param.stop,
                "Interpolate": proto.interpolate_param.output_size,
                "Arange": [proto.arange_param.stop],
                "MulScalar": [round(float(proto.mul_scalar_param.val), 7)],
            }[name.partition("_")[0]]
            self.calls.append([name, [float(value) for value in found]])


class Loader:
    """Stands for `NnpLoader`: it has the networks of a small file, but builds none."""

    small_file = ""
    functions: ClassVar[Functions] = dict

    def __init__(self, path: str) -> None:
        self.path = path
        self.real = NnpLoader(self.small_file)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def get_network(self, name: str, batch_size: int | None = None, callback: Any = None) -> Any:
        callback.calls.append(["get_network", {"name": name, "batch_size": batch_size}])
        callback.changed(Loader.functions)
        return SimpleNamespace(inputs={}, outputs={"first": "first", "second": "second"}, variables={}, note=callback)


@contextlib.contextmanager
def replaced(name: str, value: Any) -> Iterator[None]:
    """In `nnabla.utils.download` and every module of `nnabla.models`, a name stands for something else."""
    modules = [m for key, m in list(sys.modules.items()) if key.startswith(("nnabla.models", "nnabla.utils.download"))]
    before = {m: getattr(m, name) for m in modules if hasattr(m, name)}
    for module in before:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, old in before.items():
            setattr(module, name, old)


def cases(model: Any, name: str, channels: int, side: int) -> dict[str, tuple[tuple[int, ...] | None, dict[str, Any]]]:
    """Calls by a name: the shape of the input, and the options."""
    shape = (2, channels, side, side)
    found = {f"up to {key}": (shape, {"use_up_to": key}) for key in model._KEY_VARIABLE if not key.startswith("_")}
    found["a new input"] = (None, {})
    found["training"] = (shape, {"training": True})
    found["returns_net"] = (shape, {"returns_net": True})
    for level in (1, 2):
        found[f"verbose {level}"] = (shape, {"verbose": level})
    found["no such key"] = (shape, {"use_up_to": "nowhere"})
    if name not in SIDES:
        found["forced"] = (shape, {"force_global_pooling": True})
        found["not checked"] = (shape, {"check_global_pooling": False})
        found["forced, not checked"] = (shape, {"force_global_pooling": True, "check_global_pooling": False})
    if "with_aux_tower" in inspect.signature(type(model).__call__).parameters and name != "AlexNet":
        found["towers"] = (shape, {"training": True, "with_aux_tower": True})
        found["towers, a network"] = (shape, {"training": True, "with_aux_tower": True, "returns_net": True})
    for height, width in OTHER_SIZES.get(name, []):
        found[f"{height} x {width}"] = ((1, channels, height, width), {})
    return found


def record_model(module: str, name: str, arguments: tuple[Any, ...], folder: Path) -> dict[str, Any]:
    """What one class asks for."""
    cls = getattr(importlib.import_module(module), name)
    path = str(folder / "small.nnp")
    side = SIDES.get(name, 8)
    x = nn.Variable((1, 3, side, side))
    network = {"name": "runtime", "batch_size": 1, "outputs": {"y": F.sigmoid(x)}, "names": {"x": x}}
    save(path, {"networks": [network], "executors": []})
    Loader.small_file = path
    Loader.functions = functions_of_yolo
    if name == "DeepLabV3plus":
        Loader.functions = functools.partial(functions_of_deeplab, stride=arguments[1])
    fetched: list[str] = []

    def download(url: str, output_file: Any = None, *args: Any, **options: Any) -> None:
        fetched[:] = [url, str(output_file)]
        shutil.copy(path, output_file)

    with replaced("NnpLoader", Loader), replaced("download", download):
        model = cls(*arguments)
    url, place = fetched[0], os.path.relpath(fetched[1], get_model_home())
    names = model.category_names if hasattr(cls, "category_names") else model.get_category_names()
    record: dict[str, Any] = {
        "file": place.replace(os.sep, "/"),
        "url": url,
        "input_shape": list(model.input_shape),
        "categories": [len(names), hashlib.sha256("\n".join(names).encode()).hexdigest()],
        "calls": {},
    }
    for case, (shape, options) in cases(model, name, *model.input_shape[:2]).items():
        notes: list[Note] = []

        def make(*args: Any, **options: Any) -> Note:
            notes.append(Note(*args, **options))  # noqa: B023
            return notes[-1]  # noqa: B023

        with replaced("NnpNetworkPass", make), contextlib.redirect_stdout(io.StringIO()):
            try:
                found = model(None if shape is None else nn.Variable(shape), **options)
            except Exception as error:  # which error, and how it is worded, is each package's own
                # Detection and segmentation of the original cannot do without an input.
                if case not in ("no such key", "a new input"):
                    raise ValueError(f"{name}{arguments}: {case}: {error!r}") from None
                record["calls"][case] = "refused"
                continue
        returned = "network" if hasattr(found, "note") else plain(found)
        record["calls"][case] = {"returned": returned, "asked": sorted(notes[-1].calls, key=json.dumps)}
    return record


def record_all() -> dict[str, Any]:
    """The records of all classes."""
    with tempfile.TemporaryDirectory() as folder:
        return {
            " ".join([name, *map(str, arguments)]): record_model(module, name, arguments, Path(folder))
            for module, name, arguments in MODELS
        }


if __name__ == "__main__":
    lines = [f"{json.dumps(name)}: {json.dumps(record, sort_keys=True)}" for name, record in record_all().items()]
    RECORD.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
