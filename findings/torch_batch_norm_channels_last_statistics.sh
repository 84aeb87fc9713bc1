#!/usr/bin/env bash
# torch 2.13.0 (CPU): batch normalization in training sums a channel of a channels-last tensor in single precision, one
# sample after the other, and of a contiguous one in double. With 65,536 samples a channel, mean 10,000 and deviation 1, one
# thread finds a mean that is off by 3 and ten times the variance, in the output and in the running statistics; more threads
# sum shorter parts and find other numbers. At a mean of 1,000 both formats agree. Data whose means are large beside their
# deviations (temperatures, altitudes, time stamps) must be centred first, or kept contiguous.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 "numpy<3"
"$folder/venv/bin/python" - <<'PY'
import sys

import torch
from torch.nn.functional import batch_norm

torch.set_num_threads(1)
print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, one thread")
ratios = {}
for mean in (1e3, 1e4):
    torch.manual_seed(0)
    x = torch.randn(64, 16, 32, 32) + mean
    exact = x.double().var((0, 2, 3))
    for memory_format in (torch.contiguous_format, torch.channels_last):
        running = torch.zeros(16), torch.zeros(16)
        y = batch_norm(x.contiguous(memory_format=memory_format), *running, training=True, momentum=1.0)
        off = float((running[0].double() - x.double().mean((0, 2, 3))).abs().max())
        ratio = ratios[mean, memory_format] = float((running[1] / exact).max())
        print(f"mean {mean:g}, {memory_format}: mean off by {off:.2g}, variance x {ratio:.3g}, deviation of y {float(y.std()):.2g}")
near = [r for (mean, layout), r in ratios.items() if mean == 1e3 or layout is torch.contiguous_format]
as_described = all(abs(r - 1) < 1e-3 for r in near) and ratios[1e4, torch.channels_last] > 2
print("as described" if as_described else "the behaviour has changed")
sys.exit(not as_described)
PY
