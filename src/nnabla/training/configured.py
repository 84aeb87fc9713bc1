"""Running a training configuration, as ``nnabla_cli train`` does."""

from __future__ import annotations

import argparse
import os
import time
from contextlib import nullcontext
from typing import Any

import numpy as np

from .. import host_hooks, parameter, progress
from ..context import context_scope
from ..errors import ArgumentError, FormatError
from ..logger import ALWAYS, logger
from .feeding import Feed
from .out_of_core import is_on_cpu, lms_scheduler, schedule_scope, size_of
from .random_states import random_states, set_random_states
from .results import ResultFiles, last_results, read_report
from .resuming import read_resume
from .team import Team

SECONDS_BETWEEN_SAVES = 180
EPOCHS_BETWEEN_SAVES = 10
EPOCHS_ALWAYS_MONITORED = 5
JUDGE = "valid_error"
"""The monitor whose smallest value says which results are the best."""
_HOOKS = ("function_pre_hook", "function_post_hook")
_SIZES = {"-m": "ooc_gpu_memory_size", "-w": "ooc_window_length"}


class TimeInfo:
    """Seconds of a training so far and altogether, for hosts.

    Attributes:
        past_time: since the start.
        estimate_time: of all of the training, by what it took so far.
        last_past_time: what the epochs before a resumption took.
    """

    def __init__(self, last_past_time: float = 0.0) -> None:
        self.start = time.monotonic()
        self.last_past_time = last_past_time
        self.past_time = last_past_time
        self.estimate_time = 0.0

    def update(self, share: float) -> None:
        """Note the time; `share` of the training is done."""
        self.past_time = self.last_past_time + time.monotonic() - self.start
        self.estimate_time = self.past_time / share if share > 0 else 0.0


class _Optimizing:
    """One optimizer of a configuration, with its data."""

    def __init__(self, optimizer: Any, team: Team, scheduler: Any) -> None:
        self.optimizer = optimizer
        self._scheduler = scheduler
        for loss in optimizer.loss_variables:
            loss.variable_instance.persistent = True
        self.feed = Feed(optimizer.data_iterators, optimizer.dataset_assign, optimizer.generator_assign, team.part_of)
        self._means = team.means([p.grad for p in optimizer.solver.get_parameters().values()])

    def step(self, iteration: int) -> float | None:
        """Train on a batch; the sum of the losses, or None outside of the iterations that it is for."""
        o = self.optimizer
        # They count iterations from 1.
        if iteration + 1 < o.start_iter or 0 < o.end_iter < iteration + 1:
            return None
        self.feed.next()
        with schedule_scope(self._scheduler) as scheduler:
            return self._step(iteration, {name: getattr(scheduler, name) for name in _HOOKS})

    def _step(self, iteration: int, hooks: dict[str, Any]) -> float:
        o = self.optimizer
        within = iteration % o.update_interval
        o.target.forward(clear_no_need_grad=True, **hooks)
        cost = sum(float(np.mean(loss.variable_instance.d)) for loss in o.loss_variables)
        if within == 0:
            o.solver.zero_grad()
        is_last = within == o.update_interval - 1
        o.target.backward(clear_buffer=True, communicator_callbacks=self._means if is_last else None, **hooks)
        if is_last:
            if o.weight_decay > 0:
                o.solver.weight_decay(o.weight_decay)
            if o.scheduler is not None:
                o.solver.set_learning_rate(o.scheduler.get_learning_rate(iteration))
            o.solver.update()
        return cost


class _Monitoring:
    """One monitor of a configuration, with its data, which it goes through from evaluation to evaluation."""

    def __init__(self, monitor: Any, team: Team) -> None:
        self.monitor = monitor
        self._team = team
        for variable in monitor.monitor_variables:
            variable.variable_instance.persistent = True
        self.feed = Feed(monitor.data_iterators, monitor.dataset_assign, monitor.generator_assign, team.part_of)

    def evaluate(self, name: str) -> float:
        """The mean of the monitored variables over as many whole batches as the data set has, of all processes."""
        batches = max(self.feed.size // self.feed.batch_size, 1)
        total = 0.0
        for i in range(batches):
            self.feed.next()
            self.monitor.target.forward(clear_buffer=True)
            total += sum(float(np.mean(v.variable_instance.d)) for v in self.monitor.monitor_variables)
            if i > 0:
                progress.progress(f'Evaluating "{name}" : error={total / (i + 1):.6f}', self.feed.progress)
        return self._team.mean(total / batches)


class ConfiguredTraining:
    """A training configuration, loaded and ready to run.

    Args:
        config: what `nnabla.utils.load.load` returned.
        args: of ``nnabla_cli train``: ``outdir`` and ``resume``; passed on to hosts.
        config_name: of the member of the results with the configuration.
        config_text: what is in it.
        team: the processes that train together: each on a part of the data, in batches of the size that the
            configuration says. The first one logs and writes files.

    Raises:
        ArgumentError: the configuration does not say how to train.
    """

    def __init__(
        self, config: Any, args: argparse.Namespace, config_name: str, config_text: bytes, team: Team | None = None
    ) -> None:
        if config.training_config is None or not config.optimizers:
            raise ArgumentError("train: the configuration has no training_config or no optimizer")
        self.config = config
        self.args = args
        self.context = config.global_config.default_context if config.global_config else None
        ordered = sorted(config.optimizers.items(), key=lambda item: item[1].order)
        self.files = ResultFiles(
            args.outdir, config_name, config_text, [(name, o.proto.solver.type, o.solver) for name, o in ordered]
        )
        self._team = Team(None) if team is None else team
        with self._team.first_alone():
            self._optimizing = [_Optimizing(optimizer, self._team, self._scheduler()) for _, optimizer in ordered]
            self._monitoring = {name: _Monitoring(m, self._team) for name, m in config.monitors.items()}
        self.max_epoch = config.training_config.max_epoch
        # All processes together go through as many samples as one would.
        self.iterations = -(-config.training_config.iter_per_epoch // self._team.size)
        if self.max_epoch > 0 and self.iterations <= 0:
            feed = self._optimizing[0].feed
            self.iterations = max(feed.size // feed.batch_size, 1)
        self.best_error: float | None = None
        self.best_epoch: int | None = None
        self.report: dict[int, dict[str, float]] = {}
        self.timelimit = host_hooks.get_timelimit(args)
        config.timelimit = self.timelimit
        self._time = TimeInfo()
        self._saved_at = (-float("inf"), -EPOCHS_BETWEEN_SAVES - 1)

    def _scheduler(self) -> Any:
        """What swaps arrays of a GPU, if the options ask for it."""
        sizes = [size_of(option, getattr(self.args, name, None)) for option, name in _SIZES.items()]
        wanted = getattr(self.args, "enable_ooc", False) and not is_on_cpu(self.context)
        return lms_scheduler(self.context, wanted, *sizes)

    # ---- the loop ----------------------------------------------------------------------------------------

    def run(self) -> bool:
        """Train from where the results in the output folder end, or from the start."""
        first = self._resume() if self.args.resume else 1
        self._team.share([p.data for p in parameter.get_parameters(grad_only=False).values()])
        host_hooks.update_status(("epoch.max", self.max_epoch))
        host_hooks.update_status(("epoch.current", first))
        host_hooks.update_status("processing", True, time.time())
        logger.log(ALWAYS, "Training epoch %d of %d begin", first, self.max_epoch)
        epoch = first - 1
        states: list[Any] | None = None
        try:
            with nullcontext() if self.context is None else context_scope(self.context):
                for epoch in range(first, self.max_epoch + 1):
                    states = self._run_epoch(epoch)
                    if not self._goes_on(epoch):
                        break
        finally:
            self.close()
        if epoch == 0:
            self._save_best(epoch)
        elif states is not None:
            self._save_current(epoch, states, forced=True)
        host_hooks.update_status("finished")
        return True

    def close(self) -> None:
        """Close the data sets."""
        for feed in [part.feed for part in self._optimizing] + [part.feed for part in self._monitoring.values()]:
            feed.close()

    def _run_epoch(self, epoch: int) -> list[Any]:
        cost = self._train(epoch)
        line = f"epoch {epoch} of {self.max_epoch} cost={cost:.6f}  "
        values: dict[str, float] = {"cost": cost}
        errors = self._evaluate(epoch) if self._is_monitored(epoch) else {}
        values.update(errors)
        if errors:
            line += "{" + ", ".join(f"{name}={error:.6f}" for name, error in errors.items()) + "} "
        if self._is_monitored(epoch):
            self._judge(epoch, errors.get(JUDGE, 0.0))
        host_hooks.update_status((["monitoring_report", epoch, "cost"], cost))
        self.report[epoch - 1] = values
        if self._team.is_first:
            self.files.write_report(self.report)
        states = self._team.gathered(random_states())
        self._save_current(epoch, states)
        self._time.update(epoch / self.max_epoch)
        logger.log(ALWAYS, "%stime=(%.1fs /%.1fs) ", line, self._time.past_time, self._time.estimate_time)
        host_hooks.update_status(("epoch.current", epoch))
        host_hooks.update_status()
        return states

    def _train(self, epoch: int) -> float:
        """One epoch; the mean over its iterations of the losses of all optimizers."""
        total, counted = 0.0, 0
        for i in range(self.iterations):
            if i > 0:
                progress.progress(f"Training : cost={total / max(counted, 1):.6f}", i / self.iterations)
            costs = [part.step((epoch - 1) * self.iterations + i) for part in self._optimizing]
            active = [cost for cost in costs if cost is not None]
            if active:
                total += sum(active)
                counted += 1
            if not np.isfinite(total):
                logger.warning("The cost is %s in epoch %d, iteration %d.", total, epoch, i + 1)
            self._time.update(((epoch - 1) + (i + 1) / self.iterations) / self.max_epoch)
            host_hooks.update_time_train(self._time.estimate_time)
        return self._team.mean(total / counted if counted else 0.0)

    # ---- monitors ----------------------------------------------------------------------------------------

    def _is_monitored(self, epoch: int) -> bool:
        return epoch % self.config.training_config.monitor_interval == 0 or epoch <= EPOCHS_ALWAYS_MONITORED

    def _evaluate(self, epoch: int) -> dict[str, float]:
        errors = {}
        for name, monitoring in self._monitoring.items():
            errors[name] = error = monitoring.evaluate(name)
            host_hooks.update_status((["monitoring_report", epoch, name], error))
            host_hooks.update_status((["last", name], error))
        return errors

    def _judge(self, epoch: int, error: float) -> None:
        if self.best_error is not None and self.config.training_config.save_best and error > self.best_error:
            return
        self.best_error, self.best_epoch = error, epoch
        host_hooks.update_status((f"best.{JUDGE}", error))
        host_hooks.update_status(("best.epoch", epoch))
        self._save_best(epoch)

    # ---- results -----------------------------------------------------------------------------------------

    def _save_best(self, epoch: int) -> None:
        if not self._team.is_first:
            return
        outdir = self.args.outdir
        base = host_hooks.result_base(os.path.join(outdir, f"results_best_{epoch}"), "best", outdir)
        self.files.save(base or os.path.join(outdir, "results"), None)
        host_hooks.save_train_snapshot()

    def _save_current(self, epoch: int, states: list[Any], forced: bool = False) -> None:
        if not self._team.is_first:
            return
        outdir = self.args.outdir
        usual = os.path.join(outdir, f"results_current_{epoch}")
        base = host_hooks.result_base(usual, "current", outdir) or usual
        now = time.monotonic()
        saved_time, saved_epoch = self._saved_at
        if not forced and now - saved_time <= SECONDS_BETWEEN_SAVES and epoch - saved_epoch <= EPOCHS_BETWEEN_SAVES:
            return
        self._saved_at = (now, epoch)
        resume = {
            "epoch": epoch,
            "random": states,
            "batches": {
                "optimizers": [part.feed.batches for part in self._optimizing],
                "monitors": {name: part.feed.batches for name, part in self._monitoring.items()},
            },
            "best": [self.best_error, self.best_epoch],
            "seconds": self._time.past_time,
        }
        path = self.files.save(base, resume)
        self.files.remove_others(path)
        host_hooks.save_train_snapshot()

    def _goes_on(self, epoch: int) -> bool:
        return not self._team.any(not self._wants_to_go_on(epoch))

    def _wants_to_go_on(self, epoch: int) -> bool:
        if not host_hooks.check_training_time(self.args, self.config, self._time, epoch, self.max_epoch):
            logger.log(ALWAYS, "Training ends after epoch %d: the host says so.", epoch)
            return False
        if 0 < self.timelimit <= self._time.past_time:
            logger.log(ALWAYS, "Training ends after epoch %d: the time limit of %g s.", epoch, self.timelimit)
            return False
        return True

    def _resume(self) -> int:
        """Set states of random numbers, data sets and the best so far; the first epoch to train.

        Parameters and states of solvers were loaded with the configuration.
        """
        last = last_results(self.args.outdir)
        if last is None:
            return 1
        epoch, path = last
        self.report = {number: values for number, values in read_report(self.args.outdir).items() if number < epoch}
        logger.log(ALWAYS, "Load training resume states: %s", path)
        self.best_error, self.best_epoch = host_hooks.get_best_from_status(self.args)
        resume = read_resume(path)
        if resume is None:
            logger.warning("%s says nothing of random numbers and data sets: they start anew.", path)
            errors = [values[JUDGE] for values in self.report.values() if JUDGE in values]
            if self.best_error is None and errors:
                self.best_error = min(errors)
        else:
            self._take(resume, path)
        logger.log(ALWAYS, "Resume from epoch %d", epoch + 1)
        return epoch + 1

    def _take(self, resume: dict[str, Any], path: str) -> None:
        try:
            optimizers, monitors = resume["batches"]["optimizers"], resume["batches"]["monitors"]
            for part, batches in zip(self._optimizing, optimizers, strict=True):
                part.feed.skip(int(batches))
            for name, monitoring in self._monitoring.items():
                monitoring.feed.skip(int(monitors[name]))
            if self.best_error is None:
                self.best_error, self.best_epoch = resume["best"]
            self._time = TimeInfo(float(resume["seconds"]))
            states = resume["random"]
            if isinstance(states, dict):
                states = [states]  # As first results had it.
            if len(states) != self._team.size:
                raise ValueError(f"it is of {len(states)} processes, not of {self._team.size}")
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"train: {path!r} does not fit the configuration: {error}") from None
        set_random_states(states[self._team.rank])
