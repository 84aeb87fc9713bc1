"""What a run of a training configuration leaves: archives with parameters, a report, and all that it takes to go on.

Files are written beside their target and renamed, so that at any moment there are the last good results.
"""

from __future__ import annotations

import glob
import os
import re
from typing import Any

import yaml

from ..errors import FormatError
from ..files import archives
from ..files.atomic import remove_if_there, replacing
from ..logger import logger
from .resuming import VERSION_MEMBER, parameter_member, resume_member, state_members


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
        members: list[tuple[str, archives.Contents]] = [VERSION_MEMBER, self._config, parameter_member()]
        members += state_members(self._optimizers)
        if resume is not None:
            members.append(resume_member(resume))
        path = f"{base}.nnp"
        with replacing(path) as temporary, open(temporary, "wb+") as file:
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
