"""Reads docstrings in the form that this project writes them in.

A summary and free text, then sections, each with a heading and a colon at the margin::

    Inputs:            arrays, one entry each: ``name: shape and meaning``
    Args:              other arguments, one entry each
    Returns:           free text
    Raises:            one entry for each error, ``ShapeError: when``
    Attributes:        one entry each
    Example:           a doctest
    Source: paper or document

Text at the margin that follows a blank line belongs to no section.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field

WITH_ENTRIES = ("Inputs", "Args", "Raises", "Attributes")
SECTIONS = (*WITH_ENTRIES, "Returns", "Example", "Source")

_HEADING = re.compile(r"([A-Z][a-z]+):(?:$| (.+))")
_ENTRY = re.compile(r" {4}(\*{0,2}[\w.]+(?:, \*{0,2}[\w.]+)*):(?: (.*))?$")


@dataclass
class Documentation:
    """What a docstring says."""

    text: str
    notes: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    args: dict[str, str] = field(default_factory=dict)
    raises: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)
    returns: str = ""
    example: str = ""
    source: str = ""

    @property
    def summary(self) -> str:
        """The first sentence, or the first paragraph where that ends in none."""
        paragraph = " ".join(self.text.split("\n\n")[0].split())
        end = re.search(r"(?<![ (]\w)\.(?= [A-Z])", paragraph)
        return paragraph[: end.end()] if end else paragraph


def parse(docstring: str | None) -> Documentation:
    """Take a docstring apart.

    Raises:
        ValueError: there is none, a section stands twice, or a line of a section with entries belongs to none.
    """
    if not (docstring or "").strip():
        raise ValueError("there is no docstring")
    text: list[str] = []
    notes: list[str] = []
    sections: dict[str, list[str]] = {}
    current = text
    heading = ""
    blank = False
    for line in inspect.cleandoc(docstring or "").splitlines():
        match = _HEADING.match(line)
        if match and match[1] in SECTIONS:
            heading = match[1]
            if heading in sections:
                raise ValueError(f"section {heading!r} stands twice")
            current = sections[heading] = [match[2]] if match[2] else []
        else:
            at_margin = bool(line) and not line[0].isspace()
            if current is not text and current is not notes and at_margin:
                if blank:
                    current = notes
                elif heading != "Source":
                    raise ValueError(f"{line!r} must be indented, as part of {heading!r}")
            current.append(line)
        blank = not line.strip()
    entries = {name: _entries(name, sections.get(name, [])) for name in WITH_ENTRIES}
    return Documentation(
        text="\n".join(text).strip(),
        notes="\n".join(notes).strip(),
        inputs=entries["Inputs"],
        args=entries["Args"],
        raises=entries["Raises"],
        attributes=entries["Attributes"],
        returns=_flush(sections.get("Returns", [])),
        example=_flush(sections.get("Example", [])),
        source=" ".join(" ".join(sections.get("Source", [])).split()),
    )


def _flush(lines: list[str]) -> str:
    return inspect.cleandoc("\n" + "\n".join(lines)).strip()


def _entries(section: str, lines: list[str]) -> dict[str, str]:
    """Entries by name; one of several names, ``a, b: text``, gives the text to each."""
    found: dict[str, list[str]] = {}
    names: list[str] = []
    for line in lines:
        match = _ENTRY.match(line)
        if match:
            names = match[1].split(", ")
            for name in names:
                if name in found and section != "Raises":
                    raise ValueError(f"{section}: {name!r} stands twice")
                found.setdefault(name, []).append(match[2] or "")
        elif line.strip():
            if not names or not line.startswith(" " * 5):
                raise ValueError(f"{section}: {line.strip()!r} belongs to no entry")
            for name in names:
                found[name].append(line.strip())
    return {name: " ".join(" ".join(text).split()) for name, text in found.items()}
