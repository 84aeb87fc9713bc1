"""From functions of the runtime between names to a `Model`: numbers of functions and variables, types, work buffers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import ArgumentError, FormatError
from ...graph.operator import registry
from .function_ids import HIGHEST_LEVEL, RUNTIME_LEVEL, Number, at_level, by_number, numbers
from .memory_plan import plan
from .model import SETTINGS, DataType, Function, Model, Variable, fitting_fp_pos, stored
from .records import VERSIONS, fallback, fields
from .runtime_network import RuntimeNetwork, Step
from .settings import Settings
from .stored_types import StoredType

_WITHOUT_EFFECT = {"inplace"}


def checked_level(level: int | None) -> int:
    """`level`, or for ``None`` and -1 that of the released C runtime.

    Raises:
        ArgumentError: there is no such level.
    """
    if level is None or level == -1:
        return RUNTIME_LEVEL
    if isinstance(level, bool) or not 1 <= level <= HIGHEST_LEVEL:
        raise ArgumentError(f"NNB: the API level must be from 1 to {HIGHEST_LEVEL}, not {level!r}")
    return level


def checked_version(version: int | None) -> int:
    """`version` of the format, or for ``None`` the usual one, 2.

    Raises:
        ArgumentError: there is no such version.
    """
    if version is None:
        return VERSIONS[0]
    if isinstance(version, bool) or version not in VERSIONS:
        raise ArgumentError(
            f"NNB: the version of the format must be {' or '.join(map(str, VERSIONS))}, not {version!r}"
        )
    return version


def typed(
    g: RuntimeNetwork, settings: Settings | None = None, level: int | None = None, version: int | None = None
) -> Model:
    """Number functions and variables, store parameters in their types, and give the others work buffers.

    Args:
        g: functions between names.
        settings: types of variables, implementations of functions; default FLOAT32 and 0.
        level: API level from 1 to 45; default that of the released C runtime, 44.
        version: of the format, 2 or 3.

    Raises:
        ArgumentError: there is no such level or version.
        FormatError: the level does not have a function or an argument, or a variable cannot have the type; the message
            names all.
    """
    level, version = checked_level(level), checked_version(version)
    asked = Settings() if settings is None else settings
    obstacles: list[str] = []
    places = {name: i for i, name in enumerate(g.shapes)}
    unknown = [name for name in asked.variables if name not in places]
    unknown += [name for name in asked.implement if all(step.name != name for step in g.steps)]
    obstacles += [f"settings: the network has no {name!r}" for name in unknown]
    variables = [_variable(g, name, _asked(g, asked, name), obstacles) for name in g.shapes]
    functions = []
    for step in g.steps:
        number = at_level(step.type, level)
        if number is None:
            obstacles.append(f"{step.type} {step.name!r}: {_since(step.type, level)}")
            continue
        obstacles += _dropped(step, number, level)
        functions.append(
            Function(
                step.name,
                step.type,
                [places[name] for name in step.inputs],
                [places[name] for name in step.outputs],
                step.arguments,
                asked.implement.get(step.name, 0),
                number.id,
            )
        )
    inputs, outputs = [places[name] for name in g.inputs], [places[name] for name in g.outputs]
    model = Model(g.name, variables, functions, inputs, outputs, [], version, level)
    if not obstacles:
        obstacles += _fixed_point_trouble(model)
    if obstacles:
        lines = "".join([f"\n  {line}" for line in obstacles])
        raise FormatError(f"network {g.name!r} cannot be written as NNB:{lines}")
    plan(model)
    return model


def _since(type: str, level: int) -> str:
    found = [each.level for each in numbers().get(type, ()) if each.level is not None]
    return f"it is there from API level {min(found)} on, not at {level}" if found else "no API level has it"


def _dropped(step: Step, number: Number, level: int) -> list[str]:
    """Arguments with a value that an older number of the function has no place for."""
    try:
        held = {field.argument.name for field in fields(step.type, number)}
    except ValueError as error:
        return [f"{step.type} {step.name!r}: {error}"]
    return [
        f"{step.type} {step.name!r}: at API level {level} there is no {argument.name}, "
        f"which is {step.arguments[argument.name]!r}"
        for argument in registry[step.type].declaration.arguments
        if argument.name not in held | _WITHOUT_EFFECT and not _same(step.arguments.get(argument.name), argument)
    ]


def _same(value: Any, argument: Any) -> bool:
    usual = fallback(argument)
    if isinstance(value, (list, tuple)):
        return list(value) == list(usual) or not any(value)
    return value is None or value == usual


# ---- types -------------------------------------------------------------------------------------------------


def _asked(g: RuntimeNetwork, settings: Settings, name: str) -> StoredType:
    """The type of a variable: its own, else that to which the network rounds it, else that of the one that a rule made
    it for, else the default.
    """
    own: Mapping[str, StoredType] = settings.variables
    like = g.like.get(name, "")
    found = own.get(name) or g.types.get(name) or own.get(like)
    if found is None and name in g.layouts.values():
        found = g.types.get(like)
    if found is None:
        return settings.default
    if found.type == DataType.SIGN and name not in own:
        # A constant beside signs.
        return settings.default
    return found


def _variable(g: RuntimeNetwork, name: str, asked: StoredType, obstacles: list[str]) -> Variable:
    shape, values = g.shapes[name], g.values.get(name)
    variable = Variable(name, shape, asked.type, asked.fp_pos or 0)
    if values is None:
        if asked.type == DataType.SIGN:
            obstacles.append(f"variable {name!r}: only parameters can be stored as SIGN")
        elif asked.fp_pos is None:
            obstacles.append(
                f"variable {name!r}: {SETTINGS[asked.type]} needs the number of fraction bits, as in "
                f"{SETTINGS[asked.type]}_5, since only parameters have values to choose it by"
            )
        return variable
    if asked.fp_pos is None:
        try:
            variable.fp_pos = fitting_fp_pos(values, asked.type.bits)
        except ArgumentError as error:
            obstacles.append(f"parameter {name!r}: {error}")
            return variable
    if asked.type == DataType.SIGN and not bool(np.all(np.abs(values) == 1)):
        obstacles.append(f"parameter {name!r}: only -1 and 1 can be stored as SIGN")
    variable.data = stored(values, asked.type, variable.fp_pos)
    return variable


def _fixed_point_trouble(model: Model) -> list[str]:
    """What the runtime's kernels refuse."""
    found = []
    for f in model.functions:
        y = model.variables[f.outputs[0]]
        if f.type == "Affine" and len(f.inputs) == 3 and y.type in (DataType.INT16, DataType.INT8):
            bias = model.variables[f.inputs[2]]
            if bias.type == y.type and bias.fp_pos < y.fp_pos:
                found.append(
                    f"Affine {f.name!r}: the bias has {bias.fp_pos} fraction bits and the output {y.fp_pos}; the "
                    "runtime takes no bias with fewer"
                )
    return found


def number_of(f: Function) -> Number:
    """The number of a function in files, with its format."""
    return by_number()[f.number][1]
