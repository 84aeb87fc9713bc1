"""How long a training step takes with many processes: the model of `docs/scaling.md`.

    python benchmarks/scaling_model.py two.json four.json

with files that `communicators.py --json` has written. Prints what the model says of these runs beside what was
measured, and then of many machines.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Link(NamedTuple):
    """What connects a process to its neighbour in the ring.

    Args:
        latency: seconds that a message of no length takes.
        bandwidth: bytes in a second.
    """

    latency: float
    bandwidth: float


class Step(NamedTuple):
    """A training step of one process without any exchange.

    Args:
        before: seconds until backward begins.
        backward: seconds of it.
        after: seconds of the update.
        buckets: what is exchanged: seconds after the beginning of backward at which it is complete, and bytes.
    """

    before: float
    backward: float
    after: float
    buckets: tuple[tuple[float, float], ...]


def ring_seconds(size: float, processes: int, link: Link) -> float:
    """Seconds of the sum of an array over the processes of a ring.

    Each part goes around almost twice: once to be summed, once to be spread.

    Args:
        size: bytes of the array.
        processes: in the ring.
        link: between two of them.
    """
    return 2 * (processes - 1) * (link.latency + size / processes / link.bandwidth)


def fitted(measured: Sequence[tuple[float, float]], processes: int) -> Link:
    """The link with which `ring_seconds` is nearest to what was measured; relative errors count.

    Args:
        measured: bytes and seconds of sums.
        processes: that took part.
    """
    sizes, seconds = np.array(measured, float).T
    hops = 2 * (processes - 1)
    columns = np.stack([np.full_like(sizes, hops), hops * sizes / processes], 1) / seconds[:, None]
    (latency, slope), *_ = np.linalg.lstsq(columns, np.ones_like(sizes), rcond=None)
    return Link(float(latency), float(1 / slope))


def step_seconds(step: Step, processes: int, link: Link, overlapped: bool = True) -> float:
    """Seconds of a step with exchange: one bucket after the other, each when it is complete and the link is free.

    Args:
        step: without exchange.
        processes: that take part.
        link: between two of them.
        overlapped: whether the exchange begins before backward ends.
    """
    free = 0.0 if overlapped else step.backward
    for ready, size in step.buckets:
        free = max(free, ready) + ring_seconds(size, processes, link)
    return step.before + max(step.backward, free) + step.after


def cut(step: Step, size: float) -> Step:
    """The step with its gradients in buckets of another size, which are complete at regular times during backward."""
    total = sum(bucket for _, bucket in step.buckets)
    count = max(1, round(total / size))
    return step._replace(buckets=tuple((step.backward * (i + 1) / count, total / count) for i in range(count)))


def best_bucket(step: Step, processes: int, link: Link) -> tuple[float, float]:
    """The size of buckets, in powers of two, with which the step is shortest, and its seconds."""
    sizes = [float(1 << power) for power in range(16, 30)]
    return min(((size, step_seconds(cut(step, size), processes, link)) for size in sizes), key=lambda each: each[1])


def largest_of(processes: int, spread: float) -> float:
    """By how much the slowest of many is above their mean, in seconds, where times have the deviation `spread`.

    The expected maximum of normal numbers, by Blom's approximation.
    """
    from statistics import NormalDist

    return spread * NormalDist().inv_cdf((processes - 0.375) / (processes + 0.25)) if processes > 1 else 0.0


# Latency and bandwidth that data sheets and users' measurements give, rounded: not measured here.
LINKS = {"10 Gb/s Ethernet, TCP": Link(30e-6, 1.1e9), "100 Gb/s Ethernet, RDMA": Link(4e-6, 11e9)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--faster", type=float, default=1.0, help="how many times as fast the many machines compute")
    options = parser.parse_args()
    runs = [json.loads(path.read_text()) for path in options.files]
    for run in runs:
        n, link = run["processes"], fitted(run["exchange"], run["processes"])
        print(f"\n{n} processes: latency {1e6 * link.latency:.1f} us, bandwidth {1e-6 * link.bandwidth:.0f} MB/s")
        for size, seconds in run["exchange"]:
            print(f"  {size:9.0f} bytes: {1e6 * seconds:9.1f} us, model {1e6 * ring_seconds(size, n, link):9.1f} us")
        if "step" in run:
            step = Step(*run["step"][:3], tuple(map(tuple, run["step"][3])))
            for name, overlapped in (("all_reduce after backward", False), ("overlapped", True)):
                predicted = step_seconds(step, n, link, overlapped)
                print(f"  {name}: {1e3 * run['steps'][name]:.1f} ms, model {1e3 * predicted:.1f} ms")
    run = next(run for run in runs if "step" in run)
    step = Step(*run["step"][:3], tuple(map(tuple, run["step"][3])))
    step = Step(
        *[part / options.faster for part in step[:3]],
        tuple((ready / options.faster, size) for ready, size in step.buckets),
    )
    alone = step.before + step.backward + step.after
    total = sum(size for _, size in step.buckets)
    print(f"\nA step of {1e3 * alone:.0f} ms that exchanges {total / 1e6:.1f} MB:")
    for name, link in LINKS.items():
        for n in (2, 8, 64, 256, 1000):
            size, seconds = best_bucket(step, n, link)
            usual = step_seconds(cut(step, 25 * 2**20), n, link)
            small = step_seconds(cut(step, 2**20), n, link)
            print(
                f"  {name}, {n:4d} processes: buckets of 25 MiB {1e3 * usual:7.1f} ms, of 1 MiB {1e3 * small:7.1f} ms, "
                f"best {size / 2**20:g} MiB {1e3 * seconds:7.1f} ms ({alone / seconds:.0%})"
            )


if __name__ == "__main__":
    main()
