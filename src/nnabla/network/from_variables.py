"""From a graph of Variables to the description of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from .. import parameter
from ..graph.variable import Variable
from .live_functions import LiveFunctions, path_of
from .proto_graph import ProtoGraph
from .proto_network import ProtoNetwork
from .proto_variable import PARAMETER, ProtoVariable


def create_graph_from_variable(
    name: str,
    variables: Variable | Sequence[Variable],
    names: Mapping[str, Variable] | None = None,
    parameter_scope: parameter.Scope | None = None,
) -> ProtoGraph:
    """Describe the graph that leads to one or more Variables.

    What is not named is named after its function: ``@<name>/Convolution_out`` and ``@<name>/Convolution_in``, with
    ``_1``, ``_2``, ... for those that follow. In a network called ``"model"`` these names have no ``@model/``.
    Parameters keep their names. A `need_grad` that was set on an intermediate variable is not described.

    Args:
        name: of the network.
        variables: the outputs.
        names: Variables by the names that they shall have.
        parameter_scope: where the names of parameters are looked up; default the current scope. A leaf of the graph
            that is not found there becomes an input.

    Returns:
        A graph with one network. Its parameters are those of the given graph, not copies. Its outputs are the
        variables that no function reads, so one of `variables` that leads to another one is not among them.

    Raises:
        TypeError: `variables` or `names` hold something else than Variables.
        ValueError: no function leads to `variables`; a name stands for two variables; or a function is none of the
            registered ones, as the gradients in a graph made by `nnabla.grad`.

    Example:
        >>> import nnabla as nn, nnabla.functions as F, nnabla.parametric_functions as PF
        >>> nn.clear_parameters()
        >>> x = nn.Variable((8, 3))
        >>> y = F.relu(PF.affine(x, 2, name="fc"))
        >>> net = create_graph_from_variable("net", y, names={"x": x})["net"]
        >>> [(f.name, f.inputs, f.outputs) for f in net.functions.values()]
        [('@net/Affine', ['x', 'fc/affine/W', 'fc/affine/b'], ['@net/Affine_out']), ('@net/ReLU', ['@net/Affine_out'], \
['@net/ReLU_out'])]
    """
    where = "create_graph_from_variable"
    if not isinstance(name, str) or not name:
        raise TypeError(f"{where}: name must be a string that is not empty, not {name!r}")
    roots = [variables] if isinstance(variables, Variable) else list(variables) if _is_sequence(variables) else []
    if not roots or not all(isinstance(root, Variable) for root in roots):
        raise TypeError(f"{where}: variables must be a Variable or a sequence of Variables, not {variables!r}")
    if all(root.parent is None for root in roots):
        raise ValueError(f"{where}: no function leads to the variables given")
    graph = ProtoGraph()
    scope = parameter.get_current_parameter_scope() if parameter_scope is None else parameter_scope
    with parameter.parameter_scope("", scope):
        parameters = {variable: key for key, variable in parameter.get_parameters(grad_only=False).items()}
    describe_variables(graph, name, roots, _by_variable(names or {}), parameters)
    return graph


def describe_variables(
    graph: ProtoGraph,
    name: str,
    roots: list[Variable],
    given: Mapping[Variable, str],
    parameters: dict[Variable, str],
    is_parameter: Callable[[Variable], bool] = lambda variable: False,
) -> ProtoNetwork:
    """Add the network that leads to some Variables to a graph.

    Args:
        graph: that it becomes part of.
        name: of the network.
        roots: the outputs.
        given: names by Variable.
        parameters: names of parameters by Variable; those that are found are added.
        is_parameter: asked of each Variable that no function made and that has no name in `given` or `parameters`:
            whether it is a parameter. Else it becomes an input.
    """
    network = graph[name] = ProtoNetwork(graph, name)
    reserved = frozenset({*given.values(), *parameters.values()})

    def describe_leaf(variable: Variable, position: str, default: str) -> str:
        key = parameters.get(variable)
        if key is None and variable not in given and is_parameter(variable):
            key = parameters[variable] = network.new_variable_name(default, reserved)
        if key is None:
            key = given.get(variable) or network.new_variable_name(default, reserved)
            described = ProtoVariable(variable.shape, key, variable.need_grad)
        else:
            described = ProtoVariable(variable.shape, key, variable.need_grad, PARAMETER)
            described.variable_instance = variable
            graph.set_parameter(key, variable)
        return str(network.add_variable(described).name)

    LiveFunctions(network, describe_leaf, given.get, reserved).add(roots, path_of(name))
    return network


def _is_sequence(variables: object) -> bool:
    return isinstance(variables, Sequence) and not isinstance(variables, str)


def _by_variable(names: Mapping[str, Variable]) -> dict[Variable, str]:
    for key, variable in names.items():
        if not isinstance(variable, Variable):
            raise TypeError(f"create_graph_from_variable: names[{key!r}] must be a Variable, not {variable!r}")
    return {variable: key for key, variable in names.items()}
