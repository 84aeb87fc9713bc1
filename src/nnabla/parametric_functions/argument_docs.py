"""What the arguments mean that many layers share. Each is described here once; docstrings describe the others."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from functools import cache
from typing import TypeVar

Documented = TypeVar("Documented", bound=Callable)

SHARED = {
    "name": 'scope around that of the function, such as ``"conv1"``; default none.',
    # Sizes.
    "n_outmaps": "number of output features, or the shape ``(L_1, ...)`` of one output.",
    "base_axis": "number of leading axes kept as batch.",
    "inmaps": "number of input channels.",
    "outmaps": "number of output channels.",
    "kernel": "size of the filters along each spatial axis.",
    "pad": "zeros added at both ends of each spatial axis; default 0.",
    "stride": "step of the filters along each spatial axis; default 1.",
    "dilation": "distance of neighbouring filter elements; default 1.",
    "group": "number of groups that channels are split into.",
    "channel_last": "whether channels are the last axis; then so are those of the filters.",
    # Parameters.
    "w_init": "initializer or array for the weight; default Glorot's uniform distribution (Glorot and Bengio, "
    '"Understanding the difficulty of training deep feedforward neural networks", 2010, equation 16).',
    "b_init": "initializer or array for the bias; default zeros.",
    "fix_parameters": "do not train the parameters.",
    "rng": "random generator of the default initializers; default nnabla's.",
    "with_bias": "whether to add a bias.",
    "apply_w": "called with the weight; what it returns is used.",
    "apply_b": "called with the bias; what it returns is used.",
    # Normalization.
    "axes": "axes with statistics of their own, usually the channels.",
    "channel_axis": "the axis of the channels; beta and gamma have an element for each.",
    "batch_axis": "the axes of the samples.",
    "decay_rate": "how much of the running statistics is kept at each step, in [0, 1].",
    "eps": "added to the variance.",
    "batch_stat": "normalize by the statistics of the batch (training), else by the running ones.",
    "output_stat": "return mean and variance as well.",
    "param_init": "initializers or arrays by name: ``beta``, ``gamma``, also ``mean``, ``var`` if those are running.",
    "no_scale": "leave gamma out.",
    "no_bias": "leave beta out.",
    # Binary weights, and incremental quantization.
    "quantize_zero_to": "what 0 becomes.",
    "wb_init": "initializer or array for the binary weight; default Glorot's uniform distribution.",
    "num_bits": "bits of a weight, at least 2.",
    "inq_iterations": "after how many forward passes half of the free weights is fixed; the last time all are.",
    "selection_algorithm": 'which are fixed: ``"largest_abs"`` or ``"random"``.',
    "seed": "of the random selection; -1 for nnabla's.",
    "i_init": "initializer or array for the indicators, 1 for fixed; default zeros.",
    # Quantization of the weight, then of the bias.
    "quantize_w": "whether to quantize the weight.",
    "sign_w": "whether one bit of the weight is the sign.",
    "with_zero_w": "whether 0 is one of the values of the weight.",
    "n_w": "bits of the weight.",
    "m_w": "the largest value of the weight is ``2 ** m_w``.",
    "delta_w": "distance of neighbouring values of the weight.",
    "prune_w": "whether to prune the weight.",
    "rate_w": "share of the weight's elements that become 0.",
    "ql_min_w": "smallest level of the weight.",
    "ql_max_w": "largest level of the weight.",
    "w_min_max": "take minimum and maximum from the weight, else train them.",
    "qr_min_w_init": "initializer or array for the minimum of the weight; default -2.",
    "qr_max_w_init": "initializer or array for the maximum of the weight; default 2.",
    "ste_fine_grained_w": "whether the gradient is 0 where the weight lies outside of the range.",
    "quantize_b": "whether to quantize the bias.",
    "sign_b": "whether one bit of the bias is the sign.",
    "with_zero_b": "whether 0 is one of the values of the bias.",
    "n_b": "bits of the bias.",
    "m_b": "the largest value of the bias is ``2 ** m_b``.",
    "delta_b": "distance of neighbouring values of the bias.",
    "prune_b": "whether to prune the bias.",
    "rate_b": "share of the bias' elements that become 0.",
    "ql_min_b": "smallest level of the bias.",
    "ql_max_b": "largest level of the bias.",
    "b_min_max": "take minimum and maximum from the bias, else train them.",
    "qr_min_b_init": "initializer or array for the minimum of the bias; default -6.",
    "qr_max_b_init": "initializer or array for the maximum of the bias; default 6.",
    "ste_fine_grained_b": "whether the gradient is 0 where the bias lies outside of the range.",
}

_SECTION = re.compile(r"^Args:\n((?: {4}.*(?:\n|\Z))*)", re.MULTILINE)
_BEFORE_ENTRY = re.compile(r"^(?= {4}\S)", re.MULTILINE)


def describe_arguments(further: Mapping[str, str] | None = None) -> Callable[[Documented], Documented]:
    """Decorator that completes the section Args of a docstring, in the order of the signature.

    Arguments that the docstring does not describe are taken from `further`, then from `SHARED`; those in neither are
    left out. A docstring without the section stays as it is.

    Args:
        further: descriptions by name of the argument.

    Raises:
        ValueError: the section describes something that is no argument.

    Example:
        >>> @describe_arguments()
        ... def layer(inp, outmaps, with_bias=True):
        ...     '''A layer.
        ...
        ...     Args:
        ...         inp: any shape.
        ...     '''
        >>> print(layer.__doc__)
        A layer.
        <BLANKLINE>
        Args:
            inp: any shape.
            outmaps: number of output channels.
            with_bias: whether to add a bias.
    """
    shared = {**SHARED, **(further or {})}

    def decorate(thing: Documented) -> Documented:
        doc = inspect.cleandoc(thing.__doc__ or "")
        section = _SECTION.search(doc)
        if section is None:
            return thing
        entries = [entry for entry in _BEFORE_ENTRY.split(section[1]) if entry]
        own = {entry.partition(":")[0].strip(): entry.rstrip("\n") for entry in entries}
        names = inspect.signature(thing).parameters
        unknown = [name for name in own if name not in names]
        if unknown:
            raise ValueError(f"{thing.__qualname__}: no argument is called {', '.join(unknown)}")
        described = [own[n] if n in own else _entry(n, shared[n]) for n in names if n in own or n in shared]
        rest = doc[section.end() :]
        thing.__doc__ = "\n".join([f"{doc[: section.start()]}Args:", *described]) + (f"\n{rest}" if rest else "")
        return thing

    return decorate


@cache
def _entry(name: str, text: str) -> str:
    return textwrap.fill(f"{name}: {text}", 116, initial_indent=" " * 4, subsequent_indent=" " * 8)
