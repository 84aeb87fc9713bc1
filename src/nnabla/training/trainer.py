"""`nn.Trainer`: the loop that most training scripts write, with what usually stands around it."""

from __future__ import annotations

import csv
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from .. import parameter
from ..engine.forward import forward_all
from ..errors import ArgumentError, FormatError
from ..files.atomic import replacing
from ..graph.variable import Variable
from ..inspection.monitors import Monitor, MonitorSeries
from .checkpoints import Iterators, load_checkpoint, save_checkpoint

_LAST = "last.nnp"
_BEST = "best.h5"
_HISTORY = "history.csv"


@dataclass
class TrainingResult:
    """What a training came to.

    Attributes:
        losses: of each update, the mean over its batches.
        evaluations: number of updates before each evaluation, and what it gave.
        best: the smallest value of those that decide; infinite without evaluations.
        best_iteration: number of updates after which it was reached.
        stopped: ``"iterations"`` where all were done, ``"patience"`` where training did not help any more.
    """

    losses: list[float] = field(default_factory=list)
    evaluations: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    best: float = math.inf
    best_iteration: int = 0
    stopped: str = "iterations"


class Trainer:
    """A training loop: feed, forward, backward, update, with evaluation, checkpoints, monitors and a progress bar.

    Nothing needs it, and it hides nothing: graph, solver and data are the script's, which may go on without it at
        any time.

    Args:
        loss: scalar, the end of the training graph.
        solver: with its parameters set.
        feed: called before each forward, to write the next batch into the inputs.
        evaluate: called without arguments; returns a number, or numbers by name, of which the first decides. The
            smaller the better.
        evaluate_interval: updates between two evaluations, and between two checkpoints. There is one more at the end.
        patience: evaluations in a row that may bring nothing better; ``None`` to go on all the same.
        accumulate: batches whose gradients are averaged in one update.
        schedule: learning rate of an update, by its number from 0.
        weight_decay: factor of the weights that are added to the gradients.
        clip_norm: of the gradient of each parameter, at most; ``None`` for no limit.
        watch: scalars to compute with the loss and to monitor, by name.
        folder: for checkpoints and monitors; ``None`` to write nothing. ``best.h5`` has the parameters of the best
            evaluation, ``last.nnp`` all that it takes to go on (see `nnabla.save_checkpoint`), ``history.csv`` a row
            for each evaluation, ``<name>.series.txt`` what monitors write.
            (What monitors write goes to MLflow, too, after `nnabla.autolog.autolog()`.)
        data_iterators: those that `feed` takes batches from, one or several: checkpoints say how many it took.
        monitor_interval: updates whose mean is a line of a monitor.
        tensorboard: also write an event file for TensorBoard.
        check_gradients: look for NaN and infinity in all gradients before each update, not in the loss only.
        progress: whether to show a bar; default: on a terminal.

    Attributes:
        iteration: updates done.
        result: what has been recorded so far.

    Raises:
        ArgumentError: an interval, `accumulate` or `patience` is below 1.

    Example:
        >>> import numpy as np, nnabla as nn, nnabla.functions as F
        >>> import nnabla.parametric_functions as PF, nnabla.solvers as S
        >>> nn.clear_parameters()
        >>> x, t = nn.Variable((16, 2)), nn.Variable((16, 1))
        >>> loss = F.mean(F.squared_error(PF.affine(x, 1), t))
        >>> solver = S.Sgd(0.1)
        >>> solver.set_parameters(nn.get_parameters())
        >>> random = np.random.RandomState(0)
        >>> def feed():
        ...     x.d = random.standard_normal(x.shape)
        ...     t.d = x.d.sum(axis=1, keepdims=True)
        >>> result = nn.Trainer(loss, solver, feed, accumulate=2).train(100)
        >>> result.losses[-1] < 1e-3 < result.losses[0]
        True
    """

    def __init__(
        self,
        loss: Variable,
        solver: Any,
        feed: Callable[[], Any],
        *,
        evaluate: Callable[[], float | Mapping[str, float]] | None = None,
        evaluate_interval: int = 100,
        patience: int | None = None,
        accumulate: int = 1,
        schedule: Callable[[int], float] | None = None,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        watch: Mapping[str, Variable] | None = None,
        folder: str | os.PathLike[str] | None = None,
        data_iterators: Iterators = (),
        monitor_interval: int = 10,
        tensorboard: bool = False,
        check_gradients: bool = True,
        progress: bool | None = None,
    ) -> None:
        for name, value in (
            ("evaluate_interval", evaluate_interval),
            ("patience", patience),
            ("accumulate", accumulate),
            ("monitor_interval", monitor_interval),
        ):
            if value is not None and value < 1:
                raise ArgumentError(f"Trainer: {name} must be at least 1, not {value}")
        self.loss, self.solver, self.feed, self.evaluate = loss, solver, feed, evaluate
        self.evaluate_interval, self.patience, self.accumulate = evaluate_interval, patience, accumulate
        self.schedule, self.weight_decay, self.clip_norm = schedule, weight_decay, clip_norm
        self.watch = dict(watch or {})
        self.folder = None if folder is None else Path(folder)
        self.data_iterators = data_iterators
        self.monitor_interval, self.tensorboard = monitor_interval, tensorboard
        self.check_gradients, self.progress = check_gradients, progress
        self.iteration = 0
        self.result = TrainingResult()
        self._without_gain = 0
        self._series: dict[str, MonitorSeries] = {}
        self._monitor: Monitor | None = None

    def train(self, iterations: int) -> TrainingResult:
        """Train until so many updates were done, those before `resume` included, or patience ends.

        Where the interrupt key ends it, the last checkpoint is written first.

        Raises:
            FloatingPointError: the loss, or a gradient, is NaN or infinite. The parameters are those before that
                update.
            ArgumentError: `iterations` is below 1.
        """
        if iterations < 1:
            raise ArgumentError(f"Trainer.train: iterations must be at least 1, not {iterations}")
        self.result.stopped = "iterations"
        started, since = time.perf_counter(), len(self.result.losses)
        hidden = None if self.progress is None else not self.progress
        with tqdm(total=iterations, initial=self.iteration, disable=hidden, mininterval=0.2, ncols=100) as bar:
            try:
                while self.iteration < iterations:
                    self._update()
                    bar.update()
                    if self.iteration % 10 == 0:
                        recent = self.result.losses[-10:]
                        bar.set_postfix(
                            loss=f"{sum(recent) / len(recent):.4g}", best=f"{self.result.best:.4g}", refresh=False
                        )
                    if self.iteration % self.evaluate_interval == 0 or self.iteration == iterations:
                        self._look(since, time.perf_counter() - started)
                        since = len(self.result.losses)
                        if self.patience is not None and self._without_gain >= self.patience:
                            self.result.stopped = "patience"
                            break
            except KeyboardInterrupt:
                self._save_last()
                raise
        return self.result

    def load_best(self) -> None:
        """Give the parameters the values of the best evaluation.

        Raises:
            FileNotFoundError: there was no evaluation, or no folder.
        """
        if self.folder is None:
            raise FileNotFoundError(f"Trainer: there is no {_BEST}, for want of a folder")
        parameter.load_parameters(str(self.folder / _BEST))

    def resume(self) -> bool:
        """Go on where the last checkpoint in `folder` was written, with the same numbers.

        Data iterators must be new. What `feed` reads from anything else goes on as it likes.

        Returns:
            Whether there was a checkpoint.

        Raises:
            FormatError: ``last.nnp`` is damaged, or no checkpoint of a Trainer.
            ArgumentError, ShapeError: it is one of another solver or network.
        """
        if self.folder is None or not (self.folder / _LAST).exists():
            return False
        found = load_checkpoint(self.folder / _LAST, self.solver, data_iterators=self.data_iterators)
        try:
            self._without_gain = int(found.extra["without_gain"])
            best = math.inf if found.extra["best"] is None else float(found.extra["best"])
            best_iteration = int(found.extra["best_iteration"])
        except (ValueError, KeyError, TypeError) as error:
            raise FormatError(f"Trainer.resume: {self.folder / _LAST} is of something else: {error!r}") from None
        self.iteration = found.iteration
        self.result = TrainingResult(best=best, best_iteration=best_iteration)
        self._series = {}
        return True

    # ---- one update --------------------------------------------------------------------------------------

    def _update(self) -> None:
        if self.schedule is not None:
            self.solver.set_learning_rate(self.schedule(self.iteration))
        sums = dict.fromkeys(["loss", *self.watch], 0.0)
        self.solver.zero_grad()
        for _ in range(self.accumulate):
            self.feed()
            forward_all([self.loss, *self.watch.values()], clear_no_need_grad=True)
            for name, variable in (("loss", self.loss), *self.watch.items()):
                sums[name] += float(variable.d) / self.accumulate
            if not math.isfinite(sums["loss"]):
                self._refuse(f"loss is {sums['loss']}")
            self.loss.backward(1 / self.accumulate, clear_buffer=True)
        if self.check_gradients and self.solver.check_inf_or_nan_grad():
            self._refuse("gradient of a parameter has NaN or infinity")
        if self.weight_decay:
            self.solver.weight_decay(self.weight_decay)
        if self.clip_norm is not None:
            self.solver.clip_grad_by_norm(self.clip_norm)
        self.solver.update()
        self.result.losses.append(sums["loss"])
        for name, value in sums.items():
            self._monitored(name, self.monitor_interval).add(self.iteration, value)
        self.iteration += 1

    def _refuse(self, what: str) -> None:
        raise FloatingPointError(
            f"Trainer: the {what} in update {self.iteration} (counted from 0); the parameters are those before it"
        )

    # ---- evaluations and files ---------------------------------------------------------------------------

    def _look(self, since: int, seconds: float) -> None:
        found: dict[str, float] = {}
        if self.evaluate is not None:
            given = self.evaluate()
            named = given if isinstance(given, Mapping) else {"evaluation": given}
            found = {name: float(value) for name, value in named.items()}
            if not found:
                raise ArgumentError("Trainer: evaluate returned no number")
            self.result.evaluations.append((self.iteration, found))
            deciding = next(iter(found.values()))
            if deciding < self.result.best:
                self.result.best, self.result.best_iteration, self._without_gain = deciding, self.iteration, 0
                if self.folder is not None:
                    parameters = parameter.get_parameters(grad_only=False)
                    parameter.save_parameters(str(self.folder / _BEST), parameters)
            else:
                self._without_gain += 1
            for name, value in found.items():
                self._monitored(name, 1).add(self.iteration - 1, value)
        recent = self.result.losses[since:]
        row = {
            "iteration": self.iteration,
            "seconds": round(seconds, 3),
            "loss": sum(recent) / max(len(recent), 1),
            **found,
        }
        self._append_history(row)
        self._save_last()

    def _monitored(self, name: str, interval: int) -> MonitorSeries:
        if name not in self._series:
            if self.folder is not None and self._monitor is None:
                self._monitor = Monitor(self.folder, tensorboard=self.tensorboard)
            kept = self._lines_before(name)
            self._series[name] = series = MonitorSeries(name, self._monitor, interval, verbose=False)
            if series.sp is not None and kept:
                series.flush_at = int(kept[-1].split()[0])
                Path(series.sp).write_text("".join(kept), encoding="utf-8")
        return self._series[name]

    def _lines_before(self, name: str) -> list[str]:
        """What a series holds of the updates before the one at hand: a training that goes on keeps it."""
        if self.folder is None or self.iteration == 0:
            return []
        path = self.folder / f"{name.replace(' ', '-')}.series.txt"
        if not path.exists():
            return []
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        return [line for line in lines if int(line.split()[0]) < self.iteration]

    def _append_history(self, row: Mapping[str, float]) -> None:
        if self.folder is None:
            return
        path = self.folder / _HISTORY
        rows: list[Mapping[str, Any]] = []
        if path.exists():
            with open(path, encoding="utf-8", newline="") as file:
                rows = [each for each in csv.DictReader(file) if int(each["iteration"]) < self.iteration]
        if self.iteration <= self.evaluate_interval:
            rows = []  # A new training in a folder that held another one.
        names = list(dict.fromkeys(name for each in (*rows, row) for name in each))
        with replacing(path, flush=False) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows([*rows, row])

    def _save_last(self) -> None:
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        extra = {
            "without_gain": self._without_gain,
            "best": self.result.best if math.isfinite(self.result.best) else None,
            "best_iteration": self.result.best_iteration,
        }
        path = self.folder / _LAST
        save_checkpoint(path, self.solver, self.iteration, data_iterators=self.data_iterators, extra=extra)
