"""Arithmetic, comparisons and logic. Truth values are 0.0 and 1.0, as in NNabla."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from functions.formulas.straight_through import straight_through


def _as_number(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda *x: function(*x).float()


FORMULAS = {
    "add2": torch.add,
    "sub2": torch.sub,
    "mul2": torch.mul,
    "div2": torch.div,
    "pow2": torch.pow,
    "bc_add2": torch.add,
    "add_n": lambda a, b, c: a + b + c,
    "mul_n": lambda a, b, c: a * b * c,
    "add_scalar": lambda x: x + 2.0,
    "mul_scalar": lambda x: x * 2.0,
    "pow_scalar": lambda x: x**3.0,
    "r_sub_scalar": lambda x: 2.0 - x,
    "r_div_scalar": lambda x: 2.0 / x,
    "r_pow_scalar": lambda x: 2.0**x,
    "sign": lambda x: straight_through(x, torch.sign(x)),
    "minimum2": torch.minimum,
    "maximum2": torch.maximum,
    "minimum_scalar": lambda x: x.clamp(max=0.5),
    "maximum_scalar": lambda x: x.clamp(min=0.5),
    "mod2": torch.remainder,
    "bit_shift": torch.bitwise_left_shift,
    "logical_and": _as_number(torch.logical_and),
    "logical_or": _as_number(torch.logical_or),
    "logical_xor": _as_number(torch.logical_xor),
    "equal": _as_number(torch.eq),
    "not_equal": _as_number(torch.ne),
    "greater_equal": _as_number(torch.ge),
    "greater": _as_number(torch.gt),
    "less_equal": _as_number(torch.le),
    "less": _as_number(torch.lt),
    "logical_and_scalar": _as_number(lambda x: x != 0),
    "logical_or_scalar": _as_number(lambda x: x != 0),
    "logical_xor_scalar": _as_number(lambda x: x == 0),
    "equal_scalar": _as_number(lambda x: x == 0.5),
    "not_equal_scalar": _as_number(lambda x: x != 0.5),
    "greater_equal_scalar": _as_number(lambda x: x >= 0.5),
    "greater_scalar": _as_number(lambda x: x > 0.5),
    "less_equal_scalar": _as_number(lambda x: x <= 0.5),
    "less_scalar": _as_number(lambda x: x < 0.5),
    "logical_not": _as_number(torch.logical_not),
    "isnan": _as_number(torch.isnan),
    "isinf": _as_number(torch.isinf),
    "reset_nan": lambda x: x.masked_fill(x.isnan(), 0.0),
    "reset_inf": lambda x: x.masked_fill(x.isinf(), 0.0),
    "where": lambda condition, a, b: torch.where(condition != 0, a, b),
}
