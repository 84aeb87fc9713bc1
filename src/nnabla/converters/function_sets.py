"""Sets of functions, of a model or of a target, and small readings of models: `nnabla.utils.converter.utils`."""

from __future__ import annotations

import math
import os
import zlib
from collections import OrderedDict
from collections.abc import KeysView, Mapping, Sequence
from typing import Any

from ..errors import ArgumentError
from ..files.atomic import replacing
from .nnb.function_ids import HIGHEST_LEVEL, Number, at_level, numbers
from .nnb.kernels import KERNELS
from .nnb.runtime_tables import by_category, functions_yaml
from .nnp.importer import ImportedModel


def func_set_nnabla_support(version_spec: None = None) -> set[str]:
    """The type names of all functions.

    Args:
        version_spec: only ``None``: functions of other versions are not known.
    """
    if version_spec is not None:
        raise ArgumentError(f"func_set_nnabla_support: version_spec must be None, not {version_spec!r}")
    return set(numbers())


def func_set_nncr_support() -> set[str]:
    """The functions for which the C runtime has a kernel."""
    return set(KERNELS)


def func_set_onnx_support() -> set[str]:
    """The functions that can be written as ONNX, with the newest operators at least."""
    from .onnx.export_rules import RULES

    return set(RULES)


def func_set_import_onnx_opset(opset: str) -> set[str]:
    """The functions that can be written as ONNX with an operator set such as ``"opset_17"``.

    Raises:
        ArgumentError: there is no such operator set.
    """
    from .onnx.exporter import opset_of

    opset_of(opset)
    return func_set_onnx_support()


def func_set_import_nnp(nnp: ImportedModel) -> set[str]:
    """The functions in the networks of a model."""
    return {function.type for network in nnp.protobuf.network for function in network.function}


def func_set_import_config(config: str | os.PathLike[str]) -> set[str]:
    """The lines of a list of functions as they stand there, less those that begin with ``;``."""
    with open(config, encoding="utf-8") as file:
        return {line.strip() for line in file if not line.startswith(";")}


def func_dict_import_config(config: str | os.PathLike[str]) -> dict[str, list[str]]:
    """The functions in a list of functions, with the types that each shall have.

    Args:
        config: a file with lines such as ``Affine`` or ``Affine,FLOAT32,FIXED8``; those that begin with ``;`` are
            passed over.

    Returns:
        By names, which of ``FLOAT32``, ``FIXED16`` and ``FIXED8`` the line has; ``["ALL"]`` where it has ``ALL``, or
        no types.
    """
    found = {}
    with open(config, encoding="utf-8") as file:
        for line in file:
            if not line.startswith(";"):
                name, *types = [part.strip() for part in line.split(",")]
                every = not types or "ALL" in types
                found[name] = ["ALL"] if every else [each for each in types if each in _STORED]
    return found


_STORED = ("FLOAT32", "FIXED16", "FIXED8")


def select_executor(nnp: ImportedModel, name: str | None = None) -> Any:
    """The message of the executor of a name, else of the first; ``None`` where there are no executors."""
    executors = nnp.protobuf.executor
    named = [executor for executor in executors if executor.name == name]
    return next(iter([*named, *executors]), None)


def search_network(nnp: ImportedModel, name: str) -> Any:
    """The message of the network of a name, ``None`` where there is none."""
    return next((network for network in nnp.protobuf.network if network.name == name), None)


def calc_shape_size(shape: Any, batch_size: int) -> int:
    """The number of elements of a message ``Shape``, with `batch_size` in place of negative lengths."""
    return math.prod([batch_size if length < 0 else length for length in shape.dim])


_LETTERS = {"bool": "B", "double": "f", "float": "f", "int64": "i", "string": "i", "Communicator": "C",
            "Shape": "iI", "repeated int64": "iI", "repeated float": "fF"}  # fmt: skip


def type_to_pack_format(typestring: str) -> str | None:
    """The letters for a type of arguments in the formats of NNB's functions, ``None`` for one that they do not have."""
    return _LETTERS.get(typestring)


def load_yaml_ordered(stream: Any, Loader: Any = None, object_pairs_hook: Any = OrderedDict) -> Any:
    """What a YAML text holds, mappings in the order in which they stand there.

    Args:
        stream: text, or a file object.
        Loader: a class of PyYAML whose rules are followed; default ``yaml.SafeLoader``, so that no object is made by
            what stands in the text.
        object_pairs_hook: makes a mapping of a list of pairs.
    """
    import yaml

    class Ordered(Loader or yaml.SafeLoader):  # type: ignore[misc]
        pass

    def mapping(loader: Any, node: Any) -> Any:
        loader.flatten_mapping(node)
        return object_pairs_hook(loader.construct_pairs(node))

    Ordered.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    return yaml.load(stream, Ordered)


def represent_odict(dumper: Any, instance: Any) -> Any:
    """What PyYAML writes for an ordered mapping: a plain one, in its order."""
    return dumper.represent_mapping("tag:yaml.org,2002:map", instance.items())


class ApiLevels:
    """The functions that NNB files of an API level can have.

    Attributes:
        api_level: the level that is looked at, at first 1.
        api_level_dict: of each level, the numbers that it brings by unique name, as in ``Affine_i``.
    """

    def __init__(self) -> None:
        self.api_level = 1
        self.api_level_dict: OrderedDict[int, OrderedDict[str, int]] = OrderedDict()
        for level in range(1, HIGHEST_LEVEL + 1):
            new = [
                (_unique(name, n), n.id) for name, found in sorted(numbers().items()) for n in found if n.level == level
            ]
            self.api_level_dict[level] = OrderedDict(new)

    @property
    def function_dict(self) -> dict[str, Number]:
        """The number of each function at the level."""
        found = {name: at_level(name, self.api_level) for name in sorted(numbers())}
        return {name: number for name, number in found.items() if number is not None}

    def set_api_level(self, level: int) -> None:
        """Look at another level.

        Raises:
            ArgumentError: there is no such level.
        """
        if isinstance(level, bool) or not isinstance(level, int) or not 1 <= level <= HIGHEST_LEVEL:
            raise ArgumentError(f"set_api_level: level must be from 1 to {HIGHEST_LEVEL}, not {level!r}")
        self.api_level = level

    def get_current_level(self) -> int:
        """The level that is looked at."""
        return self.api_level

    def get_function_list(self) -> KeysView[str]:
        """The functions of the level."""
        return self.function_dict.keys()

    def get_func_id(self, func_name: str) -> int:
        """The number of a function at the level."""
        return self._number(func_name).id

    def get_argument_code(self, func_name: str) -> str:
        """The format of a function's arguments at the level, ``Empty`` where it has none."""
        return self._number(func_name).format or "Empty"

    def get_func_uniq_name(self, func_name: str) -> str:
        """A function with the format of its arguments, as in ``Affine_i``."""
        return _unique(func_name, self._number(func_name))

    def _number(self, name: str) -> Number:
        found = at_level(name, self.api_level)
        if found is None:
            raise ArgumentError(f"API level {self.api_level} has no function {name!r}")
        return found


def _unique(name: str, number: Number) -> str:
    return f"{name}_{number.format or 'Empty'}"


def get_api_level_info() -> ApiLevels:
    """The functions that NNB files of an API level can have."""
    return ApiLevels()


def get_category_info() -> dict[str, dict[str, dict[str, Any]]]:
    """What there is to know of all functions, by categories and names."""
    return by_category()


def get_category_info_version() -> int:
    """A number that is another one where `get_category_info` gives anything else."""
    return zlib.crc32(get_category_info_string().encode("utf-8"))


def get_function_info() -> dict[str, dict[str, Any]]:
    """What there is to know of all functions, by names."""
    return {name: entry for entries in by_category().values() for name, entry in entries.items()}


def get_category_info_string() -> str:
    """What `get_category_info` gives, in YAML."""
    import yaml

    return str(yaml.safe_dump(by_category(), default_flow_style=False, sort_keys=False))


def func_set_export_yaml(func_dict: Mapping[str, Sequence[str]], yaml_file: str | os.PathLike[str]) -> None:
    """Write ``functions.yaml`` of the runtime's code generator.

    Args:
        func_dict: the functions to be built and for which types, as `func_dict_import_config` gives them.
        yaml_file: to write.
    """
    text = functions_yaml(func_dict)
    with replacing(yaml_file) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
