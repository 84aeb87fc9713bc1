"""Records which inputs and outputs the gradients of the original NNabla read, and so keep under `clear_no_need_grad`.

    PYTHONPATH=tests python tests/reference/record_gradient_reads.py

writes ``gradient_reads.json``: for each type of function in the operator tables what the gradient reads in all cases,
``"x1"`` for the second input, ``"y0"`` for the first output. See the README beside this file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from operators.case import Case
from operators.cases import TABLES
from operators.observe import REFUSALS, call, variables

PATH = Path(__file__).with_name("gradient_reads.json")


def main() -> None:
    """Runs on the original."""
    found: dict[str, set[str]] = {}
    for cases in TABLES.values():
        for case in cases:
            for function in functions_of(case):
                reads = reads_of(function)
                name = function.info.type_name
                found[name] = found.get(name, reads) & reads
    lines = [f"{json.dumps(name)}: {json.dumps(sorted(found[name]))}" for name in sorted(found)]
    PATH.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{len(found)} types of functions")


def functions_of(case: Case) -> list[Any]:
    """The functions of a case's graph; none where the original refuses it."""
    functions: list[Any] = []
    if not case.beyond:
        try:
            call(case, variables(case, case.arrays()))[0].visit(functions.append)
        except (*REFUSALS, AssertionError):
            return []
    return functions


def reads_of(function: Any) -> set[str]:
    """What the gradient of any input reads."""
    inputs, outputs = range(len(function.inputs)), range(len(function.outputs))
    return {f"x{j}" for j in inputs for i in inputs if function.grad_depends_input_data(i, j)} | {
        f"y{j}" for j in outputs for i in inputs if function.grad_depends_output_data(i, j)
    }


if __name__ == "__main__":
    main()
