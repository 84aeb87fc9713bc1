"""Kernels for the types that a network needs, each written once."""

from __future__ import annotations

from collections.abc import Sequence

from ...graph.operator import registry
from ..nnb.model import DataType, Variable
from .kernel_texts import ON_BOTH, ON_EACH, OTHERS, KernelText

C_TYPES = {
    DataType.FLOAT: "float",
    DataType.INT16: "int16_t",
    DataType.INT8: "int8_t",
    DataType.SIGN: "uint8_t",
}
_LETTERS = {DataType.FLOAT: "f", DataType.INT16: "s", DataType.INT8: "b", DataType.SIGN: "1"}
_FIXED = (DataType.INT16, DataType.INT8)

_SATURATE = """
/* What does not fit is limited, and what is behind the last bit dropped. */
static {c_type} to_{name}(float v)
{{
    return ({c_type})(v > {high}.0f ? {high} : v > {low}.0f ? (int)v : v <= {low}.0f ? {low} : 0);
}}
"""


def float_text(value: float) -> str:
    """A float constant in C99, exactly."""
    number = float(value)
    if number != number:
        return "NAN"
    if number in (float("inf"), float("-inf")):
        return "INFINITY" if number > 0 else "-INFINITY"
    if number == int(number) and abs(number) < 1e6:
        return f"{int(number)}.0f" if str(number)[0] != "-" or number else "-0.0f"
    return f"{number.hex()}f"


class KernelInstances:
    """Collects the kernels that calls need.

    Attributes:
        texts: C functions by their names, in the order in which they were needed.
    """

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def call(
        self,
        kernel: str,
        inputs: Sequence[Variable | None],
        pointers: Sequence[str],
        output: Variable,
        pointer: str,
        arguments: Sequence[str],
    ) -> str:
        """A statement that runs a kernel.

        Args:
            kernel: its name, a type name or one of `kernel_texts.OTHERS`.
            inputs: variables; ``None`` for one that is not given.
            pointers: C expressions of where the inputs that are given lie.
            output, pointer: the same of the output.
            arguments: C expressions of the other parameters.
        """
        text = _text(kernel)
        given: list[Variable | None] = [*inputs, *[None] * (text.inputs - len(inputs))]
        types = [DataType.FLOAT if x is None else x.type for x in given]
        name = _c_name(kernel, types, output.type)
        if output.type in _FIXED:
            self._saturate(output.type)
        if name not in self.texts:
            self.texts[name] = _function(name, text, types, output.type)
        rest = iter(pointers)
        values = []
        for x in given:
            values.append("NULL" if x is None else next(rest))
            if x is not None and x.type in _FIXED:
                values.append(float_text(2.0**-x.fp_pos))
        values.append(pointer)
        if output.type in _FIXED:
            values.append(float_text(2.0**output.fp_pos))
        return f"{name}({', '.join([*values, *arguments])});"

    def _saturate(self, type: DataType) -> None:
        name = type.name.lower()
        high = 2 ** (type.bits - 1) - 1
        text = _SATURATE.format(c_type=C_TYPES[type], name=name, high=high, low=-high - 1)
        self.texts.setdefault(f"to_{name}", text.lstrip("\n"))


def _text(kernel: str) -> KernelText:
    if kernel in ON_EACH:
        return ON_EACH[kernel]
    if kernel in OTHERS:
        return OTHERS[kernel]
    name, _, end = kernel.partition("_")
    return ON_BOTH[name][f"_{end}" if end else ""]


def _c_name(kernel: str, types: Sequence[DataType], output: DataType) -> str:
    name, _, end = kernel.partition("_")
    word = f"{registry[name].declaration.name}{'_' if end else ''}{end}" if name in registry else kernel
    # The C library has functions of some of these names.
    word = f"nn_{word}"
    letters = "".join([_LETTERS[t] for t in types])
    # Nothing else is the usual case.
    return word if {*types, output} == {DataType.FLOAT} else f"{word}_{letters}_{_LETTERS[output]}"


def _function(name: str, text: KernelText, types: Sequence[DataType], output: DataType) -> str:
    parameters, macros = [], []
    for i, type in enumerate(types):
        parameters.append(f"const {C_TYPES[type]} *x{i}")
        if type in _FIXED:
            parameters.append(f"float scale{i}")
        load = f"x{i}[i]"
        if type in _FIXED:
            load = f"((float)x{i}[i] * scale{i})"
        elif type == DataType.SIGN:
            load = f"(x{i}[(i) / 8] >> (i) % 8 & 1 ? 1.0f : -1.0f)"
        macros.append((f"LD{i}(i)", load))
        macros.append((f"HAS{i}", f"(x{i} != NULL)"))
    parameters.append(f"{C_TYPES[output]} *y")
    store = "(y[i] = (v))"
    if output in _FIXED:
        parameters.append("float y_scale")
        store = f"(y[i] = to_{output.name.lower()}((v) * y_scale))"
    macros.append(("ST(i, v)", store))
    used = [(head, value) for head, value in macros if head.partition("(")[0] in text.body]
    parameters += [p for p in text.parameters.split(", ") if p]
    lines = [f"#define {head} {value}" for head, value in used]
    lines += [f"static void {name}({', '.join(parameters)})", "{" + text.body + "}"]
    lines += [f"#undef {head.partition('(')[0]}" for head, _ in used]
    return "\n".join(lines) + "\n"
