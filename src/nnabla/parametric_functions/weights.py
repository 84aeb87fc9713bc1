"""Weights computed from others: spectral and weight normalization, for the hooks ``apply_w``."""

from __future__ import annotations

from typing import Any

from .. import functions as F
from ..errors import ArgumentError
from ..graph.variable import Variable
from ..initializer import NormalInitializer, WeightNormalizationScaleInitializer
from ..parameter import get_parameter_or_create
from .layers import Initializer, weight
from .registration import parametric_function_api


def _size(w: Any, dim: int, function: str) -> int:
    if not 0 <= dim < w.ndim:
        raise ArgumentError(f"{function}: dim must be in [0, {w.ndim}), not {dim}")
    return w.shape[dim]


@parametric_function_api("spectral-norm", [("u", "Singular vector", "``(w.shape[dim],)``", False)])
def spectral_norm(
    w: Any,
    dim: int = 0,
    itr: int = 1,
    eps: float = 1e-12,
    test: bool = False,
    u_init: Initializer = None,
    fix_parameters: bool = True,
) -> Variable:
    """A weight divided by its largest singular value; see `nnabla.functions.spectral_norm`.

    Args:
        w: the weight, any shape; a matrix of ``w.shape[dim]`` rows.
        dim: the axis of the rows; for `affine` 1, for `convolution` 0.
        itr: steps of the power iteration in each forward pass.
        eps: against division by zero.
        test: do not update the singular vector.
        u_init: initializer or array for the singular vector; default the standard normal distribution.
        fix_parameters: accepted for compatibility; the singular vector is not trained.

    Returns:
        Shape of `w`.

    Raises:
        ArgumentError: `w` has no axis `dim`.

    Source: Miyato et al., "Spectral Normalization for Generative Adversarial Networks", arXiv:1802.05957.

    Example:
        >>> import nnabla as nn, nnabla.parametric_functions as PF
        >>> y = PF.affine(nn.Variable((2, 4)), 3, apply_w=lambda w: PF.spectral_norm(w, dim=1), name="doc")
        >>> sorted(nn.get_parameters(grad_only=False))
        ['doc/affine/W', 'doc/affine/b', 'doc/affine/spectral-norm/u']
    """
    size = _size(w, dim, "spectral_norm")
    u = get_parameter_or_create("u", (size,), NormalInitializer() if u_init is None else u_init, False, False)
    return F.spectral_norm(w, u, dim, itr, eps, test)


@parametric_function_api("wn", [("g", "Norms", "``(w.shape[dim],)``", True)])
def weight_normalization(
    w: Any,
    dim: int = 0,
    eps: float = 1e-12,
    g_init: Initializer = None,
    fix_parameters: bool = False,
) -> Variable:
    """A weight whose direction and norm are trained apart; see `nnabla.functions.weight_normalization`.

    Args:
        w: the weight, any shape.
        dim: the axis along which each element has a norm of its own; a negative one counts from the last.
        eps: against division by zero.
        g_init: initializer or array for the norms; default the norms of `w` as it is now.
        fix_parameters: do not train the norms.

    Returns:
        Shape of `w`.

    Raises:
        ArgumentError: `w` has no axis `dim`.

    Source: Salimans and Kingma, "Weight Normalization", arXiv:1602.07868.
    """
    dim = dim + w.ndim if dim < 0 else dim
    size = _size(w, dim, "weight_normalization")
    if g_init is None:
        g_init = WeightNormalizationScaleInitializer(w, dim, eps)
    g = weight("g", (size,), g_init, fix_parameters, None)
    return F.weight_normalization(w, g, dim, eps)
