"""The driver's side of the workers: which implementations there are, and talking to their processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent / "src"
NNABLA139_ENVIRONMENT = HERE / ".nnabla139"
# Environment variables that set the number of threads.
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
BEFORE, ONE_THREAD, ALL_THREADS, COMPILED = "before", "ours_one", "ours_all", "ours_compiled"
# What `nn.compile` is measured on: training steps and inference on a graph that is built once.
COMPILED_CASES = frozenset(
    {
        "mlp",
        "lenet",
        "cnn12_static",
        "resnet18",
        "elman_rnn",
        "lstm",
        "transformer",
        "transformer_small",
        "bert",
        "gru",
        "wgan_gp",
        "resnet18_infer_1",
        "resnet18_infer_8",
    }
)


@dataclass(frozen=True)
class Implementation:
    """One column of the table."""

    name: str
    label: str
    worker: str
    """First argument of `worker.py`."""
    python: str = sys.executable
    source: Path | None = None
    """Folder to put on PYTHONPATH."""
    module: str | None = None
    """What the import times import; None leaves the column empty there."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Environment variables, in the place of those that hold for all."""
    default: bool = True
    """Whether it is measured where nobody asks for it."""
    cases: frozenset[str] | None = None
    """Names of those that it is measured on; None for all that it has."""

    def environment(self, threads: int) -> dict[str, str]:
        # Without byte code on disk an import would be timed that compiles, unlike that of an installed package.
        dropped = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
        settings = {key: value for key, value in os.environ.items() if key not in dropped}
        if self.source is not None:
            settings["PYTHONPATH"] = str(self.source)
        settings.update(dict.fromkeys(THREADS, str(threads)))
        # Every implementation computes on the CPU, also where there is a GPU.
        settings.update(CUDA_VISIBLE_DEVICES="", JAX_PLATFORMS="cpu")
        settings.update(self.settings)
        return settings


def implementations(nnabla139: str | None, before: Path | None = None) -> dict[str, Implementation]:
    """All columns by name, this project first.

    Args:
        nnabla139: a Python that has NNabla 1.39; None stands for $NNABLA139_PYTHON, if that is unset for the
            environment that `make_nnabla139_env.py` makes.
        before: a checkout of this project in another state, which becomes one more column.
    """
    made = NNABLA139_ENVIRONMENT / "bin" / "python"
    original = nnabla139 or os.environ.get("NNABLA139_PYTHON") or str(made)
    columns = (
        Implementation("ours", "ours", "nnabla", source=SOURCE, module="nnabla"),
        Implementation("nnabla139", "NNabla 1.39", "nnabla", python=original, module="nnabla"),
        Implementation(
            COMPILED,
            "ours, nn.compile",
            "nnabla",
            source=SOURCE,
            settings={"NNABLA_COMPILE": "1"},
            cases=COMPILED_CASES,
        ),
        Implementation("torch", "PyTorch", "torch", module="torch"),
        Implementation("torch_tuned", "PyTorch, tuned", "torch_tuned"),
        Implementation("torch_compile", "torch.compile", "torch_compile"),
        Implementation("jax", "JAX jit", "jax", module="jax"),
        Implementation("onnxruntime", "ONNX Runtime", "onnxruntime", module="onnxruntime"),
        Implementation(
            ONE_THREAD, "ours, one thread", "nnabla", source=SOURCE, settings=dict.fromkeys(THREADS, "1"), default=False
        ),
        Implementation(
            ALL_THREADS, "ours, all threads", "nnabla", source=SOURCE, settings={"NNABLA_THREADS": "all"}, default=False
        ),
    )
    if before is not None:
        columns += (Implementation(BEFORE, "before", "nnabla", source=before / "src", module="nnabla"),)
    return {column.name: column for column in columns}


class WorkerError(Exception):
    """A worker ended instead of answering; the message is the last line of its standard error."""


class MissingError(Exception):
    """An implementation that cannot be started; the message says what it lacks."""


class Worker:
    """A running worker process. Use as a context manager."""

    def __init__(self, implementation: Implementation, threads: int) -> None:
        self.implementation = implementation
        # Lives as long as the process: close() closes both.
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        try:
            self._process = subprocess.Popen(
                [implementation.python, str(HERE / "worker.py"), implementation.worker, str(threads)],
                env=implementation.environment(threads),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
            )
        except FileNotFoundError as error:
            self._errors.close()
            raise MissingError(f"no {error.filename}") from error
        try:
            greeting = self._answer()
        except WorkerError as error:
            self.close()
            raise MissingError(f"does not start: {error}") from error
        if "missing" in greeting:
            self.close()
            raise MissingError(greeting["missing"])
        source, location = implementation.source, Path(greeting["location"])
        if source is not None and source.resolve() not in location.resolve().parents:
            self.close()
            raise MissingError(f"{location} was imported, which is not in {source}")
        self.version: str = greeting["version"]

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def ask(self, do: str, **arguments: object) -> dict:
        """Send a request, wait for the reply. `WorkerError` if the worker ends instead."""
        try:
            print(json.dumps({"do": do, **arguments}), file=self._process.stdin, flush=True)
        except BrokenPipeError as error:
            raise WorkerError(self._last_words()) from error
        return self._answer()

    def close(self) -> None:
        """End the process, which leaves its loop at the end of its input."""
        if self._errors.closed:
            return
        self._process.communicate()
        self._errors.close()

    def _answer(self) -> dict:
        line = self._process.stdout.readline()
        if not line:
            raise WorkerError(self._last_words())
        return json.loads(line)

    def _last_words(self) -> str:
        status = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return f"{lines[-1] if lines else 'no message'} (exit status {status})"


class Pool:
    """At most one running worker for each implementation, started again after one that ended."""

    def __init__(self, columns: list[Implementation], threads: int) -> None:
        self._columns, self.threads = columns, threads
        self._workers: dict[str, Worker] = {}
        self.missing: dict[str, str] = {}
        for column in columns:
            try:
                self._workers[column.name] = Worker(column, threads)
            except MissingError as error:
                self.missing[column.name] = str(error)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *exception: object) -> None:
        for worker in self._workers.values():
            worker.close()

    @property
    def workers(self) -> dict[str, Worker]:
        """The running workers by name of the implementation, in the order of the columns."""
        return {c.name: self._workers[c.name] for c in self._columns if c.name in self._workers}

    def restart(self, name: str) -> None:
        """Replace a worker that ended; one that does not start again is out for the rest of the run."""
        old = self._workers.pop(name)
        old.close()
        try:
            self._workers[name] = Worker(old.implementation, self.threads)
        except MissingError as error:
            self.missing[name] = str(error)


@contextmanager
def busy_machine(cores: int) -> Iterator[None]:
    """One process on each of the first `cores` cores that does nothing and takes all its time."""
    processes = []
    try:
        for core in range(cores):
            code = "import os\nif hasattr(os, 'sched_setaffinity'):\n"
            code += f"    os.sched_setaffinity(0, [sorted(os.sched_getaffinity(0))[{core}]])\nwhile True: pass"
            processes.append(subprocess.Popen([sys.executable, "-c", code]))
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
