"""The NNabla calls, written once: the same files run on this project and on NNabla 1.39."""

from functions.calls import (
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

CALLS = {
    call.name: call
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
    for call in module.CALLS
}
