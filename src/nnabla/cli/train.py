"""``nnabla_cli train``."""

from __future__ import annotations

import argparse
import os
import zipfile

from .. import host_hooks
from ..context import Context
from ..converters.nnp.loading import load
from ..errors import ArgumentError
from ..ext_utils import get_extension_context
from ..logger import ALWAYS, logger
from ..training.configured import ConfiguredTraining
from ..training.results import last_results
from .reporting import reported


def train_command(args: argparse.Namespace) -> bool:
    """Train what a configuration describes, into a folder that exists.

    Writes ``results.nnp``, the best so far; ``results_current_<epoch>.nnp``, to resume from; and
    ``monitoring_report.yml``.
    """
    host_hooks.update_status(args)
    if args.enable_ooc:
        logger.warning("train: --enable-ooc has no effect: memory of the context's devices is not swapped.")
    with reported(args.outdir):
        files = [args.config]
        last = last_results(args.outdir) if args.resume else None
        if args.param:
            files.append(args.param)
        if last is not None:
            logger.log(ALWAYS, "Load parameter from [%s]", os.path.basename(last[1]))
            files = [last[1]]
        config = load(files, context=_context(args.context))
        name, text = _text_of(args.config)
        training = ConfiguredTraining(config, args, name, text)
        logger.log(ALWAYS, "Train with contexts %s", [str(training.context)])
        training.run()
    logger.log(ALWAYS, "Training Completed.")
    return True


def _context(option: str | None) -> Context | None:
    """The context that ``-C`` names: ``cpu``, ``cudnn`` or ``cudnn:DEVICE``."""
    if option is None:
        return None
    backend, _, device = option.partition(":")
    if backend not in ("cpu", "cuda", "cudnn"):
        raise ArgumentError(f"train: -C must be cpu, cudnn or cudnn:DEVICE, not {option!r}")
    return get_extension_context(backend, device_id=device or "0")


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
