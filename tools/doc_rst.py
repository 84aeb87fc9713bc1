"""Writes entries of the documentation in reStructuredText."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from doc_pages import Entry, documented, is_wrapper
from docstrings import Documentation

from nnabla.graph.argument import REQUIRED, Argument
from nnabla.graph.operator import Operator

# Annotations that say no more than that an array is meant, or nothing, and what is shown of them.
_ANNOTATIONS = {"Any": "", "Array": "", "Array | None": "optional"}

# What may be a short name for types; and the modules in the full names that those stand for.
_ALIAS = re.compile(r"\b[A-Z]\w+")
_MODULE = re.compile(r"\b(?:\w+\.)+(?=\w)")

# Text in double backquotes, a role such as ``:math:``, or a name in single backquotes; the group is the name.
_QUOTED = re.compile(r"``.+?``|:[a-z]+:`[^`]*`|`([^`]+)`", re.DOTALL)


class Writer:
    """Writes entries, with links between them.

    Args:
        paths: full names of everything that has an entry on some page.
        pictures: files of pictures in the folder of that name, by full names of what they show.
    """

    def __init__(self, paths: Iterable[str], pictures: Mapping[str, str] | None = None) -> None:
        self.paths = set(paths)
        self.pictures = pictures or {}

    def entry(self, entry: Entry) -> str:
        """A function or class with all its sections."""
        if inspect.isclass(entry.thing):
            return self._class(entry)
        doc = entry.documentation
        types = _types(entry)
        own = {*types, *doc.inputs, *doc.args}
        facts = [] if entry.operator is None else _registered(entry.operator, is_wrapper(entry))
        body = self._sections(doc, entry.path, own, types, facts)
        return _directive("function", entry.path, signature(entry), body)

    def summary(self, entries: Iterable[Entry]) -> str:
        """A table of the entries with one sentence each."""
        lines = [".. list-table::", "   :widths: 30 70", ""]
        for entry in entries:
            role = "class" if inspect.isclass(entry.thing) else "func"
            own = {*entry.documentation.inputs, *entry.documentation.args}
            text = self.linked(entry.documentation.summary, entry.path, own)
            lines += [f"   * - :py:{role}:`~{entry.path}`", f"     - {text}"]
        return "\n".join(lines) + "\n"

    def text(self, doc: Documentation, path: str) -> str:
        """Text of a module: all but its sections with entries."""
        parts = [self.linked(doc.text, path, set()), self.linked(doc.notes, path, set()), _example(doc)]
        return "\n\n".join(p for p in parts if p) + "\n"

    def linked(self, text: str, path: str, own: set[str]) -> str:
        """`text` with names in single backquotes as links where there is an entry of that name, else as code.

        Args:
            text: of a docstring.
            path: full name of what it documents.
            own: names of its parameters, which hide functions of the same name.
        """

        def role(match: re.Match[str]) -> str:
            name = match[1]
            if name is None:
                return match[0]
            target = None if name in own else self._find(name, path)
            return f"``{name}``" if target is None else f":py:obj:`{name} <{target}>`"

        return _QUOTED.sub(role, text)

    def _find(self, name: str, path: str) -> str | None:
        scopes = ["nnabla.errors"]
        while path:
            scopes.append(path)
            path = path.rpartition(".")[0]
        candidates = [name, *[f"{scope}.{name}" for scope in scopes]]
        return next((c for c in candidates if c in self.paths), None)

    def _sections(
        self, doc: Documentation, path: str, own: set[str], types: dict[str, str], facts: Iterable[str] = ()
    ) -> str:
        def link(text: str) -> str:
            return self.linked(text, path, own)

        picture = self.pictures.get(path)
        shown = f".. image:: /pictures/{picture}\n   :alt: {path.rpartition('.')[2]}" if picture else ""
        parts = [link(doc.text), link(doc.notes), shown]
        fields = []
        for heading, entries in (("Inputs", doc.inputs), ("Arguments", doc.args), ("Attributes", doc.attributes)):
            if entries:
                items = [_item(name, types.get(name, ""), link(text)) for name, text in entries.items()]
                fields.append(_field(heading, "\n".join(items)))
        if doc.returns:
            fields.append(_field("Returns", link(doc.returns)))
        if doc.raises:
            errors = [f"* {link(f'`{name}`')} – {link(text)}" for name, text in doc.raises.items()]
            fields.append(_field("Raises", "\n".join(errors)))
        if doc.source:
            fields.append(_field("Source", link(doc.source)))
        fields += facts
        parts += ["\n".join(fields), _example(doc)]
        return "\n\n".join(p for p in parts if p) + "\n"

    def _class(self, entry: Entry) -> str:
        cls, doc = entry.thing, entry.documentation
        types = _annotations(cls)
        body = self._sections(doc, entry.path, {*types, *doc.args}, types)
        bases = [b for b in cls.__bases__ if self._find(b.__name__, entry.path)]
        if bases:
            names = ", ".join(self.linked(f"`{b.__name__}`", entry.path, set()) for b in bases)
            body = f"Derived from {names}.\n\n" + body
        members = [self._member(entry.path, name, member) for name, member in vars(cls).items()]
        return _directive("class", entry.path, _class_signature(cls), "\n".join([body, *filter(None, members)]))

    def _member(self, owner: str, name: str, member: Any) -> str:
        if (name.startswith("_") and name != "__call__") or not (getattr(member, "__doc__", None) or "").strip():
            return ""
        if isinstance(member, property):
            body = self._sections(documented(f"{owner}.{name}", member), f"{owner}.{name}", set(), {})
            return _directive("property", f"{owner}.{name}", "", body)
        function = inspect.unwrap(member.__func__ if isinstance(member, (classmethod, staticmethod)) else member)
        if not inspect.isfunction(function):
            return ""
        parameters = list(inspect.signature(function).parameters.values())
        options = []
        if isinstance(member, (classmethod, staticmethod)):
            options.append(f":{type(member).__name__}:")
        if not isinstance(member, staticmethod):
            parameters = parameters[1:]
        doc = documented(f"{owner}.{name}", member)
        types = _annotations(function)
        body = self._sections(doc, f"{owner}.{name}", {*types, *doc.args}, types)
        return _directive("method", f"{owner}.{name}", _listed(parameters), body, options)


def signature(entry: Entry) -> str:
    """Parameters and defaults of the public call; of one that takes any number of inputs with its arguments."""
    cls = entry.operator
    if cls is not None and cls.declaration.variadic and not is_wrapper(entry):
        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters = [inspect.Parameter(cls.declaration.inputs[0].name, inspect.Parameter.VAR_POSITIONAL)]
        for a in cls.declaration.arguments:
            value = inspect.Parameter.empty if a.default is REQUIRED else a.default
            parameters.append(inspect.Parameter(a.name, keyword, default=value))
        parameters += [inspect.Parameter(n, keyword, default=v) for n, v in (("n_outputs", -1), ("outputs", None))]
        return _listed(parameters)
    return _listed(inspect.signature(entry.thing).parameters.values())


def default(value: Any) -> str:
    """A default as Python text."""
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    return repr(value)


def type_text(argument: Argument, annotation: str = "") -> str:
    """Type, range and choices that a declared argument allows; a public call may take more types, as annotated."""
    text = annotation or argument.kind
    if argument.check is not None:
        text += f", {argument.check[1]}"
    if argument.choices:
        text += f": {', '.join(f'``{choice!r}``' for choice in argument.choices)}"
    return text


def _registered(cls: type[Operator], with_arguments: bool) -> list[str]:
    """What model files call the function, and what it has gradients for."""
    declaration = cls.declaration
    stored = f"``{declaration.type_name}``"
    if with_arguments and declaration.arguments:
        stored += ", with " + ", ".join(f"``{a.name}``" for a in declaration.arguments)
    without = {*cls.constants, *cls.indices, *cls.updated}
    wanted = [i.name for i in declaration.inputs if i.name not in without] if cls.differentiable else []
    gradient = ", ".join(f"``{name}``" for name in wanted) or "no input"
    return [_field("In model files", stored), _field("Gradient for", gradient)]


def _types(entry: Entry) -> dict[str, str]:
    """For each parameter of a function its type and default; declared ones have them from the declaration."""
    texts = _annotations(entry.thing)
    if entry.operator is None:
        return texts
    declaration = entry.operator.declaration
    parameters = inspect.signature(entry.thing).parameters
    for argument in declaration.arguments:
        parameter = parameters.get(argument.name)
        value = argument.default if parameter is None else parameter.default
        required = value is REQUIRED or value is inspect.Parameter.empty
        text = type_text(argument, "" if parameter is None else _annotation(parameter, entry.thing))
        texts[argument.name] = _with_default(text, inspect.Parameter.empty if required else value)
    for i in declaration.inputs:
        texts[i.name] = "optional" if i.optional else ""
    return texts


def _annotations(function: Callable[..., Any]) -> dict[str, str]:
    """For each parameter its annotation and its default."""
    texts = {}
    for p in _parameters(function):
        shown = _annotation(p, function)
        texts[p.name] = shown if shown == "optional" else _with_default(shown, p.default)
    return texts


def _annotation(parameter: inspect.Parameter, function: Callable[..., Any]) -> str:
    """The annotation as the page shows it, with short names for types replaced by what they stand for."""
    text = parameter.annotation if isinstance(parameter.annotation, str) else "Any"
    if text in _ANNOTATIONS:
        return _ANNOTATIONS[text]
    known = getattr(inspect.unwrap(function), "__globals__", {})

    def meaning(match: re.Match[str]) -> str:
        value = known.get(match[0])
        if value is None or inspect.isclass(value) or inspect.ismodule(value):
            return match[0]
        return _MODULE.sub("", str(value))

    return f"``{_ALIAS.sub(meaning, text)}``"


def _with_default(text: str, value: Any) -> str:
    if value is inspect.Parameter.empty:
        return text
    return "; ".join(part for part in (text, f"default ``{default(value)}``") if part)


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except ValueError:  # a built-in without signature, such as an exception's constructor
        return []


def _listed(parameters: Iterable[inspect.Parameter]) -> str:
    plain = []
    for p in parameters:
        value = p.default
        if isinstance(value, type) and value is not p.empty:
            value = _Literal(default(value))
        plain.append(p.replace(annotation=inspect.Parameter.empty, default=value))
    return str(inspect.Signature(plain))


class _Literal:
    """Shows itself as `text` in a signature."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _class_signature(cls: type) -> str:
    if issubclass(cls, BaseException) or "__init__" not in vars(cls):
        return ""
    return _listed(_parameters(cls))


def _example(doc: Documentation) -> str:
    return f".. code-block:: pycon\n\n{_indented(doc.example)}" if doc.example else ""


def _item(name: str, kind: str, text: str) -> str:
    shown = name.replace("*", r"\*")
    kind = f" ({kind})" if kind else ""
    return f"* **{shown}**{kind} – {text}"


def _field(heading: str, body: str) -> str:
    return f":{heading}:\n{_indented(body)}"


def _directive(kind: str, path: str, arguments: str, body: str, options: Iterable[str] = ()) -> str:
    head = [f".. py:{kind}:: {path}{arguments}", *[f"   {option}" for option in options]]
    return "\n".join(head) + f"\n\n{_indented(body)}\n"


def _indented(text: str) -> str:
    return textwrap.indent(text, "   ")
