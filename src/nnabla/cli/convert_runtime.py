"""``nnabla_cli convert`` to NNB and C source, and ``nnabla_cli nnb_template``."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence

from ..converters.csrc.library_source import LibrarySources
from ..converters.csrc.self_contained import Sources
from ..converters.nnb.executed import Executed, executed
from ..converters.nnb.exporter import save
from ..converters.nnb.function_lists import read_function_list
from ..converters.nnb.model import Model
from ..converters.nnb.nnp_exporter import lowered, settings_of, write_template
from ..converters.nnb.runtime_network import RuntimeNetwork
from ..converters.nnb.settings import Settings, stored_type
from ..converters.nnb.splitting import pieces
from ..converters.nnb.typed_models import checked_level, checked_version, typed
from ..errors import ArgumentError, shown
from ..files.atomic import replacing_folder
from ..network.saved_graphs import graph_of, read_files
from .convert_parts import print_part


def to_nnb_command(args: argparse.Namespace, inputs: Sequence[str], output: str) -> bool:
    """Write ``NNB``; with ``-c`` one file for each piece between functions that the list does not have."""
    version, level = _version(args.define_version), checked_level(args.api)
    settings = _settings(args)
    found = _executed(inputs, args.nnp_import_executor_index)
    if args.config is None:
        model = typed(lowered(found, args.batch_size, settings), settings, level, version)
        save(model, output)
        _report(output, model)
        return True
    parts = pieces(found, read_function_list(args.config))
    stem, extension = os.path.splitext(output)
    models = []
    for part in parts:
        g = lowered(part, args.batch_size, settings)
        path = f"{stem}_{part.first}_{part.last}{extension}"
        if os.path.exists(path) and not args.force:
            raise ArgumentError(f"convert: {path} exists; -f overwrites it")
        models.append((path, typed(g, _of(settings, g), level, version)))
    for path, model in models:
        save(model, path)
        _describe(path, model)
    return True


def to_csrc_command(args: argparse.Namespace, inputs: Sequence[str], output: str) -> bool:
    """Write C sources into a folder."""
    settings = _settings(args)
    found = _executed(inputs, args.nnp_import_executor_index)
    model = typed(lowered(found, args.batch_size, settings), settings, version=3)
    sources = Sources(model) if args.self_contained else LibrarySources(model)
    with replacing_folder(output) as folder:
        for name, text in sources.files.items():
            with open(os.path.join(folder, name), "w", encoding="ascii") as file:
                file.write(text)
    print(f"{output}: {', '.join(sources.files)}")
    print("\n".join(sources.plan()))
    return True


def nnb_template_command(args: argparse.Namespace) -> bool:
    """Write settings with every function and variable of a model, to be edited and given to ``convert -s``.

    Raises:
        ArgumentError: files are missing, or the type or level is not possible.
        FormatError: a file is damaged, or the runtime cannot compute the network.
    """
    if len(args.files) < 2:
        raise ArgumentError("nnb_template: two files must be given at least, models and then the file to write")
    if args.import_format.upper() != "NNP":
        raise ArgumentError(f"nnb_template: -I must be NNP, not {args.import_format}; convert the model to NNP first")
    *inputs, output = args.files
    default = stored_type(args.default_variable_type[0], "-T")
    checked_level(args.api)
    found = _executed(inputs, args.nnp_import_executor_index)
    write_template(lowered(found, args.batch_size, Settings()), default, output)
    return True


def _version(text: str | None) -> int:
    if text is None:
        return checked_version(None)
    found = re.fullmatch(r"nnb_([0-9]{1,4})", text)
    if found is None:
        raise ArgumentError(f"NNB: define_version must be nnb_2 or nnb_3, not {shown(repr(text))}")
    return checked_version(int(found[1]))


def _settings(args: argparse.Namespace) -> Settings:
    default = stored_type(args.default_variable_type[0], "-T")
    return settings_of(None if args.settings is None else args.settings[0], default)


def _executed(inputs: Sequence[str], executor: int | None) -> Executed:
    found = read_files(list(inputs), "", "convert")
    return executed(found.model, graph_of(found.model, found.parameters, function="convert"), executor)


def _of(settings: Settings, g: RuntimeNetwork) -> Settings:
    """What settings say of the variables and functions of a piece."""
    functions = {step.name for step in g.steps}
    return Settings(
        settings.default,
        {name: type for name, type in settings.variables.items() if name in g.shapes},
        {name: number for name, number in settings.implement.items() if name in functions},
    )


def _report(path: str, model: Model) -> None:
    print(
        f"{path}: {len(model.functions)} functions, API level {model.api_level}, version {model.version}, "
        f"{sum(model.buffer_bytes)} bytes of work buffers"
    )


def _describe(path: str, model: Model) -> None:
    ends = (
        [(model.variables[v].name, str(model.variables[v].shape)) for v in numbers]
        for numbers in (model.inputs, model.outputs)
    )
    print_part(path, *ends)
