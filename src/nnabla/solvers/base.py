"""`Solver`: everything that update rules share, so that a rule is its formula and nothing else."""

from __future__ import annotations

import ctypes
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from operator import is_
from typing import Any

import torch

from .._nd_array import NdArray
from .._private_torch import foreach_add_, foreach_mul_
from .._threads import Chosen, OneThread, ThreadChoice, choice_for
from .._write_counts import count_writes
from ..errors import ArgumentError, ShapeError
from ..files import solver_messages
from ..graph.hooks import combined, solver_post_hooks, solver_pre_hooks
from ..graph.variable import Buffers, Variable
from . import states as state_files
from .multi_tensor import Tensors, extremes, norms, piece_size, pieces
from .states import SolverState

Hook = Callable[[], Any] | None


def single(value: float, function: str, name: str) -> float:
    """`value` rounded to float32, in which NNabla keeps the settings of a solver."""
    try:
        return ctypes.c_float(value).value
    except TypeError:
        raise TypeError(f"{function}: {name} must be a number, not {value!r}") from None


_ONE = torch.ones(())


class _Entry:
    """One parameter, as the calls of every step want it."""

    __slots__ = ("buffers", "state", "state_buffers")

    def __init__(self, buffers: Buffers, state: SolverState) -> None:
        buffers.grad  # noqa: B018  (created now, so that no step has to check)
        self.buffers = buffers
        self.state = state
        self.state_buffers = [variable._buffers for variable in state.pstate.values()]


Work = Callable[[Tensors, Tensors, list[_Entry]], Any]


class Solver:
    """Base class of the update rules.

    A derived class names its states, hands its settings to the constructor (the learning rate first) and defines
    `_step`. Parameters whose gradient was never computed, or was zeroed and not computed since, are left alone by
    every call.

    Args:
        settings: the rule's own, by name. Numbers are rounded to float32.

    Raises:
        TypeError: a setting is not a number.
    """

    # Names of the states, in the order in which `_step` receives them.
    states: tuple[str, ...] = ()
    # Whether `_step` may be given the parameters bit by bit: it calls several kernels, and treats each element alone.
    in_pieces: bool = False
    # What `weight_decay` was given for the next update, where that decays the weights.
    _given_decay: float | None = None

    def __init__(self, **settings: float) -> None:
        self._settings = {
            name: value if isinstance(value, bool) else single(value, self.name, name)
            for name, value in settings.items()
        }
        self._rate = next(iter(self._settings.values()), 0.0)
        self._params: OrderedDict[str, Variable] = OrderedDict()
        self._states: OrderedDict[str, SolverState] = OrderedDict()
        # The parameters in the order of their names; every call goes through these.
        self._entries: list[_Entry] = []
        self._sizes: list[int] = []
        # How many threads each kind of work runs on, by its name.
        self._threads: dict[str, OneThread | ThreadChoice] = {}
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
        """Settings by name, as the solver was made with them; numbers are float32 values, as NNabla keeps them."""
        return dict(self._settings)

    def learning_rate(self) -> float:
        """The learning rate (of Adam and its kin: alpha; of Lamb: eta)."""
        return self._rate

    def set_learning_rate(self, learning_rate: float) -> None:
        """Change the learning rate from the next update on. `info` keeps the first one, as in NNabla."""
        self._rate = single(learning_rate, "set_learning_rate", "learning_rate")

    def weight_decay_is_fused(self) -> bool:
        """Whether weight decay is part of the update (as in AdamW) instead of added to the gradient."""
        return False

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
            TypeError: a value is not a Variable, or a name not a string. Nothing is changed then.
            ShapeError: a state to be kept has another shape. Nothing is changed then.
        """
        if not hasattr(param_dict, "items"):
            raise TypeError(f"set_parameters: param_dict must be a dict of Variables, not {type(param_dict).__name__}")
        for key, param in param_dict.items():
            if not isinstance(key, str):
                raise TypeError(f"set_parameters: the keys of param_dict must be strings, not {key!r}")
            if not isinstance(param, Variable):
                raise TypeError(f"set_parameters: param_dict[{key!r}] must be a Variable, not {type(param).__name__}")
            if retain_state and not reset and key in self._params and self._params[key].shape != param.shape:
                raise ShapeError(
                    f"set_parameters: the state of {key!r} has shape {self._params[key].shape}, "
                    f"the parameter {param.shape}; pass retain_state=False"
                )
        if retain_state and not reset and all([self._params.get(key) is p for key, p in param_dict.items()]):
            return  # As in each iteration on a dynamic graph.
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
        self._sizes = [param.size for param in self._params.values()]
        self._threads = {}
        self._settled, self._settled_grads, self._settled_states = [], [], []

    def _new_state(self, param: Variable) -> SolverState:
        state = SolverState()
        for name in self.states:
            variable = Variable(param.shape)
            variable.data.zero()
            state.pstate[name] = variable
        return state

    def remove_parameters(self, keys: Iterable[str]) -> None:
        """Forget parameters and their states; names that are not there are passed over.

        Raises:
            TypeError: `keys` is a single string.
        """
        if isinstance(keys, str):
            raise TypeError(f"remove_parameters: keys must be a list of names, not the string {keys!r}")
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
        """The parameters by name.

        Each is a variable of its own on the memory of the parameter, with `need_grad` off, as in NNabla: what is
        computed from it passes no gradient on, and flags set on it do not reach the one that was set.
        """
        return OrderedDict((key, param.get_unlinked_variable(need_grad=False)) for key, param in self._params.items())

    def get_states(self) -> OrderedDict[str, SolverState]:
        """The states by parameter name; the arrays are the solver's own, not copies."""
        return OrderedDict(
            (key, SolverState(OrderedDict(state.pstate), state.t)) for key, state in self._states.items()
        )

    def set_states(self, states: Mapping[str, SolverState]) -> None:
        """Go on from states of parameters that are set already.

        Their arrays become the solver's own, as in NNabla: updates write to them. The number of updates is copied.

        Raises:
            ArgumentError: a parameter is not set, or a state of this rule is missing.
            ShapeError: a state has another shape than its parameter. Nothing is changed then.
        """
        self._take_states(states)

    def _take_states(self, states: Mapping[str, SolverState]) -> None:
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
            own.pstate = OrderedDict((name, state.pstate[name]) for name in self.states)
        self._bind()

    def _states_to_save(self) -> Mapping[str, SolverState]:
        """The states, to be read at once."""
        return self._states

    def save_states(self, path: str) -> None:
        """Save the states to a file, which is replaced as a whole.

        Args:
            path: with extension ``.h5``, or ``.protobuf`` (an `Optimizer` message; everything becomes float32).

        Raises:
            ArgumentError: the extension is none of these.
            FileNotFoundError: the directory does not exist.
        """
        state_files.save(path, self._states_to_save())

    def load_states(self, path: str) -> None:
        """Load states from a file that `save_states` (or NNabla) wrote.

        Args:
            path: with extension ``.h5``, ``.protobuf``, or ``.nntxt`` or ``.prototxt`` (an `Optimizer` as text).

        Raises:
            FileNotFoundError: there is no such file.
            FormatError: it is damaged.
            ArgumentError, ShapeError: it does not fit the parameters. Nothing is changed then.
        """
        self._take_states(state_files.load(path))

    def set_states_to_protobuf(self, optimizer: Any) -> None:
        """Write the states to a protobuf message `Optimizer`; those of other parameters stay."""
        solver_messages.fill(optimizer, state_files.to_stored(self._states_to_save()))

    def set_states_from_protobuf(self, optimizer_proto: Any) -> None:
        """Read the states from a protobuf message `Optimizer`.

        Raises:
            FormatError: a state's numbers do not fill its shape.
            ArgumentError, ShapeError: it does not fit the parameters. Nothing is changed then.
        """
        stored = solver_messages.contents(optimizer_proto, "set_states_from_protobuf")
        self._take_states(state_files.from_stored(stored))

    # ---- what is done to gradients -----------------------------------------------------------------------

    def _computed(self) -> tuple[Tensors, Tensors, list[_Entry]]:
        """Data, gradients and entries of all parameters that have a gradient.

        Data and gradient of a parameter have the same type, device and layout.
        """
        entries = self._entries
        params: list[Any] = [entry.buffers.data._tensor for entry in entries]
        grads: list[Any] = [entry.buffers._grad._tensor for entry in entries]  # type: ignore[union-attr]
        # The usual case: parameters as they were checked in the last step, and gradients as they were checked in
        # the last call, or fresh from backward.
        if not (self._settled and all(map(is_, params, self._settled))):
            return self._settle()
        if len(grads) != len(self._settled_grads) or not all(map(is_, grads, self._settled_grads)):
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
            if not _has_gradient(entry):
                continue
            data, grad = _matched(entry.buffers)
            params.append(data)
            grads.append(grad)
            entries.append(entry)
        uniform = len(entries) == len(self._entries) and len({(p.dtype, p.device) for p in params}) == 1
        if uniform:
            self._settled, self._settled_grads = params, grads
        return params, grads, entries

    def _carry_out(self, pre_hook: Hook, post_hook: Hook, work: Work) -> bool:
        """Do `work` for all parameters that have a gradient.

        At once if there are no hooks. As in NNabla these are called before and after each parameter.

        Args:
            pre_hook: the call's own; global hooks enclose it.
            post_hook: likewise.
            work: takes data, gradients and entries of parameters. If it returns a true value, the remaining
                parameters are skipped.

        Returns:
            Whether `work` returned a true value.
        """
        if pre_hook is None and post_hook is None and not solver_pre_hooks and not solver_post_hooks:
            choice = self._threads.get(work.__qualname__)
            if choice is None:
                choice = self._threads[work.__qualname__] = choice_for(self._sizes)
            with Chosen(choice):
                return bool(work(*self._computed()))
        before = combined(pre_hook, solver_pre_hooks, before=True)
        after = combined(post_hook, solver_post_hooks)
        for entry in self._entries:
            if not _has_gradient(entry):
                continue
            if before is not None:
                before()
            data, grad = _matched(entry.buffers)
            done = work([data], [grad], [entry])
            if after is not None:
                after()
            if done:
                return True
        return False

    def zero_grad(self) -> None:
        """Set the gradients of all parameters to 0, when they are next needed."""
        self._settled_grads = []  # which would keep their memory
        for entry in self._entries:
            array = entry.buffers._grad
            if array is None or array._tensor is not None or array._fill != 0:
                entry.buffers.grad.zero()

    def weight_decay(self, decay_rate: float, pre_hook: Hook = None, post_hook: Hook = None) -> None:
        """Add `decay_rate` times the parameter to its gradient.

        Where `weight_decay_is_fused`, this sets the decay of the next update instead, and calls no hooks.
        """
        rate = single(decay_rate, "weight_decay", "decay_rate")
        if self.weight_decay_is_fused():
            self._given_decay = rate
            return

        def decay(params: Tensors, grads: Tensors, entries: list[_Entry]) -> None:
            if params:
                foreach_add_(grads, params, alpha=rate)

        self._carry_out(pre_hook, post_hook, decay)

    def clip_grad_by_norm(self, clip_norm: float, pre_hook: Hook = None, post_hook: Hook = None) -> None:
        """Scale the gradient of each parameter whose L2 norm is above `clip_norm` down to that norm.

        A `clip_norm` of 0 changes nothing, as in NNabla. Nor does any `clip_norm` change a gradient whose norm is not
        a number.

        Raises:
            ArgumentError: `clip_norm` is negative (NNabla turns the gradients around then).
        """
        limit = single(clip_norm, "clip_grad_by_norm", "clip_norm")
        if limit < 0:
            raise ArgumentError(f"clip_grad_by_norm: clip_norm must be 0 (no clipping) or above, not {clip_norm}")

        def clip(params: Tensors, grads: Tensors, entries: list[_Entry]) -> None:
            if limit > 0 and grads:
                # fmin takes the 1 where the norm is 0 (inf) or not a number.
                factors = torch.fmin(limit / norms(grads), _ONE)
                foreach_mul_(grads, list(factors.unbind()))

        self._carry_out(pre_hook, post_hook, clip)

    def scale_grad(self, scale: float, pre_hook: Hook = None, post_hook: Hook = None) -> None:
        """Multiply all gradients by `scale`."""
        factor = single(scale, "scale_grad", "scale")

        def multiply(params: Tensors, grads: Tensors, entries: list[_Entry]) -> None:
            if grads:
                foreach_mul_(grads, factor)

        self._carry_out(pre_hook, post_hook, multiply)

    def check_inf_grad(self, pre_hook: Hook = None, post_hook: Hook = None) -> bool:
        """Whether any gradient has an infinite element."""

        def is_found(params: Tensors, grads: Tensors, entries: list[_Entry]) -> bool:
            bounds = extremes(grads)
            # Where there is a NaN, both extremes are NaN, and say nothing about infinities.
            return bool(bounds.isinf().any()) or (
                bool(bounds.isnan().any()) and any(bool(grad.isinf().any()) for grad in grads)
            )

        return self._carry_out(pre_hook, post_hook, is_found)

    def check_nan_grad(self, pre_hook: Hook = None, post_hook: Hook = None) -> bool:
        """Whether any gradient has an element that is not a number."""
        return self._carry_out(pre_hook, post_hook, lambda _, grads, __: bool(extremes(grads).isnan().any()))

    def check_inf_or_nan_grad(self, pre_hook: Hook = None, post_hook: Hook = None) -> bool:
        """Whether any gradient has an element that is infinite or not a number."""
        return self._carry_out(pre_hook, post_hook, lambda _, grads, __: not bool(extremes(grads).isfinite().all()))

    # ---- update ------------------------------------------------------------------------------------------

    def update(self, update_pre_hook: Hook = None, update_post_hook: Hook = None) -> None:
        """Update all parameters by their gradients."""
        self._carry_out(update_pre_hook, update_post_hook, self._update)

    def _update(self, params: Tensors, grads: Tensors, entries: list[_Entry]) -> None:
        for entry in entries:
            entry.state.t += 1
        if entries is self._entries and _same([entry.state.t for entry in entries]):
            self._update_group(params, grads, entries)
        else:
            for group in _grouped(params, grads, entries):
                self._update_group(*group)

    def _update_group(self, params: Tensors, grads: Tensors, entries: list[_Entry]) -> None:
        states: list[Any] = [
            [entry.state_buffers[i].data._tensor for entry in entries] for i in range(len(self.states))
        ]
        flat = [tensor for tensors in states for tensor in tensors]
        dtype, device = params[0].dtype, params[0].device
        if (
            len(flat) != len(self._settled_states)
            or not all(map(is_, flat, self._settled_states))
            or (flat and (flat[0].dtype is not dtype or flat[0].device != device))
        ):
            states = [
                [_contiguous(entry.state_buffers[i].data, dtype, device) for entry in entries]
                for i in range(len(self.states))
            ]
            self._settled_states = [tensor for tensors in states for tensor in tensors]
        t = entries[0].state.t
        if self.in_pieces and sum(self._sizes) > piece_size() and params[0].is_cpu:
            for piece, of_grads, *of_states in zip(*map(pieces, (params, grads, *states)), strict=True):
                self._step(piece, of_grads, of_states, t)
        else:
            self._step(params, grads, states, t)
        count_writes(params)

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


def _has_gradient(entry: _Entry) -> bool:
    array = entry.buffers.grad
    return array._tensor is not None or bool(array._fill)


def _matched(buffers: Buffers) -> tuple[torch.Tensor, torch.Tensor]:
    """Data and gradient as contiguous tensors of one type on one device; the arrays are converted where they are not.

    The fused kernels go through the memory from end to end, whatever the strides.
    """
    grad = buffers.grad._realize()
    data = buffers.data._realize()
    # The values were set as integers; learned values are not.
    data = _contiguous(buffers.data, data.dtype if data.is_floating_point() else torch.float32, grad.device)
    return data, _contiguous(buffers.grad, data.dtype, data.device)


def _contiguous(array: NdArray, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    tensor = array._own(dtype, device)
    if not tensor.is_contiguous():
        tensor = tensor.contiguous()
        array._set(tensor)
    return tensor


def _same(values: list[int]) -> bool:
    return values.count(values[0]) == len(values)


def _grouped(params: Tensors, grads: Tensors, entries: list[_Entry]) -> Iterable[tuple[Tensors, Tensors, list[_Entry]]]:
    """Parameters by number of updates, type and device: what one multi-tensor kernel can take."""
    groups: dict[Any, tuple[Tensors, Tensors, list[_Entry]]] = {}
    for param, grad, entry in zip(params, grads, entries, strict=True):
        group = groups.setdefault((entry.state.t, param.dtype, param.device), ([], [], []))
        group[0].append(param)
        group[1].append(grad)
        group[2].append(entry)
    return groups.values()
