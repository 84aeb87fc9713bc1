"""``nnabla_cli train``."""

from __future__ import annotations

import argparse
import os
import zipfile
from contextlib import nullcontext

from .. import host_hooks
from ..context import Context
from ..converters.nnp.loading import load
from ..distributed.current import create_communicator
from ..errors import ArgumentError
from ..ext_utils import get_extension_context
from ..logger import ALWAYS, logger
from ..training.configured import ConfiguredTraining
from ..training.machine_load import NodeTimeInfoCollector
from ..training.out_of_core import is_on_cpu, size_of
from ..training.results import last_results
from ..training.team import Team
from .reporting import reported

available_contexts = ["cpu"]
"""What ``-C`` may name on every machine."""
node_time_collector = NodeTimeInfoCollector()


def train_command(args: argparse.Namespace) -> bool:
    """Train what a configuration describes, into a folder that exists.

    Where a launcher (torchrun, mpirun, srun) has started several processes, each trains on a part of every data set.
    The first one logs, and writes ``results.nnp``, the best so far; ``results_current_<epoch>.nnp``, to resume from;
    and ``monitoring_report.yml``.
    """
    communicator = create_communicator(extension_module=(args.context or "cpu").partition(":")[0])
    team = Team(communicator)
    if not team.is_first:
        host_hooks.forget()
    host_hooks.update_status(args)
    for option, text in (("-m", args.ooc_gpu_memory_size), ("-w", args.ooc_window_length)):
        size_of(option, text)
    with reported(args.outdir) if team.is_first else nullcontext():
        files = [args.config]
        last = last_results(args.outdir) if args.resume else None
        if args.param:
            files.append(args.param)
        if last is not None:
            logger.log(ALWAYS, "Load parameter from [%s]", os.path.basename(last[1]))
            files = [last[1]]
        config = load(files, context=_context(args.context, team))
        name, text = _text_of(args.config)
        training = ConfiguredTraining(config, args, name, text, team)
        logger.log(ALWAYS, "Train with contexts %s", [str(training.context)])
        if args.enable_ooc and is_on_cpu(training.context):
            logger.warning(
                "train: --enable-ooc changes nothing in this context: arrays are in the memory of the CPU already."
            )
        training.run()
    logger.log(ALWAYS, "Training Completed.")
    return True


def _context(option: str | None, team: Team) -> Context | None:
    """The context that ``-C`` names: ``cpu``, ``cudnn`` or ``cudnn:DEVICE``. Processes have a device each."""
    if option is None:
        return None
    backend, _, device = option.partition(":")
    if backend not in ("cpu", "cuda", "cudnn"):
        raise ArgumentError(f"train: -C must be cpu, cudnn or cudnn:DEVICE, not {option!r}")
    return get_extension_context(backend, device_id=device or str(team.local_rank))


def _text_of(path: str) -> tuple[str, bytes]:
    """Name and contents of the member with the configuration, for the results."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if os.path.splitext(name)[1] in (".nntxt", ".prototxt"):
                    return os.path.basename(name), archive.read(name)
        raise ArgumentError(f"train: {path!r} has no configuration in text form")
    with open(path, "rb") as file:
        return os.path.basename(path), file.read()
