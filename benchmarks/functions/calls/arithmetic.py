"""Arithmetic, comparisons and logic."""

from __future__ import annotations

import nnabla.functions as F
from functions.call import LARGE, SMALL, Call, bits, integers, normal, sizes, uniform

CALLS = [
    Call("add2", F.add2, *sizes(normal, 2)),
    Call("sub2", F.sub2, *sizes(normal, 2)),
    Call("mul2", F.mul2, *sizes(normal, 2)),
    Call("div2", F.div2, *sizes(uniform, 2, low=0.5, high=2.0)),
    Call("pow2", F.pow2, *sizes(uniform, 2, low=0.5, high=2.0)),
    Call("bc_add2", F.bc_add2, (normal(64, 256), normal(1, 256)), (normal(4096, 1024), normal(1, 1024))),
    Call("add_n", F.add_n, *sizes(normal, 3)),
    Call("mul_n", F.mul_n, *sizes(normal, 3)),
    Call("add_scalar", lambda x: F.add_scalar(x, 2.0), *sizes(normal)),
    Call("mul_scalar", lambda x: F.mul_scalar(x, 2.0), *sizes(normal)),
    Call("pow_scalar", lambda x: F.pow_scalar(x, 3.0), *sizes(normal)),
    Call("r_sub_scalar", lambda x: F.r_sub_scalar(x, 2.0), *sizes(normal)),
    Call("r_div_scalar", lambda x: F.r_div_scalar(x, 2.0), *sizes(uniform, low=0.5, high=2.0)),
    Call("r_pow_scalar", lambda x: F.r_pow_scalar(x, 2.0), *sizes(normal)),
    Call("sign", F.sign, *sizes(normal)),
    Call("minimum2", F.minimum2, *sizes(normal, 2)),
    Call("maximum2", F.maximum2, *sizes(normal, 2)),
    Call("minimum_scalar", lambda x: F.minimum_scalar(x, 0.5), *sizes(normal)),
    Call("maximum_scalar", lambda x: F.maximum_scalar(x, 0.5), *sizes(normal)),
    Call("mod2", F.mod2, *sizes(uniform, 2, low=0.5, high=8.0, grad=False)),
    Call("bit_shift", F.bit_shift, *sizes(integers, 2, high=8)),
    *(Call(name, getattr(F, name), *sizes(bits, 2)) for name in ("logical_and", "logical_or", "logical_xor")),
    *(
        Call(name, getattr(F, name), *sizes(normal, 2, grad=False))
        for name in ("equal", "not_equal", "greater_equal", "greater", "less_equal", "less")
    ),
    Call("logical_and_scalar", lambda x: F.logical_and_scalar(x, True), *sizes(bits)),
    Call("logical_or_scalar", lambda x: F.logical_or_scalar(x, False), *sizes(bits)),
    Call("logical_xor_scalar", lambda x: F.logical_xor_scalar(x, True), *sizes(bits)),
    Call("equal_scalar", lambda x: F.equal_scalar(x, 0.5), *sizes(normal, grad=False)),
    Call("not_equal_scalar", lambda x: F.not_equal_scalar(x, 0.5), *sizes(normal, grad=False)),
    Call("greater_equal_scalar", lambda x: F.greater_equal_scalar(x, 0.5), *sizes(normal, grad=False)),
    Call("greater_scalar", lambda x: F.greater_scalar(x, 0.5), *sizes(normal, grad=False)),
    Call("less_equal_scalar", lambda x: F.less_equal_scalar(x, 0.5), *sizes(normal, grad=False)),
    Call("less_scalar", lambda x: F.less_scalar(x, 0.5), *sizes(normal, grad=False)),
    Call("logical_not", F.logical_not, *sizes(bits)),
    Call("isnan", F.isnan, *sizes(normal, grad=False)),
    Call("isinf", F.isinf, *sizes(normal, grad=False)),
    Call("reset_nan", lambda x: F.reset_nan(x, 0.0), *sizes(normal)),
    Call("reset_inf", lambda x: F.reset_inf(x, 0.0), *sizes(normal)),
    Call(
        "where",
        F.where,
        (bits(*SMALL), normal(*SMALL), normal(*SMALL)),
        (bits(*LARGE), normal(*LARGE), normal(*LARGE)),
    ),
]
