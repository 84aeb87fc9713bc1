"""Which page of the documentation shows what.

A function belongs to the page of the module that declares it, so that each page is one category. The rest of the
public API has a page for each module that users import.
"""

from __future__ import annotations

import importlib
import inspect
from types import ModuleType
from typing import Any, NamedTuple

from docstrings import Documentation, parse

from nnabla import functions
from nnabla.graph.call import public_calls
from nnabla.graph.operator import Operator, registry


class FunctionPage(NamedTuple):
    """One category of functions."""

    name: str
    title: str
    # Files in nnabla/operators, in the order in which the page shows them.
    modules: tuple[str, ...]
    # Whether its functions are too common to have a source.
    elementary: bool = False


FUNCTION_PAGES = (
    FunctionPage(
        "layers",
        "Neural network layers",
        (
            "layers",
            "convolution",
            "fused_convolution",
            "deformable",
            "separable",
            "pooling",
            "unpooling",
            "recurrent",
            "attention",
        ),
    ),
    FunctionPage("activations", "Activation functions", ("activations", "rectifiers")),
    FunctionPage(
        "normalization",
        "Normalization",
        ("batch_normalization", "batch_normalization_variants", "normalization", "norms"),
    ),
    FunctionPage("losses", "Loss functions", ("losses",)),
    FunctionPage("reductions", "Reductions and extrema", ("reductions", "extrema", "cumulative"), elementary=True),
    FunctionPage("arithmetic", "Arithmetic", ("arithmetic", "integers"), elementary=True),
    FunctionPage("logical", "Comparison and logic", ("logical",), elementary=True),
    FunctionPage("math", "Mathematical functions", ("math", "trigonometry"), elementary=True),
    FunctionPage("linalg", "Linear algebra", ("linalg", "products", "contraction"), elementary=True),
    FunctionPage(
        "arrays",
        "Array manipulation",
        (
            "creation",
            "arrays",
            "joining",
            "slicing",
            "indexing",
            "scattering",
            "masking",
            "ordering",
            "sequences",
        ),
        elementary=True,
    ),
    FunctionPage("signal", "Signal processing and interpolation", ("signal", "interpolation")),
    FunctionPage("geometry", "Geometry and detection", ("geometric", "roi", "correlation", "detection")),
    FunctionPage("random", "Random numbers", ("stochastic",), elementary=True),
    FunctionPage("augmentation", "Image augmentation", ("image_augmentation", "random_images")),
    FunctionPage(
        "quantization",
        "Quantized and binary networks",
        ("binary_layers", "incremental_layers", "quantization", "linear_quantization"),
    ),
    FunctionPage("validation", "Validation", ("validation",)),
    FunctionPage("gradient_flow", "Gradient flow", ("gradient_flow",)),
)

# Modules that users import, with the titles of their pages.
MODULE_PAGES = (
    ("nnabla", "Variables, arrays and graphs"),
    ("nnabla.parameter", "Parameters"),
    ("nnabla.parametric_functions", "Parametric functions"),
    ("nnabla.solvers", "Solvers"),
    ("nnabla.utils.learning_rate_scheduler", "Learning rate schedules"),
    ("nnabla.core.graph_def", "Descriptions of networks"),
    ("nnabla.initializer", "Initializers"),
    ("nnabla.utils.data_iterator", "Data iterators"),
    ("nnabla.utils.data_source", "Data sources"),
    ("nnabla.monitor", "Monitors"),
    ("nnabla.function", "Functions as objects"),
    ("nnabla.training.trainer", "Training loops"),
    ("nnabla.communicators", "Communicators"),
    ("nnabla.models.utils", "Places of model files"),
    ("nnabla.models.files", "Model files"),
    ("nnabla.models.imagenet", "Networks for ImageNet"),
    ("nnabla.models.imagenet.base", "What networks for ImageNet share"),
    ("nnabla.models.object_detection", "Networks that find objects"),
    ("nnabla.models.object_detection.base", "What networks that find objects share"),
    ("nnabla.models.object_detection.utils", "Boxes and images"),
    ("nnabla.models.semantic_segmentation", "Networks that tell pixels apart"),
    ("nnabla.models.semantic_segmentation.base", "What networks that tell pixels apart share"),
    ("nnabla.models.semantic_segmentation.utils", "Categories of pixels and images"),
    ("nnabla.recompute", "Recomputation"),
    ("nnabla.random", "Seeds"),
    ("nnabla.ext_utils", "Extensions"),
    ("nnabla.utils.progress", "Progress"),
    ("nnabla.errors", "Errors"),
)


class Entry(NamedTuple):
    """What a page shows of one function or class."""

    path: str
    thing: Any
    documentation: Documentation
    # The declaration, for a function that is registered.
    operator: type[Operator] | None = None

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]


def function_entries() -> dict[str, Entry]:
    """Every call of `nnabla.functions`, by name."""
    operators = {cls.declaration.name: cls for cls in registry.values()}
    return {
        name: Entry(f"nnabla.functions.{name}", f, documented(name, f), operators.get(name))
        for name, f in vars(functions).items()
        if inspect.isfunction(f) and f.__module__ == "nnabla.functions" and not name.startswith("_")
    }


def declaring_module(entry: Entry) -> str:
    """File in nnabla/operators that the function comes from."""
    cls = entry.operator
    path = cls.__module__ if cls is not None else public_calls[entry.name].__globals__["__name__"]
    return path.rpartition(".")[2]


def page_entries(page: FunctionPage, entries: dict[str, Entry]) -> list[Entry]:
    """Entries of a page, in the order of its modules and of the declarations there."""
    return [e for module in page.modules for e in entries.values() if declaring_module(e) == module]


def module_entries(module: ModuleType, seen: set[int]) -> list[Entry]:
    """Public classes and functions of a module that no page shows yet; `seen` has their ids and takes the new ones.

    Those that ``__all__`` lists; without it, those defined there, and in ``nnabla`` itself all of the package.
    """
    top = module.__name__ == "nnabla"
    listed = getattr(module, "__all__", None)
    entries = []
    for name in listed or vars(module):
        thing = getattr(module, name)
        if name.startswith("_") or not (inspect.isfunction(thing) or inspect.isclass(thing)) or id(thing) in seen:
            continue
        if listed or thing.__module__ == module.__name__ or (top and thing.__module__.startswith("nnabla.")):
            seen.add(id(thing))
            path = f"{module.__name__}.{name}"
            entries.append(Entry(path, thing, documented(path, thing)))
    return sorted(entries, key=lambda entry: not inspect.isclass(entry.thing))


def imported(name: str) -> ModuleType:
    """The module of that name, where the package may hold something else under it (`nnabla.recompute`)."""
    return importlib.import_module(name)


def documented(name: str, thing: Any) -> Documentation:
    """The docstring of `thing`, taken apart.

    Raises:
        ValueError: names what has no docstring, or one of another form.
    """
    try:
        return parse(thing.__doc__)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def is_wrapper(entry: Entry) -> bool:
    """Whether the public call is written by hand and differs from the registered function."""
    return entry.name in public_calls
