"""``nnabla_cli function_info``: which functions there are, in a model, or for a target."""

from __future__ import annotations

import argparse
from collections.abc import Collection

from ..converters.nnb.function_ids import at_level, numbers
from ..converters.nnb.function_lists import read_function_list
from ..converters.nnb.kernels import KERNELS
from ..converters.nnb.lowering import lower
from ..converters.nnb.runtime_tables import functions_yaml
from ..errors import ArgumentError
from ..files.atomic import replacing
from ..graph.operator import registry
from ..network.loop_control import LOOP_CONTROL
from ..network.saved_graphs import graph_of, read_files


def function_info_command(args: argparse.Namespace) -> bool:
    """Print function names, a line each, or write them to a file.

    Raises:
        ArgumentError: a word that is not known, or an option that needs another one.
        FileNotFoundError, FormatError: a file is not there or damaged.
    """
    if args.query is not None:
        return _emit(_described(args.query), args.output)
    if args.target:
        return _emit(_target_functions(args), args.output)
    if args.files:
        return _of_models(args)
    names = set(_of_target(args.all_support))
    if args.config is not None:
        names &= _configured(args.config)
    names -= _excluded(args.exclude)
    if _wants_yaml(args.output):
        return _emit([_yaml(names)], args.output)
    return _emit(_at_level(sorted(names), args.api, args.output is not None), args.output)


def _wants_yaml(output: str | None) -> bool:
    return output is not None and output.endswith((".yaml", ".yml"))


def _yaml(names: Collection[str]) -> str:
    return functions_yaml({name: ["ALL"] for name in names})


def _of_target(target: str | None) -> Collection[str]:
    """All functions, or those that a target supports.

    Raises:
        ArgumentError: no such target.
    """
    if target is None:
        return numbers()
    if target.upper() == "NNB":
        return KERNELS
    if target.upper() == "ONNX":
        try:
            from ..converters.onnx.export_rules import RULES
        except ModuleNotFoundError as error:
            raise ArgumentError(
                f"function_info: ONNX needs the package {error.name!r}: pip install nnabla[onnx]"
            ) from None
        return RULES
    raise ArgumentError(f"function_info: -f must be NNB or ONNX, not {target!r}")


def _configured(path: str) -> set[str]:
    if path.startswith("opset_"):
        from ..converters.onnx.exporter import opset_of

        opset_of(path)
        return set(_of_target("ONNX"))
    return read_function_list(path)


def _excluded(names: Collection[str]) -> set[str]:
    unknown = [name for name in names if name not in numbers()]
    if unknown:
        raise ArgumentError(f"function_info: -x {unknown[0]}: there is no function of this name")
    return set(names)


def _target_functions(args: argparse.Namespace) -> list[str]:
    """What a target computes models with: functions of the runtime, or ONNX operators as in ``Gemm@13``.

    Raises:
        ArgumentError: there is no model or no target.
        FormatError: the target does not have all that the model needs.
    """
    target = "ONNX" if (args.config or "").startswith("opset_") else (args.all_support or "").upper()
    if not args.files or target not in ("NNB", "ONNX"):
        raise ArgumentError("function_info: -t needs a model, and -f NNB, -f ONNX or -c opset_N")
    found = read_files(args.files, "", "function_info")
    graph = graph_of(found.model, found.parameters, function="function_info")
    if target == "NNB":
        lowered = [lower(network) for network in graph.networks.values()]
        return list(dict.fromkeys([step.type for g in lowered for step in g.steps]))
    _of_target("ONNX")
    from onnx.defs import get_schema

    from ..converters.onnx import to_onnx
    from ..converters.onnx.exporter import opset_of

    models = [to_onnx(network, opset_of(args.config)) for network in graph.networks.values()]
    used = [(node.op_type, model.opset_import[0].version) for model in models for node in model.graph.node]
    return list(dict.fromkeys([f"{name}@{get_schema(name, opset).since_version}" for name, opset in used]))


def _of_models(args: argparse.Namespace) -> bool:
    """The functions of models, those that a target supports first."""
    found = read_files(args.files, "", "function_info")
    graph = graph_of(found.model, [], function="function_info", expand_loops=not args.nnp_no_expand_network)
    used = {f.type: None for network in graph.networks.values() for f in network.functions.values()}
    names = [name for name in used if name not in _excluded(args.exclude) and name not in LOOP_CONTROL]
    if args.config is not None:
        names = [name for name in names if name in _configured(args.config)]
    if _wants_yaml(args.output):
        return _emit(
            [_yaml([n for n in names if args.all_support is None or n in _of_target(args.all_support)])], args.output
        )
    if args.all_support is None:
        return _emit(_at_level(names, args.api, args.output is not None), args.output)
    target = _of_target(args.all_support)
    supported, others = [n for n in names if n in target], [n for n in names if n not in target]
    if args.output is not None:
        return _emit(_at_level(supported, args.api, True), args.output)
    title = {"NNB": "nnabla-c-runtime", "ONNX": "ONNX"}[args.all_support.upper()]
    print(f"{title} currently support the following functions in model:")
    print("\n".join(_at_level(supported, args.api, False)))
    if others:
        print(f"\n{title} does not support the following functions in model:")
        print("\n".join(others))
    return True


def _at_level(names: Collection[str], level: int, with_format: bool) -> list[str]:
    """Lines for functions: for a level with the format of their arguments, and only those that the level has."""
    if level == 0:
        return list(names)
    found = {name: at_level(name, level) for name in names}
    return [f"{n}_{each.format or 'Empty'}" if with_format else n for n, each in found.items() if each is not None]


def _described(name: str) -> list[str]:
    """One function: inputs, outputs, arguments, and its numbers in NNB files."""
    if name not in registry or name not in numbers():
        raise ArgumentError(f"function_info: -q {name}: there is no function of this name")
    declaration = registry[name].declaration
    lines = [f"{name}:", f"  python: F.{declaration.name}", "  inputs:"]
    lines += [
        f"    {i.name}{' (optional)' if i.optional else ''}{' (any number)' if i.variadic else ''}"
        for i in declaration.inputs
    ]
    lines += ["  outputs:", *[f"    {y}" for y in registry[name].outputs], "  arguments:"]
    lines += [f"    {a.name}: {a.stored or a.kind}, default {a.default!r}" for a in declaration.arguments]
    lines.append("  numbers in NNB files:")
    lines += [f"    {n.id}: arguments {n.format or 'Empty'}, from API level {n.level}" for n in numbers()[name]]
    lines.append(f"  kernel in the C runtime: {'yes' if name in KERNELS else 'no'}")
    return lines


def _emit(lines: Collection[str], output: str | None) -> bool:
    text = "\n".join(lines)
    if output is None:
        print(text)
        return True
    with replacing(output) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(text if text.endswith("\n") else f"{text}\n")
    return True
