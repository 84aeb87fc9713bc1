"""Models for older releases of NNabla, which refuse a text with words that they do not know."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ...errors import ArgumentError, FormatError, shown
from ...graph.argument import REQUIRED, Argument
from ...graph.operator import registry
from ...operators.argument_messages import field_name
from .importer import ImportedModel
from .release_table import LACKING

RELEASES = tuple(LACKING)
"""Those that were looked at, from the oldest on."""


def known_release(text: str) -> str:
    """The newest of `RELEASES` that is not newer than a release such as ``"1.25.0"``.

    Raises:
        ArgumentError: it is no release, or older than all of them.
    """
    found = re.fullmatch(r"([0-9]{1,3})\.([0-9]{1,3})(?:\.([0-9]{1,3}))?(?:\.?[a-z].*)?", text)
    if found is None:
        raise ArgumentError(f"the release must be one such as 1.29.0, not {shown(repr(text))}")
    asked = tuple([int(part or 0) for part in found.groups()])
    older = [release for release in RELEASES if tuple(map(int, release.split("."))) <= asked]
    if not older:
        raise ArgumentError(f"releases before {RELEASES[0]} are not known, among them {text}")
    return older[-1]


def for_release(message: Any, release: str) -> Any:
    """A copy of a model without what a release cannot read, where that says nothing: defaults of newer arguments.

    Args:
        message: an `NNablaProtoBuf`. It is not changed.
        release: such as ``"1.29.0"``. One that was not looked at is taken to have what an older one has, and is not
            given what may change its meaning by being there or not.

    Raises:
        ArgumentError: the release is not known.
        FormatError: functions or arguments that it lacks; the message names them all.
    """
    known = known_release(release)
    functions, fields = (frozenset(text.split()) for text in LACKING[known])
    found = type(message)()
    found.CopyFrom(message)
    obstacles = []
    for network in found.network:
        for f in network.function:
            if f.type in functions:
                obstacles.append(f"network {network.name!r}: function {f.name!r} of type {f.type}")
            else:
                where = f"network {network.name!r}: function {f.name!r}: {f.type}"
                obstacles += _arguments(f, fields, where, known == release)
    obstacles += _others(found, fields, "the model")
    if obstacles:
        since = "" if known == release else f", of which {known} is the last before it that was looked at,"
        lines = "".join([f"\n  {line}" for line in obstacles[:50]])
        raise FormatError(f"NNabla {release}{since} does not know all that the model has:{lines}")
    return found


def func_set_nnabla_version_decorate(nnp: ImportedModel, nnp_version: str | None) -> ImportedModel:
    """A model for a release of NNabla, see `for_release`; `nnp` itself where `nnp_version` is ``None``."""
    if nnp_version is None:
        return nnp
    return ImportedModel(for_release(nnp.protobuf, nnp_version), list(nnp.other_files))


def _arguments(f: Any, fields: frozenset[str], where: str, sure: bool) -> Iterator[str]:
    """Take defaults of newer arguments from a function; what else is newer.

    Args:
        f: a message ``Function``.
        fields: that the release lacks.
        where: what errors call the function.
        sure: whether it lacks them for sure. A release that has an argument takes zero for one that is not there.
    """
    if f.type not in registry:
        return
    arguments, name = registry[f.type].declaration.arguments, field_name(f.type)
    if not arguments or not f.HasField(name):
        return
    given = getattr(f, name)
    kind, every = given.DESCRIPTOR.name, f"Function.{name}" in fields
    for argument in arguments:
        if not every and f"{kind}.{argument.name}" not in fields:
            continue
        # Zeros are not in the message, so that it may be there without being set.
        value = getattr(given, argument.name)
        if not _is_default(value, argument):
            yield f"{where} has no {argument.name}, which is {shown(str(value).strip())}"
        elif not sure and argument.name in [field.name for field, _ in given.ListFields()]:
            yield f"{where} may have {argument.name} or not, which is {shown(str(value).strip())}"
        given.ClearField(argument.name)
    if every:
        f.ClearField(name)


def _is_default(value: Any, argument: Argument) -> bool:
    default = argument.default
    if argument.stored == "shape" or argument.stored.startswith("repeated"):
        numbers = list(value.dim) if argument.stored == "shape" else list(value)
        return numbers == list(default if isinstance(default, (tuple, list)) else [])
    return default is not REQUIRED and value == (0 if default is None else default)


def _others(message: Any, fields: frozenset[str], where: str) -> Iterator[str]:
    """What a release lacks of all that is no argument of a function."""
    kind = message.DESCRIPTOR.name
    for field, value in message.ListFields():
        if f"{kind}.{field.name}" in fields:
            yield f"{where} has {field.name}"
        elif field.type == field.TYPE_MESSAGE and field.name not in ("parameter", "function"):
            for each in [value] if hasattr(value, "ListFields") else value:
                if hasattr(each, "ListFields"):
                    name = getattr(each, "name", "")
                    yield from _others(each, fields, f"{field.name} {name!r}" if name else field.name)
