"""Records what graph converters of the original NNabla make of small networks.

    python -m tests.reference.record_graph_converters

run from the repository's root writes ``graph_converters.json`` (functions and parameters of each converted graph) and
``graph_converters.npz`` (outputs, and the values of new parameters). A conversion that fails there has no record: it
cannot build a Split again, which an LSTM has, its folding fails on affine layers and deconvolutions of other numbers of
inputs and outputs, its pruning on affine layers with several axes of outputs. What its fusing, its folding into the
next layer and its change of layout give is not recorded, since it is not what the original network computes, or cannot
be run on a CPU.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ..rewriting.conversions import CASES, converted, observed
from ..rewriting.networks import NETWORKS
from .record_parametric import FOLDER


def record() -> None:
    facts: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    for case_name, case in CASES.items():
        for name in NETWORKS:
            key = f"{case_name}: {name}"
            try:
                found, values = observed(*converted(case, name))
            except (ValueError, RuntimeError, IndexError) as error:
                print(f"{key}: {type(error).__name__}")
                continue
            facts[key] = found
            new = {k: v for k, v in values.items() if k == "y" or "folded" in k or "pruned" in k or "own-name" in k}
            arrays.update({f"{key}/{k}": v for k, v in new.items()})
    (FOLDER / "graph_converters.json").write_text(
        "{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in facts.items()) + "\n}\n", encoding="utf-8"
    )
    np.savez_compressed(FOLDER / "graph_converters.npz", **arrays)


if __name__ == "__main__":
    record()
