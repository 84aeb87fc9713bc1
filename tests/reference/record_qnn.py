"""Records what quantization-aware training of the original NNabla makes of small networks.

    python -m tests.reference.record_qnn

run from the repository's root writes ``qnn.json`` (functions of each graph while it records and while it is trained)
and ``qnn.npz`` (outputs, scales). What fails there has no record, see `record_graph_converters`.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ..rewriting.networks import NETWORKS
from ..rewriting.quantizations import CONFIGURATIONS, stages
from .record_parametric import FOLDER


def record() -> None:
    facts: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    for configuration in CONFIGURATIONS:
        for name in NETWORKS:
            key = f"{configuration}: {name}"
            try:
                found, values = stages(configuration, name)
            except (ValueError, RuntimeError, IndexError) as error:
                print(f"{key}: {type(error).__name__}")
                continue
            facts[key] = found
            arrays.update({f"{key}/{k}": v for k, v in values.items() if k.endswith("/y") or "/scale-" in k})
    (FOLDER / "qnn.json").write_text(
        "{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in facts.items()) + "\n}\n", encoding="utf-8"
    )
    np.savez_compressed(FOLDER / "qnn.npz", **arrays)


if __name__ == "__main__":
    record()
