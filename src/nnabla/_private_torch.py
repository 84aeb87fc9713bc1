"""Every private name of torch that the package uses, and beside each the public way to the same result.

torch may change what begins with an underscore in any release. When it does, this is the file to look at: the public
way is slower, but gives the same values. Nothing else in the package may use such a name
(`tests/test_private_torch.py`).

Here the names lose their underscore: `foreach_add_` is ``torch._foreach_add_``. They are torch's own objects, so a call
costs what it costs in torch. ``xs`` below is a list of tensors; an underscore at the end means that it is written to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from typing import Any

import torch

_C: Any = torch._C
_aten: Any = torch.ops.aten


def kernel_of(overload: Any) -> Any:
    """What an overload of `torch.ops` calls in the end; the public way is to call the overload itself.

    The layers of Python between them take 0.4 microseconds of two.
    """
    return getattr(overload, "_op", overload)


def _onednn(name: str, overload: str = "default") -> Any:
    """A kernel of oneDNN's; None where torch was built without it."""
    try:
        return kernel_of(getattr(getattr(torch.ops.mkldnn, name), overload))
    except AttributeError:
        return None


# Multi-tensor arithmetic: one call for all parameters of a solver. The public way is a loop over the tensors.
foreach_abs = torch._foreach_abs  # [x.abs() for x in xs]
foreach_add = torch._foreach_add  # [x.add(y, alpha=a) for x in xs]; y a tensor or number, or one tensor for each x
foreach_add_ = torch._foreach_add_  # x.add_(y, alpha=a)
foreach_addcdiv_ = torch._foreach_addcdiv_  # x.addcdiv_(y, z, value=a)
foreach_addcmul = torch._foreach_addcmul  # [x.addcmul(y, z, value=a) for x, y, z in zip(xs, ys, zs)]
foreach_addcmul_ = torch._foreach_addcmul_  # x.addcmul_(y, z, value=a)
foreach_clamp_max_ = torch._foreach_clamp_max_  # x.clamp_max_(a)
foreach_clamp_min_ = torch._foreach_clamp_min_  # x.clamp_min_(a)
foreach_div_ = torch._foreach_div_  # x.div_(y)
foreach_lerp = torch._foreach_lerp  # [x.lerp(y, a) for x, y in zip(xs, ys)]
foreach_lerp_ = torch._foreach_lerp_  # x.lerp_(y, a)
foreach_maximum_ = torch._foreach_maximum_  # torch.maximum(x, y, out=x)
foreach_mul = torch._foreach_mul  # [x.mul(a) for x, a in zip(xs, factors)]
foreach_mul_ = torch._foreach_mul_  # x.mul_(a)
foreach_norm = torch._foreach_norm  # [torch.linalg.vector_norm(x) for x in xs]
foreach_reciprocal_ = torch._foreach_reciprocal_  # x.reciprocal_()
foreach_sign_ = torch._foreach_sign_  # x.sign_()
foreach_sqrt = torch._foreach_sqrt  # [x.sqrt() for x in xs]
foreach_sqrt_ = torch._foreach_sqrt_  # x.sqrt_()
foreach_sub = torch._foreach_sub  # [x.sub(y) for x, y in zip(xs, ys)]
foreach_sub_ = torch._foreach_sub_  # x.sub_(y)
foreach_zero_ = torch._foreach_zero_  # x.zero_()

# Whole update rules, one pass over the memory. The public way is the rule's formula in the arithmetic above (it stands
# in the solver's docstring), or the optimizer of torch.optim with fused=True.
fused_adagrad_ = torch._fused_adagrad_  # torch.optim.Adagrad
fused_adam_ = torch._fused_adam_  # torch.optim.Adam
fused_adamw_ = torch._fused_adamw_  # torch.optim.AdamW
fused_sgd_ = torch._fused_sgd_  # torch.optim.SGD

# Functions of torch.nn.functional without its checks in Python, with the second result or the reduction as a number.
avg_pool2d = _C._nn.avg_pool2d  # torch.nn.functional.avg_pool2d
avg_pool3d = _C._nn.avg_pool3d  # torch.nn.functional.avg_pool3d
huber_loss = _C._nn.huber_loss  # torch.nn.functional.huber_loss(..., reduction="none")
max_pool2d_with_indices = _C._nn.max_pool2d_with_indices  # torch.nn.functional.max_pool2d(..., return_indices=True)
max_pool3d_with_indices = _C._nn.max_pool3d_with_indices  # torch.nn.functional.max_pool3d(..., return_indices=True)
mse_loss = _C._nn.mse_loss  # torch.nn.functional.mse_loss(..., reduction="none")
unfolded_convolution = _C._nn.thnn_conv2d  # torch.convolution, without oneDNN
unfolded_deconvolution = _C._nn.slow_conv_transpose2d  # the same
upsample_nearest1d = _C._nn.upsample_nearest1d  # torch.nn.functional.interpolate(..., mode="nearest")
upsample_nearest2d = _C._nn.upsample_nearest2d  # the same
upsample_nearest3d = _C._nn.upsample_nearest3d  # the same

# Kernels of gradients, and those that torch.prelu ends in.
log_softmax_backward_data = torch._log_softmax_backward_data  # dy - y.exp() * dy.sum(axis, keepdim=True)
softmax_backward_data = torch._softmax_backward_data  # y * (dy - (dy * y).sum(axis, keepdim=True))
prelu_kernel = kernel_of(_aten._prelu_kernel.default)  # torch.where(x > 0, x, slope * x)
prelu_kernel_backward = kernel_of(_aten._prelu_kernel_backward.default)  # autograd of torch.prelu
unsafe_view = _aten._unsafe_view.default  # torch.ops.aten.view
unfolded_convolution_backward = kernel_of(_aten._slow_conv2d_backward.output_mask)  # autograd of torch.convolution
weight_norm_interface_backward = kernel_of(_aten._weight_norm_interface_backward.default)  # autograd of v * g / norm(v)

# Layers with fixed parameters, in oneDNN's own layout of weights. The public way: the layer, then what follows it.
pack_convolution_weight = _onednn("_reorder_convolution_weight")  # the weight as it is
convolution_and = _onednn("_convolution_pointwise")  # torch.relu(torch.convolution(...))
convolution_and_sum = _onednn("_convolution_pointwise", "binary")  # torch.relu(torch.convolution(...) + z)

# Random draws from a generator that is given. torch.distributions only knows torch's global one, so the public way
# has to set and restore its state.
sample_dirichlet = torch._sample_dirichlet  # torch.distributions.Dirichlet(concentration).sample()
standard_gamma = torch._standard_gamma  # torch.distributions.Gamma(concentration, 1).sample()

# Autograd without the checks of torch.autograd.grad, which take 25 microseconds.
run_backward = torch.autograd.Variable._execution_engine.run_backward  # torch.autograd.grad

# Below autograd's dispatch keys, every call is cheaper. The public way is torch.no_grad() around plans and
# torch.enable_grad() where something is differentiated.
AutoDispatchBelowAutograd = _C._AutoDispatchBelowAutograd  # torch.no_grad
ForceDispatchKeyGuard = _C._ForceDispatchKeyGuard  # torch.enable_grad
dispatch_tls_local_exclude_set = _C._dispatch_tls_local_exclude_set  # nothing, with torch.enable_grad
dispatch_tls_local_include_set = _C._dispatch_tls_local_include_set  # nothing, with torch.enable_grad

# oneDNN on and off, without the other settings that the public way touches (and warns about).
get_mkldnn_enabled = _C._get_mkldnn_enabled  # torch.backends.mkldnn.flags
set_mkldnn_enabled = _C._set_mkldnn_enabled  # torch.backends.mkldnn.flags

# How often a tensor's memory was written to in place.
version_of = attrgetter("_version")  # a copy, and torch.equal


def without_values(examples: Sequence[torch.Tensor], **options: Any) -> tuple[Any, list[torch.Tensor]]:
    """Tensors that have all of others but values, and the mode that they were made in.

    Each has memory of its own, whatever the others have in common: what is found out about them must hold when they
    have not. The public way is ``device="meta"``, on which operators do not check devices.
    """
    from torch._subclasses import FakeTensorMode

    mode = FakeTensorMode(allow_non_fake_inputs=True, **options)
    with mode:
        return mode, [torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device=x.device) for x in examples]


def inductor() -> Any:
    """The compiler, which takes a second to import. The public way is torch.compile, which looks at all arguments of
    every call."""
    import torch._inductor.compile_fx as module

    return module


def functorch_settings(**settings: Any) -> Any:
    """Context in which settings of torch's tracer for graphs have other values."""
    import torch._functorch.config as module

    return module.patch(**settings)


@contextmanager
def fixed_shapes(examples: Sequence[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """Context in which a graph for `examples` may be given to the compiler; gives tensors that stand for them.

    With real tensors the compiler keeps nothing on disk: it asks an environment of shapes what it took for granted.
    """
    from torch._guards import TracingContext, tracing
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    mode, tensors = without_values(examples, shape_env=ShapeEnv(), static_shapes=True)
    with tracing(TracingContext(mode)):
        yield tensors


def traced_metadata() -> Any:
    """What is known of the graph that is being compiled; None outside."""
    from torch._guards import TracingContext

    context = TracingContext.try_get()
    return None if context is None else context.fw_metadata
