"""Removing functions from a described network that compute nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping

from ..network import ProtoFunction, ProtoNetwork

__all__ = ["IdentityRemover", "remove_function", "rename_variable"]


class IdentityRemover:
    """Removes functions of type Identity; for `ProtoNetwork.execute_on_proto`.

    Args:
        renamed: receives the name of each variable that is gone, with the one that takes its place.
        is_required: called with each Identity, says whether to remove it; default: yes.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.Variable((2, 3))
        >>> y = F.relu(F.identity(x))
        >>> net = nn.graph_def.create_graph_from_variable("net", y, names={"x": x})["net"]
        >>> remover = IdentityRemover()
        >>> net.execute_on_proto(remover)
        >>> list(net.functions), remover.renamed
        (['@net/ReLU'], {'@net/Identity_out': 'x'})
    """

    def __init__(
        self,
        renamed: MutableMapping[str, str] | None = None,
        is_required: Callable[[ProtoFunction], bool] | None = None,
    ) -> None:
        self.renamed: MutableMapping[str, str] = {} if renamed is None else renamed
        self.is_required = is_required

    def __call__(self, pf: ProtoFunction) -> None:
        if pf.type == "Identity" and (self.is_required is None or self.is_required(pf)):
            remove_function(pf, self.renamed)


def remove_function(pf: ProtoFunction, renamed: MutableMapping[str, str]) -> bool:
    """Take a function out of its network: what read its first output reads its first input.

    The name of the input is kept; where the output is one of the network, its name. A function stays if its network
    would lose an input or output by that: one between an input (or parameter) and an output, or before an output when
    others read what it reads.

    Args:
        pf: a function with inputs and one output.
        renamed: receives the name that is gone, with the one that takes its place.

    Returns:
        Whether it was removed.

    Raises:
        ValueError: it belongs to no network, or has no inputs or several outputs.
    """
    network = pf._network()
    if not pf.inputs or len(pf.outputs) != 1:
        raise ValueError(f"remove_function: {pf.name!r} must have inputs and one output")
    source, result = network._variable(pf.inputs[0]), network._variable(pf.outputs[0])
    kept, gone = str(source.name), str(result.name)
    if not result.required:
        if source.parent is None or source.required != [pf.name]:
            return False
        kept, gone = gone, kept
        producer = network.functions[source.parent]
        producer.outputs = [kept if name == gone else name for name in producer.outputs]
        result.parent = producer.name
    for name in pf.inputs:
        reader_of = network._variable(name).required
        reader_of.remove(str(pf.name))
    if kept == source.name:
        for reader in dict.fromkeys(result.required):
            function = network.functions[reader]
            function.inputs = [kept if name == gone else name for name in function.inputs]
        source.required.extend(result.required)
    del network.functions[str(pf.name)], network.variables[gone]
    for old, new in renamed.items():
        if new == gone:
            renamed[old] = kept
    renamed[gone] = kept
    return True


def rename_variable(proto_network: ProtoNetwork, renames: Mapping[str, str]) -> None:
    """Give variables and parameters other names, in the network and in its functions.

    Args:
        proto_network: the network; other networks of its graph and the values of parameters keep their names.
        renames: new names by the present ones; names that the network lacks are passed over.

    Raises:
        ValueError: two variables would have the same name. Nothing is changed then.
    """
    names = [*proto_network.variables, *proto_network.parameters]
    wanted = [renames.get(name, name) for name in names]
    if len(set(wanted)) < len(wanted):
        twice = sorted({name for name in wanted if wanted.count(name) > 1})
        raise ValueError(f"rename_variable: two variables would be called {', '.join(map(repr, twice))}")
    for table in (proto_network.variables, proto_network.parameters):
        entries = list(table.items())
        table.clear()
        for name, variable in entries:
            variable.name = renames.get(name, name)
            table[variable.name] = variable
    for function in proto_network.functions.values():
        function.inputs = [renames.get(name, name) for name in function.inputs]
        function.outputs = [renames.get(name, name) for name in function.outputs]
