"""The mathematics of each call in PyTorch eager, as a practised user of PyTorch would write it.

The names are those of `functions.calls`, and so are the order of the inputs and the arguments that are settled there.
"""

from functions.formulas import (
    activations,
    arithmetic,
    arrays,
    layers,
    losses,
    math,
    normalization,
    quantization,
    reductions,
    signal,
    stochastic,
)

FORMULAS = {
    name: formula
    for module in (
        activations,
        arithmetic,
        math,
        reductions,
        layers,
        normalization,
        losses,
        arrays,
        signal,
        stochastic,
        quantization,
    )
    for name, formula in module.FORMULAS.items()
}
