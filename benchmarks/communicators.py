"""What exchanging arrays costs, and a training step of several processes beside PyTorch's DistributedDataParallel.

    torchrun --standalone --nproc-per-node 2 benchmarks/communicators.py

Each process computes on one thread. Times are medians over the rounds of the slowest process; the variants of a step
take turns. What `docs/scaling.md` says comes from here.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as TF
from peers.torch_models import resnet18 as torch_resnet18
from torch.nn.parallel import DistributedDataParallel
from workloads.resnet18 import training_loss

import nnabla as nn
import nnabla.communicators as C
import nnabla.solvers as S
from nnabla.distributed import overlap

# Elements that are sent together: 25 MiB, as DistributedDataParallel has it.
PACK = 25 * (1 << 20) // 4


def slowest(comm: C.Communicator, seconds: float) -> float:
    """The time of the slowest process."""
    mine = nn.NdArray.from_numpy_array(np.array([seconds]))
    everyones = [nn.NdArray((1,)) for _ in range(comm.size)]
    comm.all_gather(mine, everyones)
    return max(float(each.data[0]) for each in everyones)


def measured(comm: C.Communicator, variants: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each variant in each round, in turns, after a round that does not count."""
    times: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds + 1):
        for name, step in variants.items():
            comm.barrier()
            start = time.perf_counter()
            step()
            seconds = slowest(comm, time.perf_counter() - start)
            if number:
                times[name].append(seconds)
    return times


def exchange(comm: C.Communicator, rounds: int) -> list[tuple[int, float]]:
    """Bytes and seconds of `all_reduce` of one array."""
    found = []
    for power in range(2, 27, 3):
        array = nn.NdArray.from_numpy_array(np.ones((1 << power) // 4, np.float32))
        repeats = max(1, min(50, (1 << 22) >> power))

        def sums(array: nn.NdArray = array, repeats: int = repeats) -> None:
            for _ in range(repeats):
                comm.all_reduce(array, inplace=True)
                array.data[0] = 1

        found.append((1 << power, float(np.median(measured(comm, {"": sums}, rounds)[""])) / repeats))
    return found


class Stamps:
    """When sums of gradients are begun, in seconds after the beginning of backward, and of how many bytes they are."""

    def __init__(self) -> None:
        self.begin = 0.0
        self.buckets: list[tuple[float, int]] = []
        self._start = overlap.start_sum
        overlap.start_sum = self.start

    def start(self, flat: torch.Tensor, group: object) -> object:
        self.buckets.append((time.perf_counter() - self.begin, flat.nbytes))
        return self._start(flat, group)

    def reset(self) -> None:
        self.buckets = []
        self.begin = time.perf_counter()


def steps(
    comm: C.Communicator, batch: int, size: int, rounds: int, with_peer: bool
) -> tuple[dict[str, list[float]], list]:
    """Seconds of each way to do a training step of ResNet-18, and the parts of one without exchange.

    The parts are the seconds before, in and after backward, and the buckets, as `scaling_model.Step` has them.
    """
    rng = np.random.RandomState(comm.rank)
    image = rng.rand(batch, 3, size, size).astype(np.float32)
    label = rng.randint(0, 1000, (batch, 1))
    x, t = nn.Variable(image.shape), nn.Variable(label.shape)
    loss = training_loss(x, t)
    solver = S.Momentum(1e-3, 0.9)
    solver.set_parameters(nn.get_parameters())
    gradients = [p.grad for p in nn.get_parameters().values()]
    overlapped = comm.all_reduce_callback(gradients, PACK, division=True)
    stamps = Stamps()
    parts: list[tuple[float, float, float]] = []
    buckets: list[tuple[float, int]] = []

    def ours(callback: object, after: Callable[[], None]) -> tuple[float, float, float]:
        start = time.perf_counter()
        x.d, t.d = image, label
        loss.forward(clear_no_need_grad=True)
        solver.zero_grad()
        stamps.reset()
        loss.backward(clear_buffer=True, communicator_callbacks=callback)
        end = time.perf_counter()
        after()
        solver.update()
        return stamps.begin - start, end - stamps.begin, time.perf_counter() - end

    def with_overlap() -> None:
        ours(overlapped, lambda: None)
        buckets[:] = stamps.buckets

    variants: dict[str, Callable[[], object]] = {
        "overlapped": with_overlap,
        "all_reduce after backward": lambda: ours(None, lambda: comm.all_reduce(gradients, division=True)),
        "no exchange": lambda: parts.append(ours(None, lambda: None)),
    }
    if with_peer:
        torch_image, torch_label = torch.from_numpy(image), torch.from_numpy(label).view(-1)
        for name, more in (("", {}), (", statistics not broadcast", {"broadcast_buffers": False})):
            model = DistributedDataParallel(torch_resnet18(), **more)
            optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)

            def theirs(model: torch.nn.Module = model, optimizer: torch.optim.Optimizer = optimizer) -> None:
                optimizer.zero_grad()
                TF.cross_entropy(model(torch_image), torch_label).backward()
                optimizer.step()

            variants[f"DistributedDataParallel{name}"] = theirs
    found = measured(comm, variants, rounds)
    before, backward, after = np.median(parts[1:], 0).tolist()
    return found, [before, backward, after, [(min(ready, backward), size) for ready, size in buckets]]


def connections(comm: C.Communicator) -> list[int]:
    """Open sockets of this process: with one group, and with one more of the same processes."""
    counts = []
    for name in ("", "another"):
        if name:
            comm.new_group((name, list(range(comm.size))))
            comm.all_reduce(nn.NdArray((1,)), group=name)
        paths = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
        counts.append(sum("socket" in os.readlink(path) for path in paths if os.path.islink(path)))
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch", type=int, default=8, help="images of each process")
    parser.add_argument("--size", type=int, default=224, help="of an image")
    parser.add_argument("--only", choices=["exchange", "step"])
    parser.add_argument("--no-peer", action="store_true", help="without DistributedDataParallel")
    parser.add_argument("--json", type=Path, help="write what was found")
    options = parser.parse_args()
    torch.set_num_threads(1)
    comm = C.MultiProcessCommunicator(nn.get_current_context())
    comm.init()
    lines = []
    found: dict[str, object] = {"processes": comm.size, "sockets": connections(comm)}
    if options.only != "step":
        found["exchange"] = sums = exchange(comm, options.rounds)
        lines += [f"all_reduce of {size} bytes: {1e6 * t:.1f} us" for size, t in sums]
    if options.only != "exchange":
        times, step = steps(comm, options.batch, options.size, options.rounds, not options.no_peer)
        found["steps"] = {name: float(np.median(each)) for name, each in times.items()}
        found["step"] = step
        for name, each in times.items():
            ratio = np.median(np.array(times["overlapped"]) / each)
            lines.append(
                f"step, {name}: {1e3 * np.median(each):.1f} ms ({1e3 * min(each):.1f} to {1e3 * max(each):.1f}); "
                f"overlapped / this {ratio:.3f}"
            )
        *parts, buckets = step
        lines.append("before, in and after backward: " + ", ".join(f"{1e3 * part:.1f} ms" for part in parts))
        lines += [f"bucket of {size} bytes begun after {1e3 * ready:.1f} ms" for ready, size in buckets]
    if comm.rank == 0:
        lines.append(f"sockets of a process: {found['sockets']}")
        print(f"{comm.size} processes, medians of {options.rounds}", *lines, sep="\n")
        if options.json is not None:
            options.json.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
