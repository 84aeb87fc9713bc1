"""What the variables of launchers say."""

from __future__ import annotations

import pytest

from nnabla.distributed.launchers import ALONE, first_host, launcher_of, place_in
from nnabla.errors import ExtensionError

TORCHRUN = {
    "WORLD_SIZE": "4",
    "RANK": "3",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "head",
    "MASTER_PORT": "29500",
}
OPEN_MPI = {
    "OMPI_COMM_WORLD_SIZE": "4",
    "OMPI_COMM_WORLD_RANK": "2",
    "OMPI_COMM_WORLD_LOCAL_RANK": "2",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "4",
    "PMIX_NAMESPACE": "prterun-host-123@1",
}
SLURM = {
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
    "SLURM_JOB_ID": "77",
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NODELIST": "node[07,11-13]",
}
MPICH = {"PMI_SIZE": "2", "PMI_RANK": "1", "MPI_LOCALRANKID": "1", "MPI_LOCALNRANKS": "2"}


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, (0, 1, 0, "", "127.0.0.1")),
        (TORCHRUN, (3, 4, 1, "torchrun", "head")),
        (OPEN_MPI, (2, 4, 2, "Open MPI", "127.0.0.1")),
        (OPEN_MPI | {"OMPI_COMM_WORLD_LOCAL_SIZE": "2", "MASTER_ADDR": "a"}, (2, 4, 2, "Open MPI", "a")),
        (MPICH, (1, 2, 1, "MPICH", "127.0.0.1")),
        (SLURM, (5, 8, 1, "Slurm", "node07")),
        # mpirun within a job of Slurm, which has started one process on each machine.
        (SLURM | OPEN_MPI, (2, 4, 2, "Open MPI", "127.0.0.1")),
        # torchrun within anything.
        (SLURM | OPEN_MPI | TORCHRUN, (3, 4, 1, "torchrun", "head")),
        # A script in a job of Slurm that srun has not started.
        ({"SLURM_NTASKS": "8", "SLURM_PROCID": "0"}, (0, 1, 0, "", "127.0.0.1")),
        ({"WORLD_SIZE": "1"}, (0, 1, 0, "torchrun", "127.0.0.1")),
    ],
)
def test_places(environment, wanted):
    place = place_in(environment)
    assert (place.rank, place.size, place.local_rank, place.launcher, place.address) == wanted
    assert launcher_of(environment) == (place.launcher or None)
    assert place.port == place_in(environment).port


def test_ports():
    assert place_in(TORCHRUN).port == 29500
    assert place_in(OPEN_MPI | {"MASTER_PORT": "5"}).port == 5
    ports = {place_in(OPEN_MPI | {"PMIX_NAMESPACE": f"job{i}"}).port for i in range(50)}
    assert len(ports) > 45 and all(20000 <= port < 30000 for port in ports)
    assert place_in(SLURM).port != place_in(SLURM | {"SLURM_STEP_ID": "1"}).port
    # Without a number of the job, processes have the same parent.
    assert place_in(MPICH).port == place_in(MPICH | {"PMI_RANK": "0"}).port
    assert ALONE.port == 0


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({"WORLD_SIZE": "4"}, "the launcher has not set RANK, which says which process this is"),
        (TORCHRUN | {"RANK": "4"}, "RANK must be a number from 0 to 3, not '4'"),
        (TORCHRUN | {"WORLD_SIZE": "many"}, "WORLD_SIZE must be a number from 1, not 'many'"),
        (TORCHRUN | {"MASTER_PORT": "x"}, "MASTER_PORT must be a number from 1 to 65535, not 'x'"),
        ({k: v for k, v in TORCHRUN.items() if k != "MASTER_PORT"}, "torchrun has not set MASTER_PORT"),
        (
            OPEN_MPI | {"OMPI_COMM_WORLD_LOCAL_SIZE": "2"},
            "Open MPI has started processes on several machines; set MASTER_ADDR",
        ),
    ],
)
def test_what_is_wrong(environment, text):
    with pytest.raises(ExtensionError, match=text):
        place_in(environment)


def test_machines():
    assert [first_host(nodes) for nodes in ("a", "a,b", "n[1-3]", "n[08,12],m", "r[2]-x")] == [
        "a",
        "a",
        "n1",
        "n08",
        "r2-x",
    ]
    with pytest.raises(ExtensionError, match="cannot read the list of machines"):
        first_host("[1]")
