"""What it takes to go on with a training, as members of an archive. NNabla 1.x reads the parameters and solver states
among them.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from functools import partial
from typing import Any

from .. import parameter
from ..converters.nnp.solver_states import own_member, write_states
from ..errors import ArgumentError, FormatError
from ..files import archives, hdf5
from ..files.model_files import VERSION
from ..parameter_files import stored_parameters

Member = tuple[str, archives.Contents]

RESUME_MEMBER = "resume.json"
"""The member that says where to go on. NNabla 1.x passes it over."""
VERSION_MEMBER: Member = ("nnp_version.txt", f"{VERSION}\n".encode())
PARAMETER_MEMBER = "parameter.h5"

_LARGEST = 1 << 26


def parameter_member() -> Member:
    """All parameters, as they are now."""
    parameters = stored_parameters(parameter.get_parameters(grad_only=False))
    return PARAMETER_MEMBER, lambda file: hdf5.write(file, parameters)


def state_members(optimizers: Iterable[tuple[str, str, Any]]) -> list[Member]:
    """States of solvers: name, type of the solver, and the solver."""
    return [(own_member(name, kind), partial(write_states, solver=solver)) for name, kind, solver in optimizers]


def resume_member(resume: dict[str, Any]) -> Member:
    """Everything else, as JSON can hold it.

    Raises:
        ArgumentError: it is larger than what is read again.
    """
    data = json.dumps(resume).encode()
    if len(data) > _LARGEST:
        raise ArgumentError(f"{RESUME_MEMBER}: {len(data)} bytes are more than the {_LARGEST} that are read again")
    return RESUME_MEMBER, data


def read_resume(path: str, function: str = "train") -> dict[str, Any] | None:
    """What the member `RESUME_MEMBER` says; ``None`` where there is none, as in archives of NNabla.

    Raises:
        FormatError: it is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if RESUME_MEMBER not in archive.namelist():
                return None
            with archive.open(RESUME_MEMBER) as member:
                data = member.read(_LARGEST)
        found = json.loads(data)
    except (ValueError, zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise FormatError(f"{function}: {RESUME_MEMBER} in {path!r} is damaged: {error}") from None
    if not isinstance(found, dict):
        raise FormatError(f"{function}: {RESUME_MEMBER} in {path!r} is damaged")
    return found
