"""`Solver`: everything that update rules share, so that a rule is its formula and nothing else."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from operator import is_
from typing import Any, ClassVar

import numpy as np
import torch

from ..errors import ArgumentError, ShapeError
from ..graph.hooks import combined, solver_post_hooks, solver_pre_hooks
from ..graph.variable import Buffers, Variable

Hook = Callable[[], Any] | None
Tensors = list[torch.Tensor]


def single(value: float, function: str, name: str) -> float:
    """`value` rounded to float32, in which NNabla keeps the settings of a solver."""
    try:
        return float(np.float32(value))
    except (TypeError, ValueError):
        raise ArgumentError(f"{function}: {name} must be a number, not {value!r}") from None


_NO_HOOKS = nullcontext()


@contextmanager
def _calling(pre_hook: Hook, post_hook: Hook) -> Iterator[None]:
    if pre_hook is not None:
        pre_hook()
    yield
    if post_hook is not None:
        post_hook()


class SolverState:
    """What a solver keeps for one parameter: named arrays and the number of updates so far.

    Args:
        pstate: Variables by name, each of the parameter's shape.
        t: number of updates.
    """

    __slots__ = ("pstate", "t")

    def __init__(self, pstate: dict[str, Variable] | None = None, t: int = 0) -> None:
        self.pstate: dict[str, Variable] = OrderedDict() if pstate is None else pstate
        self.t = t


class _Entry:
    """One parameter, as the calls of every step want it."""

    __slots__ = ("arrays", "buffers", "state")

    def __init__(self, buffers: Buffers, state: SolverState) -> None:
        buffers.grad  # noqa: B018  (made now, so that no step need ask)
        self.buffers = buffers
        self.state = state
        self.arrays = [variable._buffers.data for variable in state.pstate.values()]


class Solver:
    """Base class of the update rules.

    A derived class names its settings and states and defines `_step`. Parameters whose gradient was never computed,
    or was zeroed and not computed since, are left alone by every call.
    """

    # Names of the constructor's arguments, in order; the first one is the learning rate.
    settings: ClassVar[tuple[str, ...]] = ("lr",)
    # Names of the states, in the order in which `_step` receives them.
    states: ClassVar[tuple[str, ...]] = ()
    # Whether `weight_decay` is part of the update instead of the gradient.
    fused_decay: ClassVar[bool] = False

    def __init__(self, **settings: float) -> None:
        self._settings = {k: single(v, self.name, k) for k, v in settings.items()}
        self._params: OrderedDict[str, Variable] = OrderedDict()
        self._states: OrderedDict[str, SolverState] = OrderedDict()
        # What the calls of every step go through, in order of the names.
        self._entries: list[_Entry] = []
        # Tensors as last checked: contiguous, of one type, on one device. The states' one after the other.
        self._settled: Tensors = []
        self._settled_grads: Tensors = []
        self._settled_states: Tensors = []

    # ---- settings ----------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Name of the update rule."""
        return type(self).__name__

    @property
    def info(self) -> dict[str, float]:
        """Settings by name; float32 values, as NNabla keeps them."""
        return dict(self._settings)

    def learning_rate(self) -> float:
        """The learning rate (of Adam and its kin: alpha)."""
        return self._settings[self.settings[0]]

    def set_learning_rate(self, learning_rate: float) -> None:
        """Change the learning rate from the next update on."""
        self._settings[self.settings[0]] = single(learning_rate, self.name, "learning_rate")

    def weight_decay_is_fused(self) -> bool:
        """Whether weight decay is part of the update (as in AdamW) instead of added to the gradient."""
        return self.fused_decay

    # ---- parameters and states ---------------------------------------------------------------------------

    def set_parameters(
        self, param_dict: Mapping[str, Variable], reset: bool = True, retain_state: bool = False
    ) -> None:
        """Set the parameters to update.

        Args:
            param_dict: Variables by name.
            reset: forget all parameters set before; else add to them.
            retain_state: keep the state of parameters that are set already (with ``reset=False``).

        Raises:
            TypeError: a value is not a Variable. Nothing is changed then.
            ShapeError: a state to be kept has another shape. Nothing is changed then.
        """
        if not hasattr(param_dict, "items"):
            raise TypeError(f"set_parameters: param_dict must be a dict of Variables, not {type(param_dict).__name__}")
        for key, param in param_dict.items():
            if not isinstance(param, Variable):
                raise TypeError(f"set_parameters: param_dict[{key!r}] must be a Variable, not {type(param).__name__}")
            if retain_state and not reset and key in self._params and self._params[key].shape != param.shape:
                raise ShapeError(
                    f"set_parameters: the state of {key!r} has shape {self._params[key].shape}, "
                    f"the parameter {param.shape}; pass retain_state=False"
                )
        if reset:
            self._params.clear()
            self._states.clear()
        for key, param in param_dict.items():
            if not (retain_state and key in self._states):
                self._states[key] = self._new_state(param)
            self._params[key] = param
        self._bind()

    setup = set_parameters

    def _bind(self) -> None:
        self._entries = [_Entry(param._buffers, self._states[key]) for key, param in self._params.items()]
        self._settled, self._settled_grads, self._settled_states = [], [], []

    def _new_state(self, param: Variable) -> SolverState:
        state = SolverState()
        for name in self.states:
            variable = Variable(param.shape)
            variable.data.zero()
            state.pstate[name] = variable
        return state

    def remove_parameters(self, keys: Iterable[str]) -> None:
        """Forget parameters and their states; names that are not there are passed over."""
        for key in keys:
            self._params.pop(key, None)
            self._states.pop(key, None)
        self._bind()

    def clear_parameters(self) -> None:
        """Forget all parameters and their states."""
        self._params.clear()
        self._states.clear()
        self._bind()

    def get_parameters(self) -> OrderedDict[str, Variable]:
        """The parameters by name."""
        return OrderedDict(self._params)

    def get_states(self) -> OrderedDict[str, SolverState]:
        """The states by parameter name; the arrays are the solver's own, not copies."""
        return OrderedDict(self._states)

    def set_states(self, states: Mapping[str, SolverState]) -> None:
        """Copy states of parameters that are set already.

        Raises:
            ArgumentError: a parameter is not set, or a state of this rule is missing.
            ShapeError: a state has another shape than its parameter. Nothing is changed then.
        """
        for key, state in states.items():
            if key not in self._params:
                raise ArgumentError(f"set_states: there is no parameter {key!r}; call set_parameters first")
            for name in self.states:
                if name not in state.pstate:
                    raise ArgumentError(f"set_states: {self.name} needs state {name!r} of parameter {key!r}")
                if state.pstate[name].shape != self._params[key].shape:
                    raise ShapeError(
                        f"set_states: state {name!r} of {key!r} must have shape {self._params[key].shape}, "
                        f"not {state.pstate[name].shape}"
                    )
        for key, state in states.items():
            own = self._states[key]
            own.t = int(state.t)
            for name in self.states:
                own.pstate[name].data.copy_from(state.pstate[name].data, use_current_context=False)

    def save_states(self, path: str) -> None:
        """Save the states to an ``.h5`` file; it is replaced as a whole."""
        from ..formats.solver_states import save

        save(path, self._states)

    def load_states(self, path: str) -> None:
        """Load states from an ``.h5`` file that `save_states` (or NNabla) wrote.

        Raises:
            FileNotFoundError: there is no such file.
            FormatError: it is damaged.
            ArgumentError, ShapeError: it does not fit the parameters. Nothing is changed then.
        """
        from ..formats.solver_states import load

        self.set_states(load(path))

    # ---- what is done to gradients -----------------------------------------------------------------------

    def _computed(self) -> tuple[Tensors, Tensors, list[_Entry]]:
        """Data, gradients and entries of all parameters that have a gradient.

        Data and gradient of a parameter have the same type, device and layout.
        """
        entries = self._entries
        params = [entry.buffers.data._tensor for entry in entries]
        grads = [entry.buffers._grad._tensor for entry in entries]
        # The usual case: parameters as they were checked in the last step, and gradients as they were checked in
        # the last call, or fresh from backward.
        if not (self._settled and all(map(is_, params, self._settled))):
            return self._settle()
        if not all(map(is_, grads, self._settled_grads)):
            dtype = params[0].dtype
            for grad in grads:
                if grad is None or grad.dtype is not dtype or not grad.is_contiguous():
                    return self._settle()
            self._settled_grads = grads
        return params, grads, entries

    def _settle(self) -> tuple[Tensors, Tensors, list[_Entry]]:
        """`_computed` with every check, and conversions where parameters and gradients do not match."""
        params: Tensors = []
        grads: Tensors = []
        entries: list[_Entry] = []
        for entry in self._entries:
            array = entry.buffers.grad
            if array._tensor is None and not array._fill:
                continue
            data, grad = _matched(entry.buffers)
            params.append(data)
            grads.append(grad)
            entries.append(entry)
        uniform = len(entries) == len(self._entries) and len({(p.dtype, p.device) for p in params}) == 1
        if uniform and all(p.is_contiguous() for p in params):
            self._settled, self._settled_grads = params, grads
        return params, grads, entries

    def _grads(self) -> Tensors:
        return self._computed()[1]

    def _hooked(self, pre_hook: Hook, post_hook: Hook) -> Any:
        """Context that calls a call's own hooks and the global ones around its block."""
        if pre_hook is None and post_hook is None and not solver_pre_hooks and not solver_post_hooks:
            return _NO_HOOKS
        return _calling(combined(pre_hook, solver_pre_hooks), combined(post_hook, solver_post_hooks))

    def zero_grad(self) -> None:
        """Set the gradients of all parameters to 0, when they are next needed."""
        self._settled_grads = []  # which would keep their memory
        for entry in self._entries:
            entry.buffers.grad.zero()

    def weight_decay(self, decay_rate: float, pre_hook: Hook = None, post_hook: Hook = None) -> None:
        """Add `decay_rate` times the parameter to its gradient.

        Where `weight_decay_is_fused`, this sets the decay of the next update instead.
        """
        rate = single(decay_rate, "weight_decay", "decay_rate")
        with self._hooked(pre_hook, post_hook):
            self._decay(rate)

    def _decay(self, rate: float) -> None:
        params, grads, _ = self._computed()
        if params:
            torch._foreach_add_(grads, params, alpha=rate)

    def clip_grad_by_norm(self, clip_norm: float, pre_hook: Hook = None, post_hook: Hook = None) -> None:
        """Scale the gradient of each parameter whose L2 norm is above `clip_norm` down to that norm.

        A `clip_norm` of 0 or less changes nothing, as in NNabla.
        """
        limit = single(clip_norm, "clip_grad_by_norm", "clip_norm")
        with self._hooked(pre_hook, post_hook):
            grads = self._grads()
            if limit > 0 and grads:
                norms = torch.stack([n.float() for n in torch._foreach_norm(grads)])
                # A norm of 0 gives inf, which the bound takes back to 1.
                factors = (limit / norms).clamp_(max=1)
                torch._foreach_mul_(grads, list(factors.unbind()))

    def scale_grad(self, scale: float, pre_hook: Hook = None, post_hook: Hook = None) -> None:
        """Multiply all gradients by `scale`."""
        factor = single(scale, "scale_grad", "scale")
        with self._hooked(pre_hook, post_hook):
            grads = self._grads()
            if grads:
                torch._foreach_mul_(grads, factor)

    def check_inf_grad(self, pre_hook: Hook = None, post_hook: Hook = None) -> bool:
        """Whether any gradient has an infinite element."""
        return self._any(torch.isinf, pre_hook, post_hook)

    def check_nan_grad(self, pre_hook: Hook = None, post_hook: Hook = None) -> bool:
        """Whether any gradient has an element that is not a number."""
        return self._any(torch.isnan, pre_hook, post_hook)

    def check_inf_or_nan_grad(self, pre_hook: Hook = None, post_hook: Hook = None) -> bool:
        """Whether any gradient has an element that is infinite or not a number."""
        return self._any(lambda g: ~torch.isfinite(g), pre_hook, post_hook)

    def _any(self, test: Callable[[torch.Tensor], torch.Tensor], pre_hook: Hook, post_hook: Hook) -> bool:
        with self._hooked(pre_hook, post_hook):
            return any(bool(test(grad).any()) for grad in self._grads())

    # ---- update ------------------------------------------------------------------------------------------

    def update(self, update_pre_hook: Hook = None, update_post_hook: Hook = None) -> None:
        """Update all parameters by their gradients."""
        with self._hooked(update_pre_hook, update_post_hook):
            params, grads, entries = self._computed()
            for entry in entries:
                entry.state.t += 1
            if entries is self._entries and _same([entry.state.t for entry in entries]):
                self._update_group(params, grads, entries)
            else:
                for group in _grouped(params, grads, entries):
                    self._update_group(*group)

    def _update_group(self, params: Tensors, grads: Tensors, entries: list[_Entry]) -> None:
        states = [[entry.arrays[i]._tensor for entry in entries] for i in range(len(self.states))]
        flat = [tensor for tensors in states for tensor in tensors]
        if len(flat) != len(self._settled_states) or not all(map(is_, flat, self._settled_states)):
            dtype, device = params[0].dtype, params[0].device
            states = [[entry.arrays[i]._own(dtype, device) for entry in entries] for i in range(len(self.states))]
            self._settled_states = [tensor for tensors in states for tensor in tensors]
        self._step(params, grads, states, entries[0].state.t)  # type: ignore[arg-type]

    def _step(self, params: Tensors, grads: Tensors, states: list[Tensors], t: int) -> None:
        """Update `params` and `states` in place.

        Args:
            params: tensors of one type on one device.
            grads: their gradients.
            states: for each name in `self.states` the tensors of all parameters.
            t: number of this update, from 1.
        """
        raise NotImplementedError

    def __repr__(self) -> str:
        given = ", ".join(f"{k}={v:g}" for k, v in self._settings.items())
        return f"{self.name}({given})"


def _matched(buffers: Buffers) -> tuple[torch.Tensor, torch.Tensor]:
    """Data and gradient, converted where their types, devices or layouts differ."""
    grad = buffers.grad._realize()
    data = buffers.data._realize()
    if not data.is_floating_point():
        # Values set as integers: what is learned is not.
        data = buffers.data._own(torch.float32, grad.device)
    elif grad.device != data.device:
        data = buffers.data._own(data.dtype, grad.device)
    if grad.dtype is not data.dtype or grad.stride() != data.stride():
        grad = torch.empty_like(data).copy_(grad)
        buffers.grad._set(grad)
    return data, grad


def _same(values: list[int]) -> bool:
    return values.count(values[0]) == len(values)


def _grouped(
    params: Tensors, grads: Tensors, entries: list[_Entry]
) -> Iterable[tuple[Tensors, Tensors, list[_Entry]]]:
    """Parameters by number of updates, type and device: what one multi-tensor kernel can take."""
    groups: dict[Any, tuple[Tensors, Tensors, list[_Entry]]] = {}
    for param, grad, entry in zip(params, grads, entries, strict=True):
        group = groups.setdefault((entry.state.t, param.dtype, param.device), ([], [], []))
        group[0].append(param)
        group[1].append(grad)
        group[2].append(entry)
    return groups.values()
