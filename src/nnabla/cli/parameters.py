"""``nnabla_cli decode_param`` and ``encode_param``: parameters as a folder of texts, a file for each.

A file is named after the parameter, with ``~`` for ``/``; its first line is the shape, ``(6, 5)``, and each further one
a number. Texts say nothing of `need_grad`, which is true for all that is read back, and a name with a ``~`` of its own
comes back with ``/``.
"""

from __future__ import annotations

import argparse
import ast
import math
import os
from collections import OrderedDict

import numpy as np

from .. import parameter
from ..errors import ArgumentError, FormatError
from ..files.atomic import replacing
from ..graph.variable import Variable
from ..logger import ALWAYS, logger


def save_param_in_txt(x: np.ndarray, filepath: str | os.PathLike[str]) -> None:
    """Write an array as text."""
    array = np.asarray(x)
    lines = [str(array.shape), *map(repr, array.astype(np.float64).ravel().tolist())]
    with replacing(filepath) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))


def load_param_in_txt(name: str, filepath: str | os.PathLike[str]) -> np.ndarray:
    """The float32 array in a text that `save_param_in_txt` wrote.

    Args:
        name: of the parameter, for the error.
        filepath: of the text.

    Raises:
        FormatError: it is not such a text.
    """
    with open(filepath, encoding="utf-8") as file:
        first, *lines = file.read().split("\n")
    where = f"encode_param: parameter {name!r} in {os.fspath(filepath)!r}"
    try:
        shape = ast.literal_eval(first)
        if not isinstance(shape, tuple) or not all(isinstance(n, int) and n >= 0 for n in shape):
            raise ValueError
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise FormatError(f"{where}: the first line must be a shape such as (6, 5), not {first[:40]!r}") from None
    lines = [line for line in lines if line.strip()]
    if len(lines) != math.prod(shape):
        raise FormatError(f"{where}: shape {shape} has {math.prod(shape)} numbers, there are {len(lines)}")
    try:
        return np.array([float(line) for line in lines], dtype=np.float32).reshape(shape)
    except ValueError as error:
        raise FormatError(f"{where}: {error}") from None


def decode_param_command(args: argparse.Namespace, **kwargs: object) -> bool:
    """Write every parameter of a file as a text in a folder, which is made if it is not there."""
    path = _given(args.param, "decode_param")
    os.makedirs(args.outdir, exist_ok=True)
    logger.log(ALWAYS, "Loading parameters...")
    with parameter.parameter_scope("", OrderedDict()):
        parameter.load_parameters(path)
        for name, variable in parameter.get_parameters(grad_only=False).items():
            logger.log(ALWAYS, name)
            save_param_in_txt(variable.d, os.path.join(args.outdir, name.replace("/", "~") + ".txt"))
    logger.log(ALWAYS, "Decode Parameter Completed.")
    return True


def encode_param_command(args: argparse.Namespace, **kwargs: object) -> bool:
    """Write a parameter file of the texts in a folder."""
    path = _given(args.param, "encode_param")
    logger.log(ALWAYS, "Loading parameters...")
    with parameter.parameter_scope("", OrderedDict()):
        for file in sorted(os.listdir(args.indir)):
            stem, extension = os.path.splitext(file)
            if extension != ".txt":
                continue
            name = stem.replace("~", "/")
            logger.log(ALWAYS, name)
            values = load_param_in_txt(name, os.path.join(args.indir, file))
            parameter.set_parameter(name, Variable.from_numpy_array(values, need_grad=True))
        logger.log(ALWAYS, "Saving parameters...")
        parameter.save_parameters(path)
    logger.log(ALWAYS, "Encode Parameter Completed.")
    return True


def _given(path: str | None, command: str) -> str:
    if path is None:
        raise ArgumentError(f"{command}: -p must name the parameter file")
    return path
