"""JAX: the whole training step in one jitted function, parameters and optimizer states donated."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from cases import Program
from jax import Array

from peers import jax_models
from peers.jax_models import Params

State = dict[str, dict[str, Array]]
Update = Callable[[Params, State, Params], tuple[Params, State]]
Loss = Callable[[Params, Array, Array], tuple[Array, Params]]


def version() -> str:
    return f"jax {jax.__version__}"


def set_threads(count: int) -> None:
    """XLA takes one thread for each core that the process may run on; the worker has set those."""


def _adam(lr: float = 1e-3, weight_decay: float = 0.0) -> Update:
    """Kingma and Ba 2014, arXiv:1412.6980, in the order of computation given at the end of section 2."""

    def update(params: Params, state: State, grads: Params) -> tuple[Params, State]:
        t = state["t"]["t"] + 1
        rate = lr * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        new, m, v = {}, {}, {}
        for name, p in params.items():
            g = grads[name] + weight_decay * p if weight_decay else grads[name]
            m[name] = 0.9 * state["m"][name] + 0.1 * g
            v[name] = 0.999 * state["v"][name] + 0.001 * g * g
            new[name] = p - rate * m[name] / (jnp.sqrt(v[name]) + 1e-8)
        return new, {"t": {"t": t}, "m": m, "v": v}

    return update


def _momentum(lr: float, momentum: float) -> Update:
    def update(params: Params, state: State, grads: Params) -> tuple[Params, State]:
        v = {name: momentum * state["v"][name] + lr * grads[name] for name in params}
        return {name: p - v[name] for name, p in params.items()}, {**state, "v": v}

    return update


def _sgd(lr: float, weight_decay: float) -> Update:
    def update(params: Params, state: State, grads: Params) -> tuple[Params, State]:
        return {name: p - lr * (grads[name] + weight_decay * p) for name, p in params.items()}, state

    return update


def _initial_state(params: Params) -> State:
    def zeros() -> dict[str, Array]:
        return {name: jnp.zeros_like(p) for name, p in params.items()}

    return {"t": {"t": jnp.zeros(())}, "m": zeros(), "v": zeros()}


def _split(arrays: Mapping[str, np.ndarray]) -> tuple[Params, Params]:
    """Trained parameters and running statistics."""
    everything = jax_models.import_parameters(arrays)
    trained = {name: p for name, p in everything.items() if not jax_models.is_statistic(name)}
    return trained, {name: p for name, p in everything.items() if jax_models.is_statistic(name)}


def _training(arrays: Mapping[str, np.ndarray], loss_of: Loss, update: Update, read_loss: bool = False) -> Program:
    params, statistics = _split(arrays)
    state = _initial_state(params)

    @functools.partial(jax.jit, donate_argnums=(0, 1, 2))
    def train(params: Params, statistics: Params, state: State, x: Array, label: Array):
        def of_trained(trained: Params) -> tuple[Array, Params]:
            return loss_of({**trained, **statistics}, x, label)

        (loss, new_statistics), grads = jax.value_and_grad(of_trained, has_aux=True)(params)
        params, state = update(params, state, grads)
        return params, new_statistics, state, loss

    last: Array | float = 0.0

    def step(x: np.ndarray, label: np.ndarray) -> None:
        nonlocal params, statistics, state, last
        params, statistics, state, last = train(params, statistics, state, x, label)
        if read_loss:
            last = float(last)

    return Program(step, lambda: np.asarray(float(last)))


def _classified(model: Callable[[Params, Array], Array]) -> Loss:
    return lambda p, x, label: (_cross_entropy(model(p, x), label), {})


def _classified_with_statistics(model: Callable[[Params, Array], tuple[Array, Params]]) -> Loss:
    def loss(p: Params, x: Array, label: Array) -> tuple[Array, Params]:
        y, statistics = model(p, x)
        return _cross_entropy(y, label), statistics

    return loss


def _cross_entropy(y: Array, label: Array) -> Array:
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(y), label, axis=1))


def _regression(model: Callable[[Params, Array], Array]) -> Loss:
    return lambda p, x, target: (jnp.mean((model(p, x) - target) ** 2), {})


def _inference(arrays: Mapping[str, np.ndarray]) -> Program:
    params = jax_models.import_parameters(arrays)
    forward = jax.jit(lambda p, x: jax_models.resnet18(p, x, training=False)[0])
    output = np.zeros(())

    def step(x: np.ndarray) -> None:
        nonlocal output
        output = np.asarray(forward(params, x))

    return Program(step, lambda: output.copy())


def _update_alone(arrays: Mapping[str, np.ndarray], update: Update) -> Program:
    params, _ = _split(arrays)
    state = _initial_state(params)
    grads = {name: jnp.full_like(p, 0.01) for name, p in params.items()}
    jitted = jax.jit(update, donate_argnums=(0, 1))

    def step() -> None:
        nonlocal params, state
        params, state = jitted(params, state, grads)

    def result() -> np.ndarray:
        jax.block_until_ready(params)
        return np.asarray(params["stem/conv/W"]).transpose(3, 2, 0, 1).flatten()[:100]

    return Program(step, result)


def build(name: str, arrays: Mapping[str, np.ndarray]) -> Program | None:
    """The program of a case, starting from NNabla's parameters `arrays`; None where it has no counterpart."""
    match name:
        case "mlp":
            return _training(arrays, _regression(jax_models.mlp), _adam(lr=0.01, weight_decay=1e-6))
        case "lenet":
            return _training(arrays, _classified(jax_models.lenet), _adam())
        case "cnn12_static":
            loss = _classified_with_statistics(jax_models.cnn12)
            return _training(arrays, loss, _adam(), read_loss=True)
        case "resnet18":
            loss = _classified_with_statistics(jax_models.resnet18)
            return _training(arrays, loss, _momentum(lr=1e-3, momentum=0.9))
        case "elman_rnn":
            return _training(arrays, _classified(jax_models.elman), _sgd(lr=0.1, weight_decay=1e-5))
        case "lstm":
            return _training(arrays, _classified(jax_models.lstm), _adam())
        case "transformer":
            return _training(arrays, _regression(jax_models.encoder_layer), _adam())
        case "transformer_small":
            return _training(arrays, _regression(jax_models.small_transformer), _adam())
        case "gru":
            return _training(arrays, _classified(jax_models.gru), _adam())
        case "resnet18_infer_1" | "resnet18_infer_8":
            return _inference(arrays)
        case "update_momentum":
            return _update_alone(arrays, _momentum(lr=1e-3, momentum=0.9))
        case "update_adam":
            return _update_alone(arrays, _adam())
    return None


def clear() -> None:
    jax.clear_caches()
