"""Kernels in C99 for self-contained sources, as texts.

``LD0(i)`` loads element i of the first input as a float, ``ST(i, v)`` stores a float; what they are follows from the
types of the variables, see `kernel_instances`. An input that a function may lack is ``NULL``, which ``HAS0`` tells.
"""

from __future__ import annotations

from typing import NamedTuple


class KernelText(NamedTuple):
    """A kernel.

    Attributes:
        inputs: how many.
        parameters: C declarations of the others, after inputs and output.
        body: statements.
    """

    inputs: int
    parameters: str
    body: str


def _each(expression: str, parameters: str = "") -> KernelText:
    body = f"""
    for (int i = 0; i < n; ++i) {{
        const float v = LD0(i);
        ST(i, {expression});
    }}
"""
    return KernelText(1, f"int n{parameters}", body)


def _both(expression: str) -> dict[str, KernelText]:
    """The kernel for two arrays of one shape, and that for shapes that are broadcast."""
    plain = f"""
    for (int i = 0; i < n; ++i) {{
        const float a = LD0(i), b = LD1(i);
        ST(i, {expression});
    }}
"""
    spread = f"""
    for (int i = 0; i < n; ++i) {{
        int rest = i, at0 = 0, at1 = 0;
        for (int d = axes - 1; d >= 0; --d) {{
            const int c = rest % shape[d];
            rest /= shape[d];
            at0 += c * step0[d];
            at1 += c * step1[d];
        }}
        const float a = LD0(at0), b = LD1(at1);
        ST(i, {expression});
    }}
"""
    steps = "int n, int axes, const int *shape, const int *step0, const int *step1"
    return {"": KernelText(2, "int n", plain), "_spread": KernelText(2, steps, spread)}


_ELU = "(v > 0.0f ? v : alpha * expm1f(v))"

ON_EACH = {
    "Sigmoid": _each("1.0f / (1.0f + expf(-v))"),
    "Swish": _each("v / (1.0f + expf(-v))"),
    "Tanh": _each("tanhf(v)"),
    "ReLU": _each("v > 0.0f ? v : 0.0f"),
    "LeakyReLU": _each("v > 0.0f ? v : alpha * v", ", float alpha"),
    "ELU": _each(_ELU, ", float alpha"),
    "SELU": _each(f"scale * {_ELU}", ", float scale, float alpha"),
    "Sign": _each("v > 0.0f ? 1.0f : v < 0.0f ? -1.0f : alpha", ", float alpha"),
    "Abs": _each("fabsf(v)"),
    "Exp": _each("expf(v)"),
    "Log": _each("logf(v)"),
    "Identity": _each("v"),
    "Reshape": _each("v"),
    "Round": _each("roundf(v)"),
    "AddScalar": _each("v + val", ", float val"),
    "MulScalar": _each("v * val", ", float val"),
    "PowScalar": _each("powf(v, val)", ", float val"),
    "RSubScalar": _each("val - v", ", float val"),
    "RDivScalar": _each("val / v", ", float val"),
    "RPowScalar": _each("powf(val, v)", ", float val"),
    "MinimumScalar": _each("v < val ? v : val", ", float val"),
    "MaximumScalar": _each("v > val ? v : val", ", float val"),
    "BinarySigmoid": _each("v > 0.0f ? 1.0f : 0.0f"),
    "BinaryTanh": _each("v > 0.0f ? 1.0f : -1.0f"),
}
"""Functions of each element, by type names; their parameters are arguments of these names."""

ON_BOTH = {
    "Add2": _both("a + b"),
    "Sub2": _both("a - b"),
    "Mul2": _both("a * b"),
    "Div2": _both("a / b"),
    "Pow2": _both("powf(a, b)"),
    "Minimum2": _both("a < b ? a : b"),
    "Maximum2": _both("a > b ? a : b"),
}
"""Functions of two arrays, by type names and the end of the kernel's name."""

# Of windows: samples, groups, channels of a group in and out, then for three axes each the lengths of the input, the
# kernel, the output, strides, pads and dilations.
_GEOMETRY = "const int *g"
_UNPACK = """
    const int samples = g[0], groups = g[1], channels = g[2], outputs = g[3];
    const int *in = g + 4, *kernel = g + 7, *out = g + 10, *stride = g + 13, *pad = g + 16, *dilation = g + 19;
"""

OTHERS = {
    "copy_strided": KernelText(
        1,
        "int n, int axes, const int *shape, const int *step, int first",
        """
    for (int i = 0; i < n; ++i) {
        int rest = i, at = first;
        for (int d = axes - 1; d >= 0; --d) {
            at += rest % shape[d] * step[d];
            rest /= shape[d];
        }
        ST(i, LD0(at));
    }
""",
    ),
    "copy_indexed": KernelText(
        1,
        "int n, int axes, const int *shape, const int *table, float border",
        """
    for (int i = 0; i < n; ++i) {
        int rest = i, at = 0, inside = 1, end = 0;
        for (int d = 0; d < axes; ++d) {
            end += shape[d];
        }
        for (int d = axes - 1; d >= 0; --d) {
            const int entry = table[end - shape[d] + rest % shape[d]];
            end -= shape[d];
            rest /= shape[d];
            inside = inside && entry >= 0;
            at += entry;
        }
        ST(i, inside ? LD0(at) : border);
    }
""",
    ),
    "copy_blocks": KernelText(
        1,
        "int blocks, int size, int step, int first, int ystep, int yfirst",
        """
    for (int b = 0; b < blocks; ++b) {
        for (int i = 0; i < size; ++i) {
            ST(yfirst + b * ystep + i, LD0(first + b * step + i));
        }
    }
""",
    ),
    "affine": KernelText(
        4,
        "int rows, int inputs, int outputs",
        """
    for (int r = 0; r < rows; ++r) {
        for (int o = 0; o < outputs; ++o) {
            float sum = 0.0f;
            for (int i = 0; i < inputs; ++i) {
                sum += LD0(r * inputs + i) * LD1(o * inputs + i);
            }
            if (HAS2) {
                sum *= LD2(o);
            }
            if (HAS3) {
                sum += LD3(o);
            }
            ST(r * outputs + o, sum);
        }
    }
""",
    ),
    "convolution": KernelText(
        4,
        _GEOMETRY,
        _UNPACK
        + """
    const int inner = in[0] * in[1] * in[2], window = kernel[0] * kernel[1] * kernel[2];
    int y0 = 0;
    for (int b = 0; b < samples; ++b) {
        for (int o = 0; o < groups * outputs; ++o) {
            const int x0_at = (b * groups + o / outputs) * channels * inner;
            for (int p = 0; p < out[0]; ++p) {
                for (int q = 0; q < out[1]; ++q) {
                    for (int r = 0; r < out[2]; ++r) {
                        float sum = 0.0f;
                        for (int k = 0; k < window; ++k) {
                            const int i = p * stride[0] - pad[0] + k / (kernel[1] * kernel[2]) * dilation[0];
                            const int j = q * stride[1] - pad[1] + k / kernel[2] % kernel[1] * dilation[1];
                            const int l = r * stride[2] - pad[2] + k % kernel[2] * dilation[2];
                            if (i < 0 || j < 0 || l < 0 || i >= in[0] || j >= in[1] || l >= in[2]) {
                                continue;
                            }
                            for (int c = 0; c < channels; ++c) {
                                sum += LD0(x0_at + c * inner + (i * in[1] + j) * in[2] + l)
                                    * LD1((o * channels + c) * window + k);
                            }
                        }
                        if (HAS2) {
                            sum *= LD2(o);
                        }
                        if (HAS3) {
                            sum += LD3(o);
                        }
                        ST(y0, sum);
                        ++y0;
                    }
                }
            }
        }
    }
""",
    ),
    "deconvolution": KernelText(
        3,
        _GEOMETRY,
        _UNPACK
        + """
    const int inner = in[0] * in[1] * in[2], window = kernel[0] * kernel[1] * kernel[2];
    int y0 = 0;
    for (int b = 0; b < samples; ++b) {
        for (int o = 0; o < groups * outputs; ++o) {
            const int first = o / outputs * channels;
            for (int p = 0; p < out[0]; ++p) {
                for (int q = 0; q < out[1]; ++q) {
                    for (int r = 0; r < out[2]; ++r) {
                        float sum = 0.0f;
                        for (int k = 0; k < window; ++k) {
                            const int i = p + pad[0] - k / (kernel[1] * kernel[2]) * dilation[0];
                            const int j = q + pad[1] - k / kernel[2] % kernel[1] * dilation[1];
                            const int l = r + pad[2] - k % kernel[2] * dilation[2];
                            if (i < 0 || j < 0 || l < 0 || i % stride[0] || j % stride[1] || l % stride[2]
                                || i / stride[0] >= in[0] || j / stride[1] >= in[1] || l / stride[2] >= in[2]) {
                                continue;
                            }
                            const int at = (i / stride[0] * in[1] + j / stride[1]) * in[2] + l / stride[2];
                            for (int c = first; c < first + channels; ++c) {
                                sum += LD0((b * groups * channels + c) * inner + at)
                                    * LD1((c * outputs + o % outputs) * window + k);
                            }
                        }
                        ST(y0, HAS2 ? sum + LD2(o) : sum);
                        ++y0;
                    }
                }
            }
        }
    }
""",
    ),
    "pooling": KernelText(
        1,
        "int kind, int including_pad, const int *g",
        """
    /* kind: 0 for the largest, 1 for the mean, 2 for the sum */
    const int *in = g + 4, *kernel = g + 7, *out = g + 10, *stride = g + 13, *pad = g + 16;
    const int inner = in[0] * in[1] * in[2];
    int y0 = 0;
    for (int b = 0; b < g[0]; ++b) {
        for (int p = 0; p < out[0]; ++p) {
            for (int q = 0; q < out[1]; ++q) {
                for (int r = 0; r < out[2]; ++r) {
                    const int at[3] = {p, q, r};
                    int low[3], high[3], count = 1;
                    for (int d = 0; d < 3; ++d) {
                        const int start = at[d] * stride[d] - pad[d], limit = start + kernel[d];
                        const int first = including_pad ? -pad[d] : 0, last = in[d] + (including_pad ? pad[d] : 0);
                        count *= (limit < last ? limit : last) - (start > first ? start : first);
                        low[d] = start > 0 ? start : 0;
                        high[d] = limit < in[d] ? limit : in[d];
                    }
                    float found = kind ? 0.0f : -INFINITY;
                    for (int i = low[0]; i < high[0]; ++i) {
                        for (int j = low[1]; j < high[1]; ++j) {
                            for (int l = low[2]; l < high[2]; ++l) {
                                const float v = LD0(b * inner + (i * in[1] + j) * in[2] + l);
                                found = kind ? found + v : v > found ? v : found;
                            }
                        }
                    }
                    ST(y0, kind == 1 ? found / (float)count : found);
                    ++y0;
                }
            }
        }
    }
""",
    ),
    "softmax": KernelText(
        1,
        "int outer, int length, int inner",
        """
    for (int o = 0; o < outer; ++o) {
        for (int i = 0; i < inner; ++i) {
            const int at = o * length * inner + i;
            float largest = LD0(at), sum = 0.0f;
            for (int c = 1; c < length; ++c) {
                const float v = LD0(at + c * inner);
                largest = v > largest ? v : largest;
            }
            for (int c = 0; c < length; ++c) {
                sum += expf(LD0(at + c * inner) - largest);
            }
            for (int c = 0; c < length; ++c) {
                ST(at + c * inner, expf(LD0(at + c * inner) - largest) / sum);
            }
        }
    }
""",
    ),
    "sum": KernelText(
        1,
        "int n, int axes, const int *shape, const int *step, int rn, int raxes, const int *rshape, const int *rstep",
        """
    for (int i = 0; i < n; ++i) {
        int rest = i, at = 0;
        float sum = 0.0f;
        for (int d = axes - 1; d >= 0; --d) {
            at += rest % shape[d] * step[d];
            rest /= shape[d];
        }
        for (int j = 0; j < rn; ++j) {
            int more = j, to = at;
            for (int d = raxes - 1; d >= 0; --d) {
                to += more % rshape[d] * rstep[d];
                more /= rshape[d];
            }
            sum += LD0(to);
        }
        ST(i, sum);
    }
""",
    ),
    "crelu": KernelText(
        1,
        "int outer, int inner",
        """
    for (int o = 0; o < outer; ++o) {
        for (int i = 0; i < inner; ++i) {
            const float v = LD0(o * inner + i);
            ST(2 * o * inner + i, v > 0.0f ? v : 0.0f);
            ST((2 * o + 1) * inner + i, v < 0.0f ? -v : 0.0f);
        }
    }
""",
    ),
    "celu": KernelText(
        1,
        "int outer, int inner, float alpha",
        """
    for (int o = 0; o < outer; ++o) {
        for (int i = 0; i < inner; ++i) {
            const float v = LD0(o * inner + i);
            ST(2 * o * inner + i, v > 0.0f ? v : alpha * expm1f(v));
            ST((2 * o + 1) * inner + i, v < 0.0f ? -v : alpha * expm1f(-v));
        }
    }
""",
    ),
    "prelu": KernelText(
        2,
        "int outer, int channels, int inner",
        """
    for (int o = 0; o < outer; ++o) {
        for (int c = 0; c < channels; ++c) {
            for (int i = 0; i < inner; ++i) {
                const int at = (o * channels + c) * inner + i;
                const float v = LD0(at);
                ST(at, v >= 0.0f ? v : LD1(c) * v);
            }
        }
    }
""",
    ),
    "batch_normalization": KernelText(
        5,
        "int outer, int channels, int inner, float eps, int batch_stat",
        """
    for (int c = 0; c < channels; ++c) {
        float mean = LD3(c), variance = LD4(c);
        if (batch_stat) {
            const float count = (float)outer * (float)inner;
            mean = variance = 0.0f;
            for (int o = 0; o < outer; ++o) {
                for (int i = 0; i < inner; ++i) {
                    mean += LD0((o * channels + c) * inner + i) / count;
                }
            }
            for (int o = 0; o < outer; ++o) {
                for (int i = 0; i < inner; ++i) {
                    const float d = LD0((o * channels + c) * inner + i) - mean;
                    variance += d * d / count;
                }
            }
        }
        const float scale = LD2(c) / sqrtf(variance + eps);
        for (int o = 0; o < outer; ++o) {
            for (int i = 0; i < inner; ++i) {
                const int at = (o * channels + c) * inner + i;
                ST(at, (LD0(at) - mean) * scale + LD1(c));
            }
        }
    }
""",
    ),
    "subtract_rows": KernelText(
        2,
        "int outer, int inner",
        """
    for (int o = 0; o < outer; ++o) {
        for (int i = 0; i < inner; ++i) {
            ST(o * inner + i, LD0(o * inner + i) - LD1(i));
        }
    }
""",
    ),
    "matrix_products": KernelText(
        2,
        "int samples, int rows, int inner, int columns",
        """
    for (int b = 0; b < samples; ++b) {
        for (int r = 0; r < rows; ++r) {
            for (int c = 0; c < columns; ++c) {
                float sum = 0.0f;
                for (int i = 0; i < inner; ++i) {
                    sum += LD0((b * rows + r) * inner + i) * LD1((b * inner + i) * columns + c);
                }
                ST((b * rows + r) * columns + c, sum);
            }
        }
    }
""",
    ),
    "matrix_diag": KernelText(
        1,
        "int samples, int n",
        """
    for (int b = 0; b < samples; ++b) {
        for (int r = 0; r < n; ++r) {
            for (int c = 0; c < n; ++c) {
                ST((b * n + r) * n + c, r == c ? LD0(b * n + r) : 0.0f);
            }
        }
    }
""",
    ),
}
"""Kernels by their names."""
