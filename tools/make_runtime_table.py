"""Write the table of docs/nnb.md: which functions are written for which target. The rules are the source."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "nnb.md"
BEGIN, END = "<!-- table -->", "<!-- end of table -->"


def lines() -> list[str]:
    """The table, a line for each element."""
    from nnabla.converters.csrc.step_calls import CALLS
    from nnabla.converters.nnb.kernels import KERNELS
    from nnabla.converters.nnb.rules import RULES
    from nnabla.converters.onnx.export_rules import RULES as ONNX_RULES
    from nnabla.converters.tflite.exporter import OWN_RULES
    from nnabla.converters.tflite.exporter import RULES as TFLITE_RULES
    from nnabla.graph.operator import registry

    own = {cls.declaration.type_name for cls in registry.values() if cls.declaration.number <= 2000}
    runtime, onnx = set(RULES) & own, set(ONNX_RULES) & own
    in_c = {name for name in runtime if name not in KERNELS or name in CALLS}
    in_tflite = {name for name in runtime if name not in KERNELS or name in TFLITE_RULES} | (set(OWN_RULES) & own)
    mark = {True: "yes", False: "-"}
    own_kernels = len(runtime & set(KERNELS))
    result = [
        f"Of NNabla's {len(own)} functions {len(onnx)} are written as ONNX, {len(runtime)} as NNB ({own_kernels} are "
        f"the runtime's own, the others composed of them), {len(in_c)} as self-contained C, and {len(in_tflite)} as "
        "TFLite:",
        "",
        "| function | ONNX | NNB | self-contained C | TFLite |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in sorted(onnx | runtime | in_tflite):
        kind = "-" if name not in runtime else "yes" if name in KERNELS else "composed"
        result.append(f"| {name} | {mark[name in onnx]} | {kind} | {mark[name in in_c]} | {mark[name in in_tflite]} |")
    return [*result, "", f"In none of them: {', '.join(sorted(own - onnx - runtime - in_tflite))}."]


def main() -> None:
    sys.path[:0] = [str(ROOT / "src")]
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text("\n".join([before + BEGIN, "", *lines(), "", END + after]))


if __name__ == "__main__":
    main()
