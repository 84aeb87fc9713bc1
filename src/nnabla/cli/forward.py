"""``nnabla_cli forward``: a data set through the executors of a model, into a table."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import host_hooks
from ..context import context_scope
from ..converters.nnp.loading import load
from ..errors import ArgumentError
from ..files.atomic import replacing
from ..logger import ALWAYS, logger
from ..training.feeding import let_data_to_variable
from .data_rows import DataRows
from .infer import evaluated
from .reporting import reported, step
from .result_table import OutputColumns, TableWriter, output_columns


def forward_command(args: argparse.Namespace) -> bool:
    """Write the table ``OUTDIR/OUTFILE`` and the files that it names.

    It has the cells of the data set and behind them the outputs of all executors. Of the last batch only what belongs
    to samples is in the table; files are written for the samples that fill it up, too, as NNabla does.
    """
    host_hooks.update_status(args)
    files = [args.config] if args.param is None else [args.config, args.param]
    size = None if args.batch_size <= 0 else args.batch_size
    with reported(args.outdir):
        info: Any = load(files, prepare_data_iterator=False, batch_size=size)
        logger.log(ALWAYS, 'Using context "%s"', info.default_context)
        evaluation = _Evaluation(info)
        if size not in (None, evaluation.batch_size):
            logger.warning(
                "forward: the model keeps its batch size %d; -b %d changes nothing", evaluation.batch_size, size
            )
        data = DataRows(
            _dataset(args.dataset, info), evaluation.batch_size, evaluation.normalizes_images, args.replace_path
        )
        path = os.path.join(args.outdir, args.outfile)
        try:
            host_hooks.update_status(("data.max", data.iterator.size))
            host_hooks.update_status(("data.current", 0))
            host_hooks.update_status("processing", True)
            with context_scope(info.default_context):
                header = _write_table(path, data, evaluation, args)
        finally:
            data.iterator.close()
        host_hooks.process_evaluation_result(args.outdir, path)
    host_hooks.update_status(("output_result.csv_header", ",".join(header)))
    host_hooks.update_status(("output_result.column_num", len(header)))
    host_hooks.update_status(("output_result.data_num", data.iterator.size))
    logger.log(ALWAYS, "Forward Completed.")
    host_hooks.update_status("finished")
    return True


def _dataset(option: str | None, info: Any) -> str:
    """The data set that was asked for, or the only one that the configuration has."""
    if option is not None:
        return option
    if len(info.datasets) != 1:
        raise ArgumentError(f"forward: -d must name the data set; the configuration has {list(info.datasets)}")
    dataset = next(iter(info.datasets.values()))
    return str(dataset.uri or dataset.cache_dir)


def _write_table(path: str, data: DataRows, evaluation: _Evaluation, args: argparse.Namespace) -> list[str]:
    """Evaluate the data set and write the table; its header."""
    size, batch = data.iterator.size, evaluation.batch_size
    rows = data.rows()
    header: list[str] = []
    columns: list[OutputColumns] = []
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        table = TableWriter(file)
        for first in range(0, size, batch):
            outputs = evaluation.outputs(data.iterator.variables, data.iterator.next())
            if not columns:
                columns = [
                    output_columns(name, i, values.shape, args.outdir, args.result_outdir)
                    for i, (name, values) in enumerate(outputs)
                ]
                header = [*data.header, *(name for each in columns for name in each.names)]
                table.row(header)
            for i in range(batch):
                cells = [each.cells(first + i, values[i]) for each, (_, values) in zip(columns, outputs, strict=True)]
                if first + i < size:
                    table.row([*next(rows), *(cell for each in cells for cell in each)])
            done = min(first + batch, size)
            host_hooks.update_status(("data.current", done))
            host_hooks.update_forward_time()
            host_hooks.update_status()
            step(f"data {done} / {size}", done / size)
    return header


class _Evaluation:
    """The executors of a model.

    Attributes:
        batch_size: samples that they take at a time.
        normalizes_images: whether images are divided by their largest possible value.
    """

    def __init__(self, info: Any) -> None:
        if not info.executors:
            raise ValueError("forward: the model has no executor")
        self._executors = list(info.executors.values())
        sizes = {described.variable_instance.shape[:1] for e in self._executors for described in e.dataset_assign}
        if len(sizes) > 1 or () in sizes:
            inputs = {d.name: d.variable_instance.shape for e in self._executors for d in e.dataset_assign}
            raise ValueError(f"forward: the inputs must have one batch size in common; their shapes are {inputs}")
        self.batch_size = int(sizes.pop()[0]) if sizes else int(self._executors[0].network.batch_size or 1)
        self.normalizes_images = not any(e.no_image_normalization for e in self._executors)

    def outputs(self, names: Sequence[str], batch: Sequence[np.ndarray]) -> list[tuple[str, np.ndarray]]:
        """Names and values of the outputs of all executors."""
        found: list[tuple[str, np.ndarray]] = []
        data = dict(zip(names, batch, strict=True))
        for executor in self._executors:
            for described, name in executor.dataset_assign.items():
                if name not in data:
                    raise ValueError(
                        f'Data "{name}" for variable "{described.name}" is not found; there are {list(data)}'
                    )
                _assign(described, data[name], name)
            for described, generate in executor.generator_assign.items():
                values = np.asarray(generate(described.variable_instance.shape))
                let_data_to_variable(described.variable_instance, values, variable_name=described.name)
            outputs = zip(executor.output_assign.values(), evaluated(executor), strict=True)
            # Outputs of a type are of use inside of the Console only, as with NNabla.
            found += [(name, values) for (kind, name), values in outputs if not kind]
            if executor.need_back_propagation:
                self._go_back(executor)
        return found

    @staticmethod
    def _go_back(executor: Any) -> None:
        """Compute the gradients of an executor's losses, for functions and hooks that look at them."""
        for variable in executor.parameters:
            variable.variable_instance.grad.zero()
        executor.backward_target.forward(clear_no_need_grad=True)
        executor.backward_target.backward(clear_buffer=True)


def _assign(described: Any, values: np.ndarray, name: str) -> None:
    """Give an input its data; a shape of as many elements is the same data."""
    variable = described.variable_instance
    if values.size != variable.size:
        logger.critical('Data "%s" does not fit variable "%s".', name, described.name)
        # The beginning is NumPy's: consoles look for it.
        shape = str(variable.shape).replace(" ", "")
        raise ValueError(
            f"cannot reshape array of size {values.size} into shape {shape}: data {name!r} has shape "
            f"{values.shape}, variable {described.name!r} of the model another"
        )
    let_data_to_variable(variable, values.reshape(variable.shape), None, name, described.name)
