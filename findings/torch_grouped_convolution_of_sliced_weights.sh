#!/usr/bin/env bash
# torch 2.13.0 (CPU, seen with AVX2): a grouped convolution of channels-last tensors gives wrong values, without a word, when
# an axis of its kernel has length 1 and was sliced with a step, so that the stride of that axis, which addresses nothing, is a
# multiple of the usual one. Two tensors that are equal element by element give outputs that differ by more than 1. Code that
# slices kernels of any size must copy them with clone(memory_format=torch.contiguous_format) before a convolution.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 "numpy<3"
"$folder/venv/bin/python" - <<'PY'
import sys

import torch
from torch.nn.functional import conv2d

torch.manual_seed(0)
x = torch.randn(2, 32, 1, 3).to(memory_format=torch.channels_last)
kernels = torch.randn(16, 8, 1, 3).to(memory_format=torch.channels_last)
weight = kernels[:, :, ::2]
plain = weight.clone(memory_format=torch.contiguous_format)
exact = conv2d(x.double(), weight.double(), groups=4)
error = [float((conv2d(x, w, groups=4) - exact).abs().max()) for w in (weight, plain)]
print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}")
print(f"weight {tuple(weight.shape)}, strides {weight.stride()}: off by {error[0]:.2g}")
print(f"the same values, strides {plain.stride()}: off by {error[1]:.2g}")
as_described = torch.equal(weight, plain) and error[0] > 1 and error[1] < 1e-4
print("as described" if as_described else "the behaviour has changed")
sys.exit(not as_described)
PY
