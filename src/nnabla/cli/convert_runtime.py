"""``nnabla_cli convert`` to NNB and C source."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence

from ..converters.csrc.library_source import LibrarySources
from ..converters.csrc.self_contained import Sources
from ..converters.nnb.executed import Executed
from ..converters.nnb.exporter import save
from ..converters.nnb.model import Model
from ..converters.nnb.nnp_exporter import lowered, settings_of
from ..converters.nnb.runtime_network import RuntimeNetwork
from ..converters.nnb.settings import Settings, stored_type
from ..converters.nnb.typed_models import checked_level, checked_version, typed
from ..errors import ArgumentError, shown
from ..files.atomic import replacing_folder
from .convert_parts import Part, print_part


def to_nnb_command(args: argparse.Namespace, parts: Sequence[Part], output: str) -> bool:
    """Write NNB files, none of them if one cannot be written."""
    version, level = _version(args.define_version), checked_level(args.api)
    settings = _settings(args)
    models = []
    for path, found in parts:
        g = lowered(found, args.batch_size, settings)
        models.append((path, typed(g, settings if path == output else _of(settings, g), level, version)))
    for path, model in models:
        save(model, path)
        if path == output:
            _report(path, model)
        else:
            _describe(path, model)
    return True


def to_csrc_command(args: argparse.Namespace, found: Executed, output: str) -> bool:
    """Write C sources into a folder."""
    settings = _settings(args)
    model = typed(lowered(found, args.batch_size, settings), settings, version=3)
    sources = Sources(model) if args.self_contained else LibrarySources(model)
    with replacing_folder(output) as folder:
        for name, text in sources.files.items():
            with open(os.path.join(folder, name), "w", encoding="ascii") as file:
                file.write(text)
    print(f"{output}: {', '.join(sources.files)}")
    print("\n".join(sources.plan()))
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
