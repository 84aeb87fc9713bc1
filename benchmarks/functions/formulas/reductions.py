"""Reductions and scans."""

from __future__ import annotations

import torch

FORMULAS = {
    "sum": lambda x: x.sum(1),
    "mean": lambda x: x.mean(1),
    "max": lambda x: x.max(1).values,
    "min": lambda x: x.min(1).values,
    "prod": lambda x: x.prod(1),
    "norm": lambda x: torch.linalg.vector_norm(x, dim=1),
    "cumsum": lambda x: x.cumsum(1),
    "cumprod": lambda x: x.cumprod(1),
    "reduce_sum": torch.sum,
    "reduce_mean": torch.mean,
}
