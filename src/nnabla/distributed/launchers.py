"""What a launcher tells a process through its environment: how many processes there are, and which of them this is.

torchrun, mpirun of Open MPI, of MPICH and of Intel MPI, and Slurm's srun are known. A process without a launcher is
alone.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Mapping
from typing import NamedTuple

from ..errors import ExtensionError

LOOPBACK = "127.0.0.1"
# Below what systems hand out by themselves (32768 and above).
_FIRST_PORT, _PORTS = 20000, 10000


class Place(NamedTuple):
    """One process among others."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    launcher: str = ""
    # Where the process of rank 0 lets the others meet.
    address: str = LOOPBACK
    port: int = 0


ALONE = Place()


class _Launcher(NamedTuple):
    """Names of the variables that a launcher sets."""

    name: str
    size: str
    rank: str
    local_rank: tuple[str, ...]
    # How many processes there are on this machine; "" where it does not say.
    local_size: str
    # What tells one start from another.
    job: tuple[str, ...]


# The first that is found counts: processes that mpirun starts inside of a Slurm job have Slurm's variables, too. Those
# of Slurm are of a step: a script that is not started by srun is alone.
LAUNCHERS = (
    _Launcher("torchrun", "WORLD_SIZE", "RANK", ("LOCAL_RANK",), "LOCAL_WORLD_SIZE", ()),
    _Launcher(
        "Open MPI",
        "OMPI_COMM_WORLD_SIZE",
        "OMPI_COMM_WORLD_RANK",
        ("OMPI_COMM_WORLD_LOCAL_RANK",),
        "OMPI_COMM_WORLD_LOCAL_SIZE",
        ("PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid"),
    ),
    _Launcher("MPICH", "PMI_SIZE", "PMI_RANK", ("MPI_LOCALRANKID", "SLURM_LOCALID"), "MPI_LOCALNRANKS", ("PMI_JOBID",)),
    _Launcher("Slurm", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID", ("SLURM_LOCALID",), "", ("SLURM_JOB_ID",)),
)


def launcher_of(environment: Mapping[str, str]) -> str | None:
    """Name of the launcher that started a process with this environment, if one did."""
    return next((launcher.name for launcher in LAUNCHERS if launcher.size in environment), None)


def place_in(environment: Mapping[str, str]) -> Place:
    """The place of a process with this environment.

    Where processes meet is ``MASTER_ADDR`` and ``MASTER_PORT``. Where these are not set, it is this machine if all
    processes are on it, or the first machine of a Slurm job; and a port that follows from the number of the job.

    Raises:
        ExtensionError: a variable is missing, or is not the number that it should be.
    """
    launcher = next((launcher for launcher in LAUNCHERS if launcher.size in environment), None)
    if launcher is None:
        return ALONE
    size = _number(environment, launcher.size, 1, None)
    if size == 1:
        return ALONE._replace(launcher=launcher.name)
    rank = _number(environment, launcher.rank, 0, size)
    local = next((name for name in launcher.local_rank if name in environment), None)
    local_rank = rank if local is None else _number(environment, local, 0, size)
    return Place(
        rank, size, local_rank, launcher.name, _address(environment, launcher, size), _port(environment, launcher)
    )


def _number(environment: Mapping[str, str], name: str, least: int, below: int | None) -> int:
    text = environment.get(name)
    if text is None:
        raise ExtensionError(f"communicator: the launcher has not set {name}, which says which process this is")
    if not text.isdecimal() or int(text) < least or (below is not None and int(text) >= below):
        wanted = f"a number from {least}" + ("" if below is None else f" to {below - 1}")
        raise ExtensionError(f"communicator: {name} must be {wanted}, not {text!r}")
    return int(text)


def _address(environment: Mapping[str, str], launcher: _Launcher, size: int) -> str:
    address = environment.get("MASTER_ADDR")
    if address:
        return address
    nodes = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_JOB_NODELIST")
    if environment.get(launcher.local_size) == str(size):
        return LOOPBACK
    if nodes:
        return first_host(nodes)
    raise ExtensionError(
        f"communicator: {launcher.name} has started processes on several machines; "
        "set MASTER_ADDR to the one of the process with rank 0"
    )


def first_host(nodes: str) -> str:
    """The first of the machines that Slurm lists in its short form.

    Example:
        >>> first_host("gpu[003-005,9],login"), first_host("one,two")
        ('gpu003', 'one')
    """
    found = re.match(r"([^\[,]+)(?:\[(\d+)[^\]]*\])?([^,]*)", nodes)
    if found is None:
        raise ExtensionError(f"communicator: cannot read the list of machines {nodes!r}; set MASTER_ADDR")
    return found[1] + (found[2] or "") + found[3]


def _port(environment: Mapping[str, str], launcher: _Launcher) -> int:
    if "MASTER_PORT" in environment:
        return _number(environment, "MASTER_PORT", 1, 1 << 16)
    if not launcher.job:
        raise ExtensionError(f"communicator: {launcher.name} has not set MASTER_PORT, where processes meet")
    job = [environment[name] for name in launcher.job if name in environment]
    # Steps of one Slurm job may run beside each other. Without a number, processes have the same parent.
    job += [environment[name] for name in ("SLURM_STEP_ID",) if name in environment]
    return _FIRST_PORT + zlib.crc32(" ".join(job or [str(os.getppid())]).encode()) % _PORTS
