"""Count what docs/onnx.md says of the ONNX converter, some minutes for each operator set.

    python tools/onnx_figures.py export 11 13 17 21 newest
    python tools/onnx_figures.py import

Cases are those of tests/operators/cases, which onnxruntime computes, and those of single operators in the onnx package.
"""

from __future__ import annotations

import collections
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def exported(opsets: list[str]) -> None:
    """For each operator set, how many operator cases onnxruntime computes as we do."""
    from tests.converters.onnx.exported_cases import EQUAL, EXCUSED, NOT_YET, REFUSED, cases, newest_both, outcome

    found = [case for each in cases().values() for case in each]
    print("| opset | functions | cases | equal | not in the opset | exceptions |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in opsets:
        opset = newest_both() if name == "newest" else int(name)
        results = [(case, outcome(case, opset)) for case in found]
        counts = collections.Counter(result for _, result in results)
        functions = {case.function for case, result in results if result == EQUAL}
        taken = len(found) - counts[REFUSED]
        row = opset, len(functions), taken, counts[EQUAL], counts[NOT_YET], counts[EXCUSED]
        print(f"| {' | '.join(map(str, row))} |", flush=True)
        known = (EQUAL, REFUSED, NOT_YET, EXCUSED)
        print("".join(f"wrong: {case}: {result}\n" for case, result in results if result not in known), end="")


def imported() -> None:
    """How many of the cases of single operators that the onnx package brings are read and computed right."""
    from tests.converters.onnx import backend_cases

    found = backend_cases.cases()
    results = {case.name: backend_cases.attempt(case) for case in found}
    right = sum(result is None for result in results.values())
    read = {name: pair for name, pair in backend_cases.summary(results, found).items() if pair[0]}
    whole, total = (sum(pair[i] for pair in read.values()) for i in (0, 1))
    print(f"{len(read)} operator types, {whole} of {total} of their cases; {right} of all {len(found)} cases")
    listed = json.loads((ROOT / "tests/converters/onnx/node_cases_not_read.json").read_text())
    print("".join(f"{len(entry['cases'])}: {reason}\n" for reason, entry in listed.items()), end="")


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "src")]
    if sys.argv[1:2] == ["import"]:
        imported()
    else:
        exported(sys.argv[2:])
