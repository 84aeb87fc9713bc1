"""Names of a network in C."""

from __future__ import annotations

import re

_WORDS = {
    *("auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern"),
    *("float", "for", "goto", "if", "inline", "int", "long", "main", "register", "restrict", "return", "short"),
    *("signed", "sizeof", "static", "struct", "switch", "typedef", "union", "unsigned", "void", "volatile", "while"),
}


def c_name(name: str) -> str:
    """A name of the network as one of C."""
    word = re.sub(r"[^0-9A-Za-z_]+", "_", name).strip("_") or "network"
    return f"net_{word}" if word[0].isdigit() or word in _WORDS else word


def comment(name: str) -> str:
    """A name within a comment, which it may not end."""
    return re.sub(r"[^ -~]", "?", str(name)).replace("*/", "* /").replace("/*", "/ *").replace("\\", "/")
