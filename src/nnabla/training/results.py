"""What a run of a training configuration leaves: archives with parameters, a report, and all that it takes to go on.

Files are written beside their target and renamed, so that at any moment there are the last good results.
"""

from __future__ import annotations

import glob
import json
import os
import random
import re
import zipfile
from functools import partial
from typing import Any

import numpy as np
import yaml

from .. import parameter
from .. import random as nnabla_random
from ..converters.nnp.solver_states import own_member, write_states
from ..errors import FormatError
from ..files import archives, hdf5
from ..files.atomic import remove_if_there, replacing
from ..files.model_files import VERSION
from ..logger import logger
from ..parameter_files import stored_parameters

RESUME_MEMBER = "resume.json"
"""The member of an archive that says where to go on. NNabla 1.x passes it over."""


class ResultFiles:
    """The files of one run.

    Args:
        outdir: folder, which exists.
        config_name: of the member with the training configuration.
        config_text: what is in it.
        optimizers: name, type of the solver and the solver, for each.
    """

    def __init__(
        self, outdir: str, config_name: str, config_text: bytes, optimizers: list[tuple[str, str, Any]]
    ) -> None:
        self.outdir = outdir
        self._config = (config_name, config_text)
        self._optimizers = optimizers

    def save(self, base: str, resume: dict[str, Any] | None) -> str:
        """Write ``<base>.nnp``: configuration, parameters, solver states, and `resume` where it is given."""
        parameters = stored_parameters(parameter.get_parameters(grad_only=False))
        members: list[tuple[str, archives.Contents]] = [
            ("nnp_version.txt", f"{VERSION}\n".encode()),
            self._config,
            ("parameter.h5", lambda file: hdf5.write(file, parameters)),
        ]
        members += [(own_member(name, kind), partial(write_states, solver=s)) for name, kind, s in self._optimizers]
        if resume is not None:
            members.append((RESUME_MEMBER, json.dumps(resume).encode()))
        path = f"{base}.nnp"
        with replacing(path) as temporary, open(temporary, "wb") as file:
            archives.write(file, members)
        logger.info("Model file is saved as (.nnp): %s", path)
        return path

    def remove_others(self, kept: str) -> None:
        """Remove the ``results_current_*.nnp`` of earlier epochs."""
        for path in glob.glob(os.path.join(glob.escape(self.outdir), "results_current_*.nnp")):
            if os.path.abspath(path) != os.path.abspath(kept):
                remove_if_there(path)

    def write_report(self, report: dict[int, dict[str, float]]) -> None:
        """Write ``monitoring_report.yml``: for each epoch, counted from 0, the cost and the monitors."""
        path = os.path.join(self.outdir, "monitoring_report.yml")
        with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
            for epoch, values in report.items():
                file.write(f"{epoch}:\n")
                file.writelines(f"  {name}: {value!r}\n" for name, value in values.items())


def read_report(outdir: str) -> dict[int, dict[str, float]]:
    """What ``monitoring_report.yml`` says; nothing where there is none.

    Raises:
        FormatError: it is not such a report.
    """
    path = os.path.join(outdir, "monitoring_report.yml")
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        try:
            found = yaml.safe_load(file) or {}
        except yaml.YAMLError as error:
            raise FormatError(f"train: {path!r} is not a report: {error}") from None
    if not isinstance(found, dict) or not all(isinstance(values, dict) for values in found.values()):
        raise FormatError(f"train: {path!r} is not a report")
    return found


def last_results(outdir: str) -> tuple[int, str] | None:
    """Epoch and path of the newest ``results_current_<epoch>.nnp``, if there is one."""
    found = []
    for path in glob.glob(os.path.join(glob.escape(outdir), "results_current_*.nnp")):
        number = re.fullmatch(r"results_current_(\d+)\.nnp", os.path.basename(path))
        if number:
            found.append((int(number[1]), path))
    return max(found, default=None)


def read_resume(path: str) -> dict[str, Any] | None:
    """What the member `RESUME_MEMBER` says; ``None`` where there is none, as in archives of NNabla.

    Raises:
        FormatError: it is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        if RESUME_MEMBER not in archive.namelist():
            return None
        with archive.open(RESUME_MEMBER) as member:
            data = member.read(1 << 24)
    try:
        found = json.loads(data)
    except ValueError as error:
        raise FormatError(f"train: {RESUME_MEMBER} in {path!r} is damaged: {error}") from None
    if not isinstance(found, dict):
        raise FormatError(f"train: {RESUME_MEMBER} in {path!r} is damaged")
    return found


# ---- states of random numbers ------------------------------------------------------------------------------


def random_states() -> dict[str, Any]:
    """The states of NumPy's, Python's and this package's random numbers, as JSON can hold them.

    Stochastic functions go on from a new seed, which stands for their state.
    """
    version, internal, gauss = random.getstate()
    functions = nnabla_random.function_generator_seed()
    nnabla_random.set_function_seed(functions)
    return {
        "numpy": _packed(np.random.get_state()),
        "python": [version, list(internal), gauss],
        "parameters": _packed(nnabla_random.prng.get_state()),
        "functions": functions,
    }


def set_random_states(states: dict[str, Any]) -> None:
    """Set what `random_states` returned.

    Raises:
        FormatError: it is something else.
    """
    try:
        np.random.set_state(_unpacked(states["numpy"]))
        version, internal, gauss = states["python"]
        random.setstate((version, tuple(internal), gauss))
        nnabla_random.prng.set_state(_unpacked(states["parameters"]))
        nnabla_random.set_function_seed(int(states["functions"]))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise FormatError(f"train: the states of random numbers are damaged: {error}") from None


def _packed(state: Any) -> list[Any]:
    name, keys, position, has_gauss, gauss = state
    return [name, keys.tolist(), position, has_gauss, gauss]


def _unpacked(state: list[Any]) -> tuple[Any, ...]:
    name, keys, position, has_gauss, gauss = state
    return name, np.array(keys, dtype=np.uint32), position, has_gauss, gauss
