"""Random geometries of every layer type, in single precision against double, under each instruction set of the CPU.

    python tools/sweep --geometries 10000

Processes run under glibc's heap checker and a time limit for each geometry. Prints how many geometries of each layer
type ran under each instruction set, and what failed. Nothing is stored: a geometry follows from its layer type and its
seed, and ``--only convolution:123`` repeats one.
"""

from __future__ import annotations

import argparse
import collections
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

import layers  # noqa: F401
from batches import Item, Outcome, outcomes
from draw import Draw
from instruction_sets import InstructionSet, available, heap_checker
from registry import LAYERS

# Geometries in one process. Its start takes as long as some 100 of them.
BATCH = 500


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sweep", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--geometries", type=int, default=1000, help="number for each instruction set")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="budget for each instruction set")
    parser.add_argument("--sets", default="", help="names of instruction sets, with commas; default: all of the CPU")
    parser.add_argument("--layers", default="", help="names of layer types, with commas; default: all")
    parser.add_argument("--threads", default="1,2", help="numbers of threads, taking turns")
    parser.add_argument("--seed", type=int, default=0, help="of the first geometry")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for a geometry")
    parser.add_argument("--only", help="LAYER:SEED, this geometry and no other")
    parser.add_argument("--module", help="a file with further layer types, which replace the others")
    return parser.parse_args()


def chosen(options: argparse.Namespace) -> list[Item]:
    """The geometries. Each layer type once, then by their shares."""
    if options.only:
        name, _, seed = options.only.partition(":")
        return [Item(name, int(seed))]
    if options.module:
        import runpy

        LAYERS.clear()
        runpy.run_path(options.module)
    names = options.layers.split(",") if options.layers else list(LAYERS)
    shares = [LAYERS[name].share for name in names]
    r = Draw(options.seed)
    found = names + r.choices(names, shares, k=max(0, options.geometries - len(names)))
    return [Item(name, options.seed + i) for i, name in enumerate(found[: options.geometries])]


def swept(items: list[Item], target: InstructionSet, options: argparse.Namespace) -> list[Outcome]:
    """The outcomes under one instruction set, within the budget."""
    threads = [int(count) for count in options.threads.split(",")]
    variables = {**target.variables, **heap_checker()}
    start, found = time.monotonic(), []
    for number, first in enumerate(range(0, len(items), BATCH)):
        count = threads[number % len(threads)]
        for outcome in outcomes(items[first : first + BATCH], variables, count, options.limit, options.module):
            found.append(outcome)
            if outcome.kind != "ok":
                print(
                    f"{target.name}, {count} threads: {outcome.kind} of {outcome.item.layer}:{outcome.item.seed}, "
                    f"{outcome.detail}",
                    flush=True,
                )
        failures = sum(outcome.kind != "ok" for outcome in found)
        print(f"{target.name}: {len(found)} of {len(items)}, {failures} failed", file=sys.stderr, flush=True)
        if time.monotonic() - start > options.seconds:
            break
    return found


def report(found: dict[str, list[Outcome]]) -> int:
    """Print the counts; the number of failures."""
    counts = {
        name: collections.Counter((o.item.layer, o.kind == "ok") for o in outcomes) for name, outcomes in found.items()
    }
    names = sorted({outcome.item.layer for outcomes in found.values() for outcome in outcomes})
    width = max(map(len, names), default=0)
    print(f"{'geometries, of which failed':{width}}", *[f"{name:>12}" for name in found])
    for layer in names:
        cells = [f"{c[layer, True] + c[layer, False]:>6} {c[layer, False] or '-':>5}" for c in counts.values()]
        print(f"{layer:{max(width, 27)}}", *cells)
    failures = sum(outcome.kind != "ok" for outcomes in found.values() for outcome in outcomes)
    total = [f"{len(outcomes)} under {name}" for name, outcomes in found.items()]
    print(f"{', '.join(total)}; {failures} failed; heap checker {'on' if heap_checker() else 'not there'}")
    return failures


def main() -> int:
    options = parsed()
    items = chosen(options)
    wanted = options.sets.split(",") if options.sets else [target.name for target in available()]
    return report({target.name: swept(items, target, options) for target in available() if target.name in wanted}) > 0


if __name__ == "__main__":
    sys.exit(main())
