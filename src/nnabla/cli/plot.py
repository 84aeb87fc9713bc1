"""``nnabla_cli plot_series`` and ``plot_timer``: curves of what monitors wrote."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from ..inspection.monitors import plot_series, plot_time_elapsed


def plot_series_command(args: argparse.Namespace) -> bool:
    """Draw files of `MonitorSeries`."""
    return plot_any_command(args, plot_series)


def plot_timer_command(args: argparse.Namespace) -> bool:
    """Draw files of `MonitorTimeElapsed`."""
    if not args.ylabel:
        args.ylabel = f"{'Elapsed time' if args.elapsed else 'Time'} [{args.time_unit}]"
    return plot_any_command(args, plot_time_elapsed, {"elapsed": args.elapsed, "unit": args.time_unit})


def plot_any_command(
    args: argparse.Namespace, plot_func: Callable[..., None], plot_func_kwargs: Mapping[str, Any] | None = None
) -> bool:
    """Draw a curve for each of the files ``args.inputs``, into the file ``args.outfile`` or a window.

    Args:
        plot_func: adds the curve of a file to the current axes, `nnabla.monitor.plot_series` or `plot_time_elapsed`.
        plot_func_kwargs: more arguments for it.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise ImportError("plotting needs matplotlib: pip install 'nnabla[plot]'") from error
    if args.outfile:
        matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure = plt.figure()
    try:
        labels = list(args.label or [])
        for i, path in enumerate(args.inputs):
            label = labels[i] if i < len(labels) else path
            plot_func(path, plot_kwargs={"label": label}, **(plot_func_kwargs or {}))
        plt.title(args.title)
        plt.xlabel(args.xlabel)
        plt.ylabel(args.ylabel)
        plt.xlim(left=args.xlim_min, right=args.xlim_max)
        plt.ylim(bottom=args.ylim_min, top=args.ylim_max)
        plt.grid(True)
        plt.legend(loc="best")
        if args.outfile:
            plt.savefig(args.outfile)
        else:
            plt.show()
    finally:
        plt.close(figure)
    return True
