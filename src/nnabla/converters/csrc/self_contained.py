"""A network as C99 that needs nothing but the C library's mathematics: no runtime, no allocation."""

from __future__ import annotations

import numpy as np

from ...errors import FormatError
from ..nnb.memory_plan import arena, lifetimes
from ..nnb.model import DataType, Model, Variable
from .kernel_instances import C_TYPES, KernelInstances, float_text
from .names import c_name, comment
from .step_calls import CALLS, Statement


class Sources:
    """The C source of a network.

    Args:
        model: the network.

    Attributes:
        name: of the network in C.
        files: texts by file names.
        ram: bytes of the memory that the network works in.
        rom: bytes of its parameters.

    Raises:
        FormatError: it has functions that no kernel is there for.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.name = c_name(model.name)
        missing = sorted({f.type for f in model.functions} - set(CALLS))
        if missing:
            raise FormatError(f"network {model.name!r}: there are no C kernels for {', '.join(missing)}")
        self._places: dict[int, str] = {}
        self._arenas: dict[DataType, tuple[int, dict[int, int]]] = {}
        for type in C_TYPES:
            self._arenas[type] = arena(model, type)
            block = f"memory_{type.name.lower()}"
            self._places |= {v: f"{block} + {at}" if at else block for v, at in self._arenas[type][1].items()}
        self.ram = sum(size * type.bits // 8 for type, (size, _) in self._arenas.items())
        self._statements = [list(CALLS[f.type](model, f)) for f in model.functions]
        read = {v for each in self._statements for s in each for v in s.inputs if v is not None} | set(model.outputs)
        self._parameters = [v for v in sorted(read) if model.variables[v].data is not None]
        self._places |= {v: f"{self.name}_parameter_{v}" for v in self._parameters}
        self.rom = sum(model.variables[v].nbytes for v in self._parameters)
        self.files = {
            f"{self.name}_inference.h": self._header(),
            f"{self.name}_inference.c": self._source(),
            f"{self.name}_parameters.c": self._values(),
            f"{self.name}_example.c": self._example(),
            "GNUmakefile": self._makefile(),
        }

    # ---- memory ------------------------------------------------------------------------------------------

    def plan(self) -> list[str]:
        """The memory plan, a line for each block and variable."""
        lines = [f"working memory {self.ram} bytes, parameters {self.rom} bytes"]
        spans = lifetimes(self.model)
        for type, (size, offsets) in self._arenas.items():
            if size:
                lines.append(f"memory_{type.name.lower()}: {size} x {C_TYPES[type]}")
            for v, at in sorted(offsets.items(), key=lambda entry: (spans[entry[0]][0], entry[1])):
                variable, (first, last) = self.model.variables[v], spans[v]
                lines.append(f"  {at:8} +{variable.size:<8} functions {first} to {last}: {comment(variable.name)}")
        return lines

    # ---- files -------------------------------------------------------------------------------------------

    def _header(self) -> str:
        guard = f"{self.name.upper()}_INFERENCE_H"
        lines = [
            f"/* Network {comment(self.model.name)}: C99, needs the C library's mathematics (-lm).",
            " *",
            *[f" * {line}" for line in self.plan()],
            " *",
            f" * Write the inputs, call {self.name}_run, read the outputs. Both lie in memory that the network works",
            " * in: write all inputs before each run, and read the outputs before the next one.",
            " */",
            f"#ifndef {guard}",
            f"#define {guard}",
            "",
            "#include <stdint.h>",
            "",
        ]
        for what, numbers, const in (("INPUT", self.model.inputs, ""), ("OUTPUT", self.model.outputs, "const ")):
            lines.append(f"#define {self.name.upper()}_{what}S {len(numbers)}")
            for i, v in enumerate(numbers):
                variable = self.model.variables[v]
                shape = " x ".join(map(str, variable.shape)) or "one number"
                bits = f", {variable.fp_pos} fraction bits" if variable.type != DataType.FLOAT else ""
                lines += [
                    "",
                    f"/* {comment(variable.name)}: {shape}{bits} */",
                    f"#define {self.name.upper()}_{what}_{i}_SIZE {variable.size}",
                    f"#define {self.name.upper()}_{what}_{i}_TYPE {C_TYPES[variable.type]}",
                    f"{const}{C_TYPES[variable.type]} *{self.name}_{what.lower()}_{i}(void);",
                ]
            lines.append("")
        return "\n".join([*lines, f"void {self.name}_run(void);", "", f"#endif /* {guard} */", ""])

    def _source(self) -> str:
        kernels = KernelInstances()
        tables: list[str] = []
        run = []
        for number, (f, statements) in enumerate(zip(self.model.functions, self._statements, strict=True)):
            run.append(f"    /* {comment(f.type)} {comment(f.name)} */")
            for statement in statements:
                run.append(f"    {self._statement(kernels, tables, number, statement)}")
        lines = [
            f'#include "{self.name}_inference.h"',
            "",
            "#include <math.h>",
            "#include <stddef.h>",
            "",
            *self._declarations(),
            *[
                f"static {C_TYPES[type]} memory_{type.name.lower()}[{size}];"
                for type, (size, _) in self._arenas.items()
                if size
            ],
            "",
            *tables,
            "",
            *kernels.texts.values(),
        ]
        for what, numbers, const in (("input", self.model.inputs, ""), ("output", self.model.outputs, "const ")):
            for i, v in enumerate(numbers):
                c_type = C_TYPES[self.model.variables[v].type]
                lines += [
                    f"{const}{c_type} *{self.name}_{what}_{i}(void)",
                    "{",
                    f"    return {self._places[v]};",
                    "}",
                    "",
                ]
        return "\n".join([*lines, f"void {self.name}_run(void)", "{", *run, "}", ""])

    def _declarations(self) -> list[str]:
        return [f"extern const {self._declared(v)};" for v in self._parameters]

    def _declared(self, v: int) -> str:
        variable = self.model.variables[v]
        count = variable.nbytes if variable.type == DataType.SIGN else variable.size
        return f"{C_TYPES[variable.type]} {self.name}_parameter_{v}[{count}]"

    def _statement(self, kernels: KernelInstances, tables: list[str], number: int, statement: Statement) -> str:
        arguments = []
        for argument in statement.arguments:
            if isinstance(argument, str):
                arguments.append(argument)
                continue
            values = [int(value) for value in argument] or [0]
            text = f"[{len(values)}] = {{{', '.join(map(str, values))}}};"
            name = next((t.split("[")[0].split()[-1] for t in tables if t.endswith(text)), None)
            if name is None:
                name = f"table_{number}_{len(tables)}"
                tables.append(f"static const int {name}{text}")
            arguments.append(name)
        variables = [None if v is None else self.model.variables[v] for v in statement.inputs]
        pointers = [self._places[v] for v in statement.inputs if v is not None]
        y = statement.output
        return kernels.call(statement.kernel, variables, pointers, self.model.variables[y], self._places[y], arguments)

    def _values(self) -> str:
        lines = [f'#include "{self.name}_inference.h"', "", "#include <math.h>", "", *self._declarations(), ""]
        for v in self._parameters:
            variable = self.model.variables[v]
            lines += [
                f"/* {comment(variable.name)}: {' x '.join(map(str, variable.shape))} */",
                f"const {self._declared(v)} = {{",
                *_rows(variable),
                "};",
                "",
            ]
        return "\n".join(lines)

    def _example(self) -> str:
        given, made = len(self.model.inputs), len(self.model.outputs)
        lines = [
            f"/* Runs the network on raw files: {self.name}_example INPUT... OUTPUT... */",
            f'#include "{self.name}_inference.h"',
            "",
            "#include <stdio.h>",
            "",
            "int main(int argc, char **argv)",
            "{",
            "    FILE *file;",
            f"    if (argc != {1 + given + made}) {{",
            f'        fprintf(stderr, "give {given} files to read and {made} to write\\n");',
            "        return 2;",
            "    }",
        ]
        number = 1
        for i, v in enumerate(self.model.inputs):
            lines += self._transfer("input", i, v, number)
            number += 1
        lines.append(f"    {self.name}_run();")
        for i, v in enumerate(self.model.outputs):
            lines += self._transfer("output", i, v, number)
            number += 1
        return "\n".join([*lines, "    return 0;", "}", ""])

    def _transfer(self, what: str, i: int, v: int, number: int) -> list[str]:
        variable = self.model.variables[v]
        mode, call = ("rb", "fread") if what == "input" else ("wb", "fwrite")
        size = f"sizeof({C_TYPES[variable.type]}), {variable.size}"
        return [
            f'    file = fopen(argv[{number}], "{mode}");',
            f"    if (file == NULL || {call}({self.name}_{what}_{i}(), {size}, file) != {variable.size}"
            + (" || fclose(file) != 0) {" if what == "output" else ") {"),
            f'        fprintf(stderr, "%s: {variable.size} numbers cannot be '
            + ('read\\n", argv[' if what == "input" else 'written\\n", argv[')
            + f"{number}]);",
            "        return 1;",
            "    }",
            *(["    fclose(file);"] if what == "input" else []),
        ]

    def _makefile(self) -> str:
        objects = " ".join([f"{self.name}_{part}.o" for part in ("inference", "parameters", "example")])
        return (
            "CFLAGS ?= -O2\n"
            "override CFLAGS += -std=c99 -Wall -Wextra\n\n"
            f"{self.name}_example: {objects}\n"
            "\t$(CC) $(CFLAGS) -o $@ $^ -lm\n\n"
            f"{objects}: {self.name}_inference.h\n\n"
            ".PHONY: clean\n"
            "clean:\n"
            f"\trm -f {self.name}_example {objects}\n"
        )


def _rows(variable: Variable) -> list[str]:
    """The values of a parameter, some in each line."""
    assert variable.data is not None
    if variable.type == DataType.SIGN:
        texts = [str(byte) for byte in np.packbits(variable.data > 0, bitorder="little")]
    elif variable.type == DataType.FLOAT:
        texts = [float_text(value) for value in variable.data.tolist()]
    else:
        texts = [str(value) for value in variable.data.tolist()]
    count = 16 if variable.type != DataType.FLOAT else 6
    return [f"    {', '.join(texts[i : i + count])}," for i in range(0, len(texts), count)]
