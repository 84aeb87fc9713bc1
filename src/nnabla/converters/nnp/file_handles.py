"""Loaders and savers by extension, for programs that put reading and writing model files together themselves.

A loader is called with a context, the table of loaders, the archive that a member is read from (or None), the name of
the file or a file object, and its extension. It adds what it finds to the context and to the current scope. A saver is
called with a context, the file and its extension.
"""

from __future__ import annotations

import os
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

from ... import parameter
from ...files import model_files
from ...files.atomic import replacing
from ...files.model_files import Model
from ...files.model_messages import MODEL
from ...files.parameter_messages import merged
from ...logger import logger
from ...network.saved_graphs import files_of
from ...parameter_files import SAVERS as PARAMETER_SAVERS
from ...parameter_files import load as read_file
from ...parameter_files import save as write_parameters
from ...parameter_files import stored_parameters
from ...solvers.states import read_h5
from .loading import checkpoints

Loader = Callable[..., None]
Saver = Callable[..., None]


class FileHandlerContext:
    """What loaders and savers have in common: anything, as attributes.

    Loaders use `proto` (a message ``NNablaProtoBuf``, to which what they read is added), `exclude_parameter`,
    `parameter_only`, `needs_proto` and set `optimizer_states_checkpoint`. Savers use `proto`, `parameters` (by name)
    and `include_params`.
    """

    proto: Any
    parameters: Mapping[str, Any]

    def __init__(self) -> None:
        pass


def _flag(ctx: FileHandlerContext, name: str) -> bool:
    return bool(getattr(ctx, name, False))


def get_buf_type(filename: str) -> str:
    """The extension of a file, without the dot."""
    return filename.split(".")[-1]


@contextmanager
def get_file_handle_load(nnp: Any, path: Any, ext: str) -> Iterator[Any]:
    """Open a file, or a member of an archive, to be read.

    Args:
        nnp: the archive, or ``None``.
        path: of the file, or a file object; in an archive the name of a member.
        ext: ``".h5"`` gives a h5py.File, ``".nnp"`` a zipfile.ZipFile, ``".nntxt"`` and ``".prototxt"`` text, all
            others a binary file.
    """
    if nnp is not None:
        with nnp.open(path) as member, _opened(member, ext, "r") as handle:
            yield handle
    else:
        with _opened(path, ext, "r") as handle:
            yield handle


@contextmanager
def get_file_handle_save(path: Any, ext: str) -> Iterator[Any]:
    """Open a file to be written, as `get_file_handle_load` does; one at a path is written beside it, then renamed."""
    if isinstance(path, (str, os.PathLike)):
        with replacing(path) as temporary, _opened(temporary, ext, "w") as handle:
            yield handle
    else:
        with _opened(path, ext, "w") as handle:
            yield handle


@contextmanager
def _opened(file: Any, ext: str, mode: Literal["r", "w"]) -> Iterator[Any]:
    if ext == ".h5":
        import h5py

        with h5py.File(file, mode) as handle:
            yield handle
    elif ext == ".nnp":
        with zipfile.ZipFile(file, mode) as archive:
            yield archive
    elif not isinstance(file, (str, os.PathLike)):
        yield file
    elif ext in (".nntxt", ".prototxt"):
        with open(file, mode, encoding="utf-8") as text:
            yield text
    else:
        with open(file, f"{mode}b") as binary:
            yield binary


# ---- loading -----------------------------------------------------------------------------------------------


def _load(ctx: FileHandlerContext, file_loaders: Any, nnp: Any, filename: Any, ext: str, models: bool = True) -> None:
    """Read a file: its parameters into the current scope, the rest into ``ctx.proto``, unless only parameters count."""
    if nnp is not None:
        with nnp.open(filename) as member:
            found = read_file(member, ext, "load_files", "Model load (%s): %s")
    else:
        found = read_file(filename, ext, "load_files", "Model load (%s): %s")
    if not _flag(ctx, "exclude_parameter"):
        parameter.register_stored(found.parameters, "load_files", replace=models)
    if getattr(ctx, "proto", None) is None:
        ctx.proto = MODEL.message("NNablaProtoBuf")()
    if models and not _flag(ctx, "parameter_only"):
        merged(ctx.proto, found.model, [])
    elif _flag(ctx, "needs_proto"):
        merged(ctx.proto, None, found.parameters)
    if found.states:
        ctx.optimizer_states_checkpoint = checkpoints(found.states, ctx.proto)  # type: ignore[attr-defined]


def _load_states(ctx: FileHandlerContext, file_loaders: Any, nnp: Any, filename: Any, ext: str) -> None:
    """Note the solver states in a file of them."""
    with get_file_handle_load(nnp, filename, ext) as file:
        states = [(os.path.basename(getattr(file, "name", str(filename))), file.read())]
    proto = getattr(ctx, "proto", None) or MODEL.message("NNablaProtoBuf")()
    ctx.optimizer_states_checkpoint = checkpoints(states, proto)  # type: ignore[attr-defined]


def get_initial_file_loader() -> OrderedDict[str, Loader]:
    """Loaders of models, by extensions."""
    return OrderedDict({".nntxt,.prototxt": _load, ".protobuf,.h5": _load, ".nnp": _load, ".optimizer": _load_states})


def get_parameter_file_loader() -> OrderedDict[str, Loader]:
    """Loaders of parameters alone, by extensions."""
    load = partial(_load, models=False)
    return OrderedDict({".h5": load, ".protobuf": load, ".nntxt,.prototxt": load, ".nnp": load})


def get_decorated_file_loader() -> OrderedDict[str, Loader]:
    """Loaders of what comes after a model: solver states and parameters, by extensions."""
    load = partial(_load, models=False)
    return OrderedDict({".optimizer": _load_states, ".protobuf,.h5": load, ".nnp": load})


def load_files(
    ctx: FileHandlerContext, file_loaders: Mapping[str, Loader], filenames: Any, extension: str | None = None
) -> None:
    """Read files, each by the loader for its extension; others are passed over with a warning.

    Args:
        ctx: that loaders add to.
        file_loaders: by extensions, several of them joined by commas.
        filenames: one or several paths or file objects.
        extension: of file objects.
    """
    for each in files_of(filenames):
        ext = os.path.splitext(os.fspath(each))[1] if isinstance(each, (str, os.PathLike)) else extension
        loader = _for(ext, file_loaders)
        if loader is None:
            logger.warning("%s is omitted.", each)
        else:
            loader(ctx, file_loaders, None, each, ext)


def _for(extension: str | None, table: Mapping[str, Any]) -> Any:
    for extensions, entry in table.items():
        if extension and extension in [each.strip() for each in extensions.split(",")]:
            return entry
    return None


def load_solve_state_from_h5(nnp: Any, filename: Any) -> OrderedDict[str, Any]:
    """Solver states by parameter name in an HDF5 file, or in the member `filename` of an archive."""
    from ...solvers.states import from_stored

    where = f"load_solve_state_from_h5: {filename!r}"
    if nnp is None:
        return from_stored(read_h5(filename, where))
    with nnp.open(filename) as member:
        return from_stored(read_h5(member, where))


# ---- saving ------------------------------------------------------------------------------------------------


def _save_parameters(ctx: FileHandlerContext, filename: Any, ext: str) -> None:
    write_parameters(filename, ctx.parameters, ext)


def _save_model(ctx: FileHandlerContext, filename: Any, ext: str, pf: str = ".h5", ssf: Any = None) -> None:
    given = getattr(ctx, "parameters", None)
    stored = stored_parameters(parameter.get_parameters(grad_only=False) if given is None else given)
    message = MODEL.message("NNablaProtoBuf")()
    message.CopyFrom(ctx.proto)
    if ext != ".nnp" and _flag(ctx, "include_params") and not message.parameter:
        merged(message, None, stored)
    model_files.write(filename, ext, Model(message, stored if ext == ".nnp" else [], pf))


def get_default_file_savers(
    parameter_format: str = ".h5", solver_state_format: str | None = None
) -> OrderedDict[str, Saver]:
    """Savers of models, by extensions.

    Args:
        parameter_format: of the parameters in an ``.nnp``: ``".h5"`` or ``".protobuf"``.
        solver_state_format: accepted for compatibility; `nnabla.utils.save.save` saves solver states.
    """
    archive = partial(_save_model, pf=parameter_format, ssf=solver_state_format)
    return OrderedDict({".nntxt, .prototxt": _save_model, ".protobuf": _save_model, ".nnp": archive})


def get_parameter_file_savers() -> OrderedDict[str, Saver]:
    """Savers of parameters, by extension."""
    return OrderedDict.fromkeys(PARAMETER_SAVERS, _save_parameters)


def save_files(
    ctx: FileHandlerContext, file_savers: Mapping[str, Saver], filenames: Any, extension: str | None = None
) -> bool:
    """Write a file by the saver for its extension, and say whether there was one.

    Args:
        ctx: what to save.
        file_savers: by extensions, several of them joined by commas.
        filenames: a path or a file object.
        extension: of a file object.
    """
    path = isinstance(filenames, (str, os.PathLike))
    ext = os.path.splitext(os.fspath(filenames))[1] if path else extension
    saver = _for(ext, file_savers)
    if saver is None:
        return False
    saver(ctx, filenames, ext)
    return True
