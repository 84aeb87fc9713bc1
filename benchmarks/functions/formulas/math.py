"""Elementary functions, products of matrices, and linear algebra."""

from __future__ import annotations

import torch

from functions.formulas.straight_through import straight_through

NAMES = [
    "abs",
    "exp",
    "log",
    "sin",
    "cos",
    "tan",
    "sinh",
    "cosh",
    "atan",
    "asinh",
    "erf",
    "asin",
    "acos",
    "atanh",
    "acosh",
    "atan2",
]

FORMULAS = {
    **{name: getattr(torch, name) for name in NAMES},
    "round": lambda x: straight_through(x, torch.round(x)),
    "ceil": lambda x: straight_through(x, torch.ceil(x)),
    "floor": lambda x: straight_through(x, torch.floor(x)),
    "batch_matmul": torch.bmm,
    "einsum": lambda a, b: torch.einsum("bij,bkj->bik", a, b),
    "batch_det": torch.linalg.det,
    "batch_inv": torch.linalg.inv,
    "batch_logdet": torch.logdet,
    "batch_cholesky": torch.linalg.cholesky,
}
