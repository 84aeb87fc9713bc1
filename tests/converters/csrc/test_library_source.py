"""C source against the runtime's function library: gcc takes it with declarations of the library's interface, and it
computes what we compute with a library of two functions."""

from __future__ import annotations

import re
import subprocess

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.converters.csrc.library_source import LibrarySources
from nnabla.converters.nnb import to_nnb
from nnabla.converters.nnb.settings import Settings, stored_type
from nnabla.errors import FormatError

from .compiled import GCC

pytestmark = pytest.mark.skipif(GCC is None, reason="there is no C compiler")

# The part of the library's interface that such sources need, by NNabla 1.39's own; and its functions for the test.
LIBRARY = """
#ifndef FUNCTIONS_H
#define FUNCTIONS_H
#include <stddef.h>
#include <stdint.h>
enum { NN_DATA_TYPE_FLOAT, NN_ERROR_CODE_NOERROR = 0 };
typedef struct { int size; int *data; } rt_list_t;
typedef struct { int type; rt_list_t shape; void *data; } rt_variable_t;
typedef struct {
    int num_of_inputs; rt_variable_t **inputs; int num_of_outputs; rt_variable_t **outputs; void *local_context;
} rt_function_t;
typedef struct { int32_t base_axis; } affine_local_context_t;
typedef struct { uint8_t inplace; } relu_local_context_t;
extern void *(*rt_malloc_func)(size_t size);
int allocate_affine_local_context(rt_function_t *f);
int free_affine_local_context(rt_function_t *f);
int exec_affine(rt_function_t *f);
int allocate_relu_local_context(rt_function_t *f);
int free_relu_local_context(rt_function_t *f);
int exec_relu(rt_function_t *f);
#endif
"""
KERNELS = """
#include <nnablart/functions.h>
static int size(rt_variable_t *v) {
    int n = 1;
    for (int i = 0; i < v->shape.size; ++i) { n *= v->shape.data[i]; }
    return n;
}
int allocate_affine_local_context(rt_function_t *f) { return f->local_context == NULL; }
int free_affine_local_context(rt_function_t *f) { return f->local_context == NULL; }
int exec_affine(rt_function_t *f) {
    const float *x = f->inputs[0]->data, *w = f->inputs[1]->data, *b = f->inputs[2]->data;
    float *y = f->outputs[0]->data;
    int rows = 1;
    for (int i = 0; i < ((affine_local_context_t *)f->local_context)->base_axis; ++i) {
        rows *= f->inputs[0]->shape.data[i];
    }
    int in = size(f->inputs[0]) / rows, out = size(f->outputs[0]) / rows;
    for (int r = 0; r < rows; ++r) {
        for (int o = 0; o < out; ++o) {
            y[r * out + o] = b[o];
            for (int i = 0; i < in; ++i) { y[r * out + o] += x[r * in + i] * w[o * in + i]; }
        }
    }
    return 0;
}
int allocate_relu_local_context(rt_function_t *f) { return f->local_context == NULL; }
int free_relu_local_context(rt_function_t *f) { return f->local_context == NULL; }
int exec_relu(rt_function_t *f) {
    for (int i = 0; i < size(f->outputs[0]); ++i) {
        float v = ((float *)f->inputs[0]->data)[i];
        ((float *)f->outputs[0]->data)[i] = v > 0 ? v : 0;
    }
    return 0;
}
"""


@pytest.fixture
def network():
    nn.clear_parameters()
    x = nn.Variable((2, 5))
    y = PF.affine(F.relu(PF.affine(x, 7, name="a")), 3, name="b")
    x.d = np.random.RandomState(0).randn(2, 5)
    y.forward()
    yield nn.graph_def.create_graph_from_variable("Main", y, names={"x": x, "y": y})["Main"], x.d.copy(), y.d.copy()
    nn.clear_parameters()


def test_it_compiles_and_computes(tmp_path, network):
    described, x, y = network
    sources = LibrarySources(to_nnb(described))
    (tmp_path / "nnablart").mkdir()
    (tmp_path / "nnablart" / "functions.h").write_text(LIBRARY)
    (tmp_path / "library.c").write_text(KERNELS)
    for name, text in sources.files.items():
        (tmp_path / name).write_text(text)
    files = [name for name in sources.files if name.endswith(".c")]
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-g", "-fsanitize=address,undefined"]
    command = [GCC, *flags, "-I", ".", "-o", "example", *files, "library.c", "-lm"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    x.astype(np.float32).tofile(tmp_path / "x.bin")
    subprocess.run(["./example", "x.bin", "y"], cwd=tmp_path, check=True, timeout=20)
    np.testing.assert_allclose(np.fromfile(tmp_path / "y_0.bin", np.float32).reshape(2, 3), y, rtol=1e-5, atol=1e-6)


def test_the_interface_is_that_of_nnabla(network):
    """Files, functions and sizes that NNabla 1.39 gives the sources of a network of this name."""
    sources = LibrarySources(to_nnb(network[0]))
    parts = ("inference.h", "inference.c", "parameters.h", "parameters.c", "example.c")
    assert set(sources.files) == {*[f"Main_{part}" for part in parts], "GNUmakefile"}
    header = sources.files["Main_inference.h"]
    assert re.findall(r"nnablart_main_(\w+)\(", header) == [
        *("allocate_context", "free_context", "inference", "input_buffer", "output_buffer", "param_buffer")
    ]
    assert "#define NNABLART_MAIN_NUM_OF_PARAM_BUFFERS (4)" in header
    assert "#define NNABLART_MAIN_INPUT0_SIZE (10)" in header and "#define NNABLART_MAIN_OUTPUT0_SIZE (6)" in header


def test_other_types_are_refused(network):
    model = to_nnb(network[0], settings=Settings(stored_type("FIXED16_8", "type")))
    with pytest.raises(FormatError, match="has float32 only, not as .*; --self-contained has the other types, too"):
        LibrarySources(model)
