"""A network as C source that calls the function library of the C runtime, with NNabla 1.39's interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import FormatError
from ...graph.operator import registry
from ..nnb.model import DataType, Function, Model
from ..nnb.records import fields
from ..nnb.typed_models import number_of
from .kernel_instances import float_text
from .names import c_name, comment


class LibrarySources:
    """The C source of a network against ``nnablart/functions.h``.

    Args:
        model: the network; all its variables must be float32.

    Attributes:
        name: of the network in C.
        files: texts by file names.

    Raises:
        FormatError: a variable has another type, which the interface of the sources has no place for.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.name = c_name(model.name)
        self.prefix = f"nnablart_{self.name.lower()}"
        others = [v.name for v in model.variables if v.type != DataType.FLOAT]
        if others:
            raise FormatError(
                f"network {model.name!r}: C source against the runtime's library has float32 only, not as "
                f"{others[0]!r}; --self-contained has the other types, too"
            )
        self.parameters = [v for v, variable in enumerate(model.variables) if variable.data is not None]
        self.files = {
            f"{self.name}_inference.h": self._header(),
            f"{self.name}_inference.c": self._source(),
            f"{self.name}_parameters.h": self._parameters_header(),
            f"{self.name}_parameters.c": self._parameters(),
            f"{self.name}_example.c": self._example(),
            "GNUmakefile": self._makefile(),
        }

    def plan(self) -> list[str]:
        """The work buffers, in a line."""
        sizes = self.model.buffer_bytes
        return [f"{len(sizes)} work buffers, {sum(sizes)} bytes, and what the library allocates"]

    # ---- files -------------------------------------------------------------------------------------------

    def _header(self) -> str:
        up = self.prefix.upper()
        lines = [
            f"/* Network {comment(self.model.name)}, to be linked with the function library of the C runtime. */",
            f"#ifndef {up}_H",
            f"#define {up}_H",
            "",
            f"/* NULL where memory is short. params: {self.name}_parameters, or NULL for parameters of your own. */",
            f"void *{self.prefix}_allocate_context(void **params);",
            f"int {self.prefix}_free_context(void *context);",
            f"int {self.prefix}_inference(void *context);",
        ]
        for what, numbers in self._groups():
            lines += ["", f"#define {up}_NUM_OF_{what}_BUFFERS ({len(numbers)})"]
            for i, v in enumerate(numbers):
                variable = self.model.variables[v]
                size = _count(self.model, v)
                lines.append(f"#define {up}_{what}{i}_SIZE ({size}) /* {comment(variable.name)} */")
            lines.append(f"float *{self.prefix}_{what.lower()}_buffer(void *context, int index);")
        return "\n".join([*lines, "", "#endif", ""])

    def _groups(self) -> list[tuple[str, Sequence[int]]]:
        return [("INPUT", self.model.inputs), ("OUTPUT", self.model.outputs), ("PARAM", self.parameters)]

    def _source(self) -> str:
        model = self.model
        members, setup, run, release = [], [], [], []
        for v, variable in enumerate(model.variables):
            members.append(f"    rt_variable_t v{v}; /* {comment(variable.name)} */")
            members.append(f"    int v{v}_shape[{max(len(variable.shape), 1)}];")
            setup += [
                f"    c->v{v}.type = NN_DATA_TYPE_FLOAT;",
                f"    c->v{v}.shape.size = {len(variable.shape)};",
                f"    c->v{v}.shape.data = c->v{v}_shape;",
                *[f"    c->v{v}_shape[{axis}] = {d};" for axis, d in enumerate(variable.shape)],
            ]
            if variable.data is None:
                setup.append(f"    c->v{v}.data = c->buffers[{variable.buffer}];")
        for number, f in enumerate(model.functions):
            inner, lines = self._function(number, f)
            members += inner
            setup += lines
            name = registry[f.type].declaration.name
            run.append(f"    exec_{name}(&c->f{number});")
            release += [f"    free_{name}_local_context(&c->f{number});"]
        count = len(self.parameters)
        sizes = [_count(model, v) for v in self.parameters]
        lines = [
            f'#include "{self.name}_inference.h"',
            "",
            "#include <stdlib.h>",
            "#include <string.h>",
            "",
            "#include <nnablart/functions.h>",
            "",
            "/* What the library allocates with. */",
            "void *(*rt_variable_malloc_func)(size_t size) = malloc;",
            "void (*rt_variable_free_func)(void *ptr) = free;",
            "void *(*rt_malloc_func)(size_t size) = malloc;",
            "void (*rt_free_func)(void *ptr) = free;",
            "",
            _sizes("static const size_t buffer_sizes", model.buffer_bytes),
            _sizes("static const size_t parameter_sizes", sizes),
            "",
            "typedef struct {",
            f"    void *buffers[{max(len(model.buffers), 1)}];",
            f"    void *parameters[{max(count, 1)}];",
            "    int own_parameters;",
            *members,
            "} context_t;",
            "",
            f"void *{self.prefix}_allocate_context(void **params)",
            "{",
            "    context_t *c = calloc(1, sizeof(context_t));",
            "    if (c == NULL) {",
            "        return NULL;",
            "    }",
            "    c->own_parameters = params == NULL;",
            f"    for (int i = 0; i < {len(model.buffers)}; ++i) {{",
            "        c->buffers[i] = calloc(1, buffer_sizes[i]);",
            "    }",
            f"    for (int i = 0; i < {count}; ++i) {{",
            "        c->parameters[i] = params ? params[i] : calloc(parameter_sizes[i], sizeof(float));",
            "    }",
            *setup,
            *[f"    c->v{v}.data = c->parameters[{i}];" for i, v in enumerate(self.parameters)],
            *self._allocations(),
            "    return c;",
            "}",
            "",
            f"int {self.prefix}_free_context(void *context)",
            "{",
            "    context_t *c = context;",
            *release,
            *[
                f"    free(c->f{number}.local_context);"
                for number, f in enumerate(model.functions)
                if registry[f.type].declaration.arguments
            ],
            f"    for (int i = 0; i < {len(model.buffers)}; ++i) {{",
            "        free(c->buffers[i]);",
            "    }",
            f"    for (int i = 0; c->own_parameters && i < {count}; ++i) {{",
            "        free(c->parameters[i]);",
            "    }",
            "    free(c);",
            "    return NN_ERROR_CODE_NOERROR;",
            "}",
            "",
            f"int {self.prefix}_inference(void *context)",
            "{",
            "    context_t *c = context;",
            *run,
            "    return NN_ERROR_CODE_NOERROR;",
            "}",
        ]
        for what, numbers in self._groups():
            lines += [
                "",
                f"float *{self.prefix}_{what.lower()}_buffer(void *context, int index)",
                "{",
                "    context_t *c = context;",
                "    switch (index) {",
                *[f"    case {i}: return c->v{v}.data;" for i, v in enumerate(numbers)],
                "    default: return c == NULL ? NULL : 0;",
                "    }",
                "}",
            ]
        return "\n".join([*lines, ""])

    def _function(self, number: int, f: Function) -> tuple[list[str], list[str]]:
        """Members of the context, and statements that fill them."""
        at, name = f"c->f{number}", registry[f.type].declaration.name
        members = [
            f"    rt_function_t f{number}; /* {f.type} */",
            f"    rt_variable_t *f{number}_inputs[{max(len(f.inputs), 1)}];",
            f"    rt_variable_t *f{number}_outputs[{len(f.outputs)}];",
        ]
        lines = [
            *[f"    {at}_inputs[{i}] = &c->v{v};" for i, v in enumerate(f.inputs)],
            *[f"    {at}_outputs[{i}] = &c->v{v};" for i, v in enumerate(f.outputs)],
            f"    {at}.num_of_inputs = {len(f.inputs)};",
            f"    {at}.inputs = {at}_inputs;",
            f"    {at}.num_of_outputs = {len(f.outputs)};",
            f"    {at}.outputs = {at}_outputs;",
        ]
        if registry[f.type].declaration.arguments:
            lines += [
                "    {",
                f"        {name}_local_context_t *a = calloc(1, sizeof({name}_local_context_t));",
                f"        {at}.local_context = a;",
            ]
            for field in fields(f.type, number_of(f)):
                word, value = field.argument.name, f.arguments.get(field.argument.name)
                if field.type == "iI":
                    values = list(value or [])
                    members.append(f"    int f{number}_{word}[{max(len(values), 1)}];")
                    lines += [f"        {at}_{word}[{i}] = {each};" for i, each in enumerate(values)]
                    lines += [f"        a->{word}.size = {len(values)};", f"        a->{word}.data = {at}_{word};"]
                else:
                    lines.append(f"        a->{word} = {_argument(field.argument, field.type, value)};")
            lines.append("    }")
        return members, lines

    def _allocations(self) -> list[str]:
        return [
            f"    allocate_{registry[f.type].declaration.name}_local_context(&c->f{number});"
            for number, f in enumerate(self.model.functions)
        ]

    def _parameters_header(self) -> str:
        guard = f"{self.name.upper()}_PARAMETERS_H"
        count = max(len(self.parameters), 1)
        return "\n".join(
            [
                f"#ifndef {guard}",
                f"#define {guard}",
                "",
                f"extern void *{self.name}_parameters[{count}];",
                "",
                "#endif",
                "",
            ]
        )

    def _parameters(self) -> str:
        lines = [f'#include "{self.name}_parameters.h"', "", "#include <math.h>", "#include <stddef.h>", ""]
        for v in self.parameters:
            variable = self.model.variables[v]
            assert variable.data is not None
            texts = [float_text(value) for value in variable.data.tolist()]
            lines += [
                f"/* {comment(variable.name)}: {' x '.join(map(str, variable.shape))} */",
                f"static float {self.name}_parameter{v}[{len(texts)}] = {{",
                *[f"    {', '.join(texts[i : i + 6])}," for i in range(0, len(texts), 6)],
                "};",
                "",
            ]
        names = [f"    {self.name}_parameter{v}," for v in self.parameters] or ["    NULL,"]
        return "\n".join([*lines, f"void *{self.name}_parameters[{len(names)}] = {{", *names, "};", ""])

    def _example(self) -> str:
        p, given, made = self.prefix, len(self.model.inputs), len(self.model.outputs)
        lines = [
            f"/* Runs the network on raw files: {self.name}_example INPUT... PREFIX writes PREFIX_0.bin, ... */",
            "#include <stdio.h>",
            "",
            f'#include "{self.name}_inference.h"',
            f'#include "{self.name}_parameters.h"',
            "",
            "int main(int argc, char **argv)",
            "{",
            _sizes("    static const size_t inputs", [_count(self.model, v) for v in self.model.inputs]),
            _sizes("    static const size_t outputs", [_count(self.model, v) for v in self.model.outputs]),
            f"    if (argc != {given + 2}) {{",
            f'        fprintf(stderr, "give {given} files to read and the beginning of the names to write\\n");',
            "        return 2;",
            "    }",
            f"    void *context = {p}_allocate_context({self.name}_parameters);",
            f"    for (int i = 0; i < {given}; ++i) {{",
            '        FILE *file = fopen(argv[1 + i], "rb");',
            f"        float *memory = {p}_input_buffer(context, i);",
            "        if (file == NULL || fread(memory, sizeof(float), inputs[i], file) != inputs[i]) {",
            '            fprintf(stderr, "%s cannot be read\\n", argv[1 + i]);',
            "            return 1;",
            "        }",
            "        fclose(file);",
            "    }",
            f"    {p}_inference(context);",
            f"    for (int i = 0; i < {made}; ++i) {{",
            "        char name[4096];",
            f'        snprintf(name, sizeof(name), "%s_%d.bin", argv[{given + 1}], i);',
            '        FILE *file = fopen(name, "wb");',
            f"        float *memory = {p}_output_buffer(context, i);",
            "        size_t count = file == NULL ? 0 : fwrite(memory, sizeof(float), outputs[i], file);",
            "        if (count != outputs[i] || fclose(file)) {",
            '            fprintf(stderr, "%s cannot be written\\n", name);',
            "            return 1;",
            "        }",
            "    }",
            f"    {p}_free_context(context);",
            "    return 0;",
            "}",
            "",
        ]
        return "\n".join(lines)

    def _makefile(self) -> str:
        sources = " ".join([f"{self.name}_{part}.c" for part in ("example", "inference", "parameters")])
        return (
            f"{self.name}_example: {sources}\n"
            "\t$(CC) -std=c99 -Wall $(CFLAGS) -o $@ $^ $(LDFLAGS) -lnnablart_functions -lm\n"
        )


def _sizes(declaration: str, values: Sequence[int]) -> str:
    return f"{declaration}[{max(len(values), 1)}] = {{{', '.join(map(str, values)) or 0}}};"


def _count(model: Model, v: int) -> int:
    """How many numbers of a variable are there: of a few parameters only the first."""
    variable = model.variables[v]
    return variable.size if variable.data is None else len(variable.data)


def _argument(argument: Any, letter: str, value: Any) -> str:
    if letter == "f":
        return float_text(float(value))
    if letter == "B":
        return str(int(bool(value)))
    if argument.stored == "string":
        return str(argument.choices.index(value))
    return str(int(value))
