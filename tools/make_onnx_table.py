"""Write the table of docs/onnx.md: which functions are written as ONNX and which operators are read.

The rules are the source; the oldest operator set of a function is found by trying, with the first of its cases in
tests/operators/cases that the function takes.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "onnx.md"
# Functions that no case calls.
WITHOUT_CASES = {
    "sync_batch_normalization": 6,
    "rand": 6,
    "randn": 6,
    "randint": 6,
    "unique": 11,
    "fft": 6,
    "ifft": 6,
}
BEGIN, END = "<!-- table -->", "<!-- end of table -->"


def oldest_opset(cases: list, network_of) -> int:
    """The oldest operator set that the first case that is taken can be written with."""
    from nnabla.converters.onnx import to_onnx
    from nnabla.converters.onnx.exporter import OLDEST_OPSET, newest_opset
    from nnabla.errors import FormatError

    for case in cases:
        found = network_of(case)
        if found is None:
            continue
        for opset in range(OLDEST_OPSET, newest_opset() + 1):
            try:
                to_onnx(found[0], opset)
            except FormatError:
                continue
            return opset
    raise ValueError(f"{cases[0].function}: no case can be written")


def lines() -> list[str]:
    """The table, a line for each element."""
    from nnabla.graph.operator import registry
    from tests.converters.onnx.exported_cases import WRITTEN, cases, network_of

    by_opset: dict[int, list[str]] = {}
    found = cases()
    for name in sorted(WRITTEN):
        opset = oldest_opset(found[name], network_of) if name in found else WITHOUT_CASES[name]
        by_opset.setdefault(opset, []).append(WRITTEN[name])
    of_nnabla = [cls for cls in registry.values() if cls.declaration.number <= 2000]
    names = {cls.declaration.type_name for cls in of_nnabla}
    missing = sorted(names - set(WRITTEN.values()))
    count = len(names) - len(missing)
    result = [
        f"{count} of NNabla's {len(of_nnabla)} functions are written, most from opset 6 on:",
        "",
        "| from opset | functions |",
        "| --- | --- |",
    ]
    result += [f"| {opset} | {', '.join(sorted(names))} |" for opset, names in sorted(by_opset.items())]
    return [*result, "", f"Not written: {', '.join(missing)}."]


def main() -> None:
    sys.path[:0] = [str(ROOT), str(ROOT / "src")]
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text("\n".join([before + BEGIN, "", *lines(), "", END + after]))


if __name__ == "__main__":
    main()
